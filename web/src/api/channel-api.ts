/** API calls about channels that need no account. */
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import type { Category } from '../../../core/protocol/api/channel-list.ts';
import type { ServerTime } from '../../../core/protocol/api/server-time.ts';
import { ask } from './request.ts';

/** Filters the list. An empty text does not filter. */
export type ChannelFilter = { query: string; category: string };

/** One channel by name; throws with code `CHANNEL_NOT_FOUND` when there is none. */
export function fetchChannel(channel: string, signal?: AbortSignal): Promise<ChannelDescription> {
	return ask('GET /api/v1/channels/:channel', { params: { channel }, signal });
}

export function fetchServerTime(signal?: AbortSignal): Promise<ServerTime> {
	return ask('GET /api/v1/time', { signal });
}

/** Live channels; with a search, also those that are not live, after them. */
export async function fetchChannels(
	{ query, category }: ChannelFilter,
	signal?: AbortSignal,
): Promise<ChannelDescription[]> {
	const narrowed = {
		...(query === '' ? { state: 'live' as const } : { query }),
		...(category === '' ? {} : { category }),
	};
	return (await ask('GET /api/v1/channels', { query: narrowed, signal })).channels;
}

export async function fetchCategories(signal?: AbortSignal): Promise<Category[]> {
	return (await ask('GET /api/v1/categories', { signal })).categories;
}
