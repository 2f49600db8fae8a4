/** How long a cache may keep each kind of answer (draft-pantos-hls-rfc8216bis App. B.1). */
import { TARGET_DURATION_SECONDS } from '../config/packager-config.ts';

/** Half a target duration, in whole seconds. */
const PLAYLIST_SECONDS = Math.floor(TARGET_DURATION_SECONDS / 2);

/** Kind of answer → value of Cache-Control. */
export const CACHE_CONTROL = {
	/** The playlist that a blocking request asked for: it never changes under its query. */
	'blocking-playlist': `public, max-age=${6 * TARGET_DURATION_SECONDS}`,
	/** Answered with less than it asked for. The real answer may exist a moment later, and viewers must get that. */
	'blocking-playlist-unfulfilled': 'no-store',
	/** A media playlist as it is now. */
	playlist: `public, max-age=${PLAYLIST_SECONDS}`,
	'multivariant-playlist': `public, max-age=${PLAYLIST_SECONDS}`,
	/** The order of CDNs for one player. */
	steering: 'no-store',
	/**
	 * Segment, part or init segment. At least six target durations are required, and names are never reused. A day is
	 * plenty for live media, and two weeks (as AWS has it) keep what its owner has deleted.
	 */
	media: 'public, max-age=86400, immutable',
	/** Any playlist of a complete video that everyone may see. Its address ends with its visibility. */
	'video-playlist': 'public, max-age=86400',
	/** A playlist of a video that is still being recorded. */
	'growing-video-playlist': 'public, max-age=1',
	/** The multivariant playlist of a private video, which is answered to its owner only. */
	'private-video-playlist': 'private, no-store',
	/** Media and media playlists of a private video: its owner's browser keeps them, no cache between does. */
	'private-video-media': 'private, max-age=86400, immutable',
	/** To an address of the store itself, which is valid for 300 s: nobody gets it with less than a minute left. */
	'presigned-redirect': 'private, max-age=240',
	/** The picture of a live channel; the next one comes after about ten seconds. */
	still: 'public, max-age=5',
	/** The poster of a video that is being recorded: another one comes at the end. */
	'growing-video-poster': 'public, max-age=60',
	/** The address was valid once. Never again, so that caches need not ask. */
	gone: 'public, max-age=60',
	/**
	 * The address, or the channel, does not exist now. One target duration is allowed. One second, because a cached 404
	 * for a channel that goes live a moment later is the classic outage.
	 */
	'not-found': 'public, max-age=1',
	/**
	 * The request makes no sense now. Four target durations are allowed, but a segment requested too early is a valid
	 * request seconds later. From a cache, one such answer shuts out all viewers.
	 */
	'bad-request': 'no-store',
	/** A temporary failure. */
	unavailable: 'no-store',
} as const;

/** What is answered. */
export type AnswerKind = keyof typeof CACHE_CONTROL;
