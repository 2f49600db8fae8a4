/** Who may publish in the tests of WHIP: `good-key` to channel `demo`, `other-key` to `other`. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import type { PublishPermission } from '../broadcast/broadcast-registry.ts';

/** How many keys each attempt had. */
export const attempts: number[] = [];

export function authorize(streamKeys: string | readonly string[]): Promise<PublishPermission> {
	const candidates = typeof streamKeys === 'string' ? [streamKeys] : streamKeys;
	attempts.push(candidates.length);
	const channels: Record<string, string> = { 'good-key': 'demo', 'other-key': 'other' };
	const streamKey = candidates.find((key) => key in channels)!;
	const channelName = channels[streamKey];
	return channelName === undefined
		? Promise.reject(new SpillwayError('STREAM_KEY_REFUSED'))
		: Promise.resolve({
				channelId: channelName as ChannelId,
				channelName: channelName as ChannelName,
				graceWindowMs: 60_000,
				streamKeyId: streamKey,
				owner: { id: undefined, isKnown: false, isAdministrator: false },
			});
}
