/** The playlists of clips and of what they can be trimmed from; settles clips whose last picture was still to come. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { clipWindow } from '../../packager/vod/clip-window.ts';
import {
	listsFile,
	RecordedPlaylists,
	type RecordedPlaylist,
	type PlaylistSource,
} from '../videos/recorded-playlists.ts';
import type { SecretDirectory } from '../videos/path-secrets.ts';
import type { VideoStore } from '../videos/video-store.ts';
import type { ClipRecord } from './clip-row.ts';
import type { ClipPart, ClipStore } from './clip-store.ts';
import { MARGIN_SECONDS, type ClipTiming } from './clip-timing.ts';

/** Clips whose playlists are kept in memory; one has some 10 kB. */
const MAX_KEPT = 512;
/** Segments of sound overlap those of the picture. None is longer. */
const AROUND_SECONDS = 4;

type ClipPlaylistsDependencies = {
	clips: Pick<ClipStore, 'find' | 'settle'>;
	timing: Pick<ClipTiming, 'findLast'>;
	directory: Pick<SecretDirectory<ClipPart>, 'forget'>;
	videos: Pick<VideoStore, 'tracks'>;
	clock: Clock;
};

export class ClipPlaylists {
	readonly #deps: ClipPlaylistsDependencies;
	readonly #playlists: RecordedPlaylists;

	constructor(deps: ClipPlaylistsDependencies) {
		this.#deps = deps;
		this.#playlists = new RecordedPlaylists(deps, { maxKept: MAX_KEPT });
	}

	/** As it is now: settled when its last picture is recorded. Throws CLIP_NOT_FOUND when it is deleted meanwhile. */
	async settled(clip: ClipRecord): Promise<ClipRecord> {
		if (clip.isSettled) {
			return clip;
		}
		const { clips, timing, directory } = this.#deps;
		// What was remembered of its video may be old.
		const present = await clips.find(clip.id);
		const last = present?.isSettled === false ? await timing.findLast(present) : undefined;
		const settled = last === undefined ? present : await clips.settle(clip.id, last);
		if (settled === undefined) {
			throw new SpillwayError('CLIP_NOT_FOUND');
		}
		directory.forget(settled.pathSecret);
		directory.forget(settled.sourceSecret);
		return settled;
	}

	/** Of a track, or the multivariant one. Throws CLIP_NOT_FOUND for a track that it does not have. */
	async find(part: ClipPart, trackId: string | undefined): Promise<RecordedPlaylist> {
		const found = await this.#playlists.find(secretOf(part), trackId, () => this.#read(part));
		if (found === undefined) {
			throw new SpillwayError('CLIP_NOT_FOUND');
		}
		return found;
	}

	/** Throws CLIP_NOT_FOUND unless the part's playlist lists that file: what is trimmed off cannot be had. */
	async requireListed(part: ClipPart, trackId: string, file: string): Promise<void> {
		if (!listsFile(await this.find(part, trackId), file)) {
			throw new SpillwayError('CLIP_NOT_FOUND');
		}
	}

	async #read({ clip: known, part }: ClipPart): Promise<PlaylistSource> {
		const clip = await this.settled(known);
		const startSeconds = part === 'clip' ? clip.startSeconds : clip.sourceStartSeconds;
		// A segment that is listed stays listed, so none is that may turn out to be behind the last picture.
		const endSeconds = clip.isSettled
			? part === 'clip'
				? clip.endSeconds
				: clip.sourceEndSeconds
			: clip.endSeconds - MARGIN_SECONDS;
		const tracks = await this.#deps.videos.tracks(clip.videoId, {
			startSeconds: startSeconds - AROUND_SECONDS,
			endSeconds: endSeconds + AROUND_SECONDS,
		});
		return {
			tracks,
			window: clipWindow(tracks, { startSeconds, endSeconds }),
			isExcerpt: true,
			isComplete: clip.isSettled,
		};
	}
}

function secretOf({ clip, part }: ClipPart): string {
	return part === 'clip' ? clip.pathSecret : clip.sourceSecret;
}
