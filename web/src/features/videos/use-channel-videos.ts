/** Videos of a channel, newest first, with older ones on request. */
import { fetchVideos } from '../../api/video-api.ts';
import { useNewest } from './use-newest.ts';

/** Loads the first ones now. */
export function useChannelVideos(channel: string, limit: number) {
	const { items: videos, ...list } = useNewest(async (page, signal) => {
		const { videos: items, next } = await fetchVideos(channel, page, signal);
		return { items, next };
	}, limit);
	return { videos, ...list };
}
