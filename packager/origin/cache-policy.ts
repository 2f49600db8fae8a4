/** How long a cache may keep each kind of answer (draft-pantos-hls-rfc8216bis App. B.1). Pure. */
import { TARGET_DURATION_SECONDS } from '../config/packager-config.ts';

/** What is answered. */
export type AnswerKind =
	/** The playlist that a blocking request asked for: it never changes under its query. */
	| 'blocking-playlist'
	/** A blocking request answered with less than it asked for, because nothing came for a while. */
	| 'blocking-playlist-unfulfilled'
	/** Playlist as it stands. */
	| 'playlist'
	/** Multivariant playlist. */
	| 'multivariant-playlist'
	/** Segment, part or init segment. */
	| 'media'
	/** The address, or the channel, does not exist (now). */
	| 'not-found'
	/** The request makes no sense (now). */
	| 'bad-request'
	/** Try again. */
	| 'unavailable';

/** Value of Cache-Control. */
export function cacheControl(kind: AnswerKind): string {
	switch (kind) {
		case 'blocking-playlist':
			return `public, max-age=${6 * TARGET_DURATION_SECONDS}`;
		case 'blocking-playlist-unfulfilled':
			// Under the same query the real answer may be there a moment later; viewers who return must get that.
			return 'no-store';
		case 'playlist':
		case 'multivariant-playlist':
			// Half a target duration, in whole seconds.
			return `public, max-age=${Math.floor(TARGET_DURATION_SECONDS / 2)}`;
		case 'media':
			// At least six target durations are asked for; names are never reused, so for ever is right. A day is plenty for
			// live media, and two weeks (as AWS has it) would keep what its owner has deleted.
			return 'public, max-age=86400, immutable';
		case 'not-found':
			// One target duration is allowed. One second, because a cached 404 for what exists a moment later (a channel that
			// goes live) is the classic outage.
			return 'public, max-age=1';
		case 'bad-request':
		// Four target durations are allowed, but a segment asked for too early is asked for rightly seconds later: with a
		// cache in front, one request could so shut out all viewers.
		case 'unavailable':
			return 'no-store';
	}
}
