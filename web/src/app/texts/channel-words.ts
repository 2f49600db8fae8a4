/** What is said about channels: the order of the list, its heading, counts of people. Pure. */
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { ChannelFilter } from '../../api/channel-api.ts';

const STATE_ORDER: Record<ChannelDescription['state'], number> = { live: 0, interrupted: 1, starting: 2, offline: 3 };

/** Playing ones first, among them those with more viewers, then by name: an order that does not jump between equals. */
export function byViewers(channels: readonly ChannelDescription[]): ChannelDescription[] {
	return [...channels].sort(
		(a, b) =>
			STATE_ORDER[a.state] - STATE_ORDER[b.state] ||
			(b.viewerCount ?? -1) - (a.viewerCount ?? -1) ||
			a.name.localeCompare(b.name),
	);
}

/** `1 viewer`, `12 viewers`; undefined where nobody counted. */
export function sayViewers(count: number | null): string | undefined {
	return count === null ? undefined : `${count.toLocaleString('en')} ${count === 1 ? 'viewer' : 'viewers'}`;
}

/** The start page's heading. */
export function listHeading(
	channels: readonly ChannelDescription[] | undefined,
	filter: ChannelFilter,
	isUnreachable: boolean,
): string {
	if (channels === undefined) {
		return isUnreachable ? 'The server does not answer' : 'Looking for live channels …';
	}
	if (filter.query !== '') {
		const where = filter.category === '' ? '' : ` in ${filter.category}`;
		return channels.length === 0
			? `Nothing found for “${filter.query}”${where}`
			: `${channels.length === 1 ? 'One channel' : `${channels.length} channels`} for “${filter.query}”${where}`;
	}
	if (channels.length > 0 && channels.every(({ state }) => state === 'starting')) {
		return 'About to start …';
	}
	const count = channels.filter(({ state }) => state === 'live' || state === 'interrupted').length;
	const where = filter.category === '' ? '' : ` in ${filter.category}`;
	if (count === 0) {
		return filter.category === '' ? 'Nobody is live right now' : `Nobody is live in ${filter.category}`;
	}
	return count === 1 ? `One channel is live${where}` : `${count} channels are live${where}`;
}
