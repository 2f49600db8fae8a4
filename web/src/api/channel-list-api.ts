/** The list of channels as the start page asks for it, and the categories that there are. */
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import type { ChannelList } from '../../../core/protocol/api/channel-list.ts';
import { sendJson } from './account-request.ts';

/** What the list is narrowed to. An empty text narrows nothing. */
export type ChannelFilter = { query: string; category: string };

/** A category and what is live in it. */
export type CategoryDescription = { name: string; liveCount: number; viewerCount: number };

/** Live channels; with a search also those that are not, after them. */
export async function fetchChannels(filter: ChannelFilter, signal?: AbortSignal): Promise<ChannelDescription[]> {
	const parameters = new URLSearchParams();
	if (filter.query === '') {
		parameters.set('state', 'live');
	} else {
		parameters.set('query', filter.query);
	}
	if (filter.category !== '') {
		parameters.set('category', filter.category);
	}
	const { channels } = await sendJson<ChannelList>('GET', `/api/v1/channels?${parameters}`, undefined, signal);
	return channels;
}

/** All categories in use. */
export async function fetchCategories(signal?: AbortSignal): Promise<CategoryDescription[]> {
	const answer = await sendJson<{ categories: CategoryDescription[] }>('GET', '/api/v1/categories', undefined, signal);
	return answer.categories;
}
