/** Texts about channels: the list's order and heading, viewer counts. Pure. */
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { ChannelFilter } from '../../api/channel-api.ts';

const STATE_ORDER: Record<ChannelDescription['state'], number> = { live: 0, interrupted: 1, starting: 2, offline: 3 };

/** Live ones first, then those with more viewers, then by name, so that the order is stable. */
export function byViewers(channels: readonly ChannelDescription[]): ChannelDescription[] {
	return [...channels].sort(
		(a, b) =>
			STATE_ORDER[a.state] - STATE_ORDER[b.state] ||
			(b.viewerCount ?? -1) - (a.viewerCount ?? -1) ||
			a.name.localeCompare(b.name),
	);
}

/** `1 viewer`, `12 viewers`; undefined where viewers are not counted. */
export function formatViewers(count: number | null): string | undefined {
	return count === null ? undefined : `${count.toLocaleString('en')} ${count === 1 ? 'viewer' : 'viewers'}`;
}

export function listHeading(
	channels: readonly ChannelDescription[] | undefined,
	filter: ChannelFilter,
	isUnreachable: boolean,
): string {
	if (channels === undefined) {
		return isUnreachable ? 'The server does not answer' : 'Looking for live channels …';
	}
	const where = filter.category === '' ? '' : ` in ${filter.category}`;
	if (filter.query !== '') {
		return channels.length === 0
			? `Nothing found for “${filter.query}”${where}`
			: `${channels.length === 1 ? 'One channel' : `${channels.length} channels`} for “${filter.query}”${where}`;
	}
	if (channels.length > 0 && channels.every(({ state }) => state === 'starting')) {
		return 'About to start …';
	}
	const count = channels.filter(({ state }) => state === 'live' || state === 'interrupted').length;
	if (count === 0) {
		return `Nobody is live${where === '' ? ' right now' : where}`;
	}
	return count === 1 ? `One channel is live${where}` : `${count} channels are live${where}`;
}
