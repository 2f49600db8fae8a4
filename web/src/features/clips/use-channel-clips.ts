/** Clips of a channel, newest first, with older ones on request. */
import { fetchClips } from '../../api/clip-api.ts';
import { useNewest } from '../videos/use-newest.ts';

/** Loads the first ones now. */
export function useChannelClips(channel: string, limit: number) {
	const { items: clips, ...list } = useNewest(async (page, signal) => {
		const { clips: items, next } = await fetchClips(channel, page, signal);
		return { items, next };
	}, limit);
	return { clips, ...list };
}
