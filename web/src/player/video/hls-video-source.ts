/** A video played by hls.js, also while it grows: from its start, over gaps and changes of size or codec. */
import type Hls from 'hls.js';
import type * as HlsModule from 'hls.js';
import type { ErrorData } from 'hls.js';
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { MediaRange } from '../measure/buffered-ranges.ts';
import { captureTimeOfMedia, datedFragments, type DatedFragment } from '../measure/capture-clock.ts';
import { matchQuality, type Quality, type QualityPreference } from '../playback/quality.ts';
import { qualitiesOf, segmentHlsConfig } from '../playback/segment-hls.ts';
import { gapsOf } from '../measure/media-gaps.ts';
import {
	isGoneStatus,
	type VideoProblem,
	type VideoSource,
	type VideoSourceListener,
	type VideoSourceOptions,
} from './video-source.ts';

/** A decoder that fails again this soon after a reset does not recover. */
const MEDIA_RECOVERY_INTERVAL_MS = 5000;

type HlsVideoDeps = {
	clock: Clock;
	video: HTMLVideoElement;
	loadLibrary: () => Promise<typeof HlsModule>;
	/** What the line carried last, in bits a second. */
	knownBps: number | undefined;
};

export class HlsVideoSource implements VideoSource {
	qualities: readonly Quality[] = [];
	gaps: readonly MediaRange[] = [];
	readonly #deps: HlsVideoDeps;
	readonly #listener: VideoSourceListener;
	#hls: Hls | undefined;
	#fragments: readonly DatedFragment[] = [];
	#preference: QualityPreference;
	#isOver = false;
	#lastMediaRecoveryMs = -Infinity;

	constructor(deps: HlsVideoDeps, options: VideoSourceOptions, listener: VideoSourceListener) {
		this.#deps = deps;
		this.#listener = listener;
		this.#preference = options.preference;
		deps.loadLibrary().then(
			(library) => this.#open(library, options),
			(error: unknown) =>
				this.#fail({ kind: 'unreachable', detail: `The player could not be loaded: ${String(error)}` }),
		);
	}

	get shownQuality(): Quality | undefined {
		return this.qualities.find(({ id }) => id === String(this.#hls?.currentLevel));
	}

	captureTimeMs(mediaSeconds: number): number | undefined {
		return captureTimeOfMedia(mediaSeconds, this.#fragments);
	}

	prefer(preference: QualityPreference): void {
		this.#preference = preference;
		if (this.#hls !== undefined && this.qualities.length > 0) {
			// The picture on the screen stays until the next segment.
			this.#hls.nextLevel = this.#wantedLevel;
		}
	}

	close(): void {
		this.#isOver = true;
		this.#hls?.destroy();
		this.#hls = undefined;
	}

	get #wantedLevel(): number {
		const quality = matchQuality(this.qualities, this.#preference);
		return quality === undefined ? -1 : Number(quality.id);
	}

	#open({ default: HlsClass, Events }: typeof HlsModule, { playlistUrl, startSeconds }: VideoSourceOptions): void {
		if (this.#isOver) {
			return;
		}
		if (!HlsClass.isSupported()) {
			this.#fail({ kind: 'unsupported', detail: 'This browser cannot play H.264 through Media Source Extensions.' });
			return;
		}
		const hls = new HlsClass({
			...segmentHlsConfig(this.#deps.knownBps),
			// Without it a video that is still being recorded begins at its newest picture.
			startPosition: startSeconds,
		});
		this.#hls = hls;
		hls.on(Events.MANIFEST_PARSED, (_event, { levels }) => {
			this.qualities = qualitiesOf(levels);
			if (this.#wantedLevel >= 0) {
				hls.startLevel = this.#wantedLevel;
				hls.nextLevel = this.#wantedLevel;
			}
			this.#listener.onChanged();
		});
		hls.on(Events.LEVEL_UPDATED, (_event, { details }) => {
			this.gaps = gapsOf(details.fragments);
			this.#fragments = datedFragments(details.fragments);
			this.#listener.onChanged();
		});
		hls.on(Events.LEVEL_SWITCHED, () => this.#listener.onChanged());
		hls.on(Events.ERROR, (_event, data) => this.#onError(data));
		hls.loadSource(new URL(playlistUrl, globalThis.location?.href).href);
		hls.attachMedia(this.#deps.video);
	}

	#fail(problem: VideoProblem): void {
		if (!this.#isOver) {
			this.#isOver = true;
			// It loads no more; what is buffered stays on the screen until it is closed.
			this.#hls?.stopLoad();
			this.#listener.onProblem(problem);
		}
	}

	#onError(data: ErrorData): void {
		const status = data.response?.code ?? 0;
		// hls.js tries other rungs, which are gone as well.
		if (status === 410 || (data.fatal && isGoneStatus(status))) {
			this.#fail({ kind: 'gone', detail: `The server answered ${status}.` });
		} else if (!data.fatal || this.#hls === undefined) {
			return;
		} else if (data.details === 'manifestIncompatibleCodecsError') {
			this.#fail({ kind: 'undecodable', detail: 'This browser cannot decode the codecs of this video.' });
		} else if (data.type === 'mediaError') {
			this.#onMediaError(data);
		} else {
			const detail = status === 0 ? 'No answer.' : `The server answered ${status}.`;
			this.#fail({ kind: 'unreachable', detail });
		}
	}

	#onMediaError({ details }: ErrorData): void {
		const nowMs = this.#deps.clock.monotonicMs();
		if (nowMs - this.#lastMediaRecoveryMs < MEDIA_RECOVERY_INTERVAL_MS) {
			this.#fail({ kind: 'undecodable', detail: `The video could not be decoded (${details}).` });
			return;
		}
		this.#lastMediaRecoveryMs = nowMs;
		this.#hls?.recoverMediaError();
	}
}
