/**
 * What hls.js loads: parts as they come, at the live edge; or whole segments, over a line that is too poor for the
 * stream.
 */
import type Hls from 'hls.js';
import type * as HlsModule from 'hls.js';
import type { HlsConfig } from 'hls.js';
import { BUFFER_LENGTHS, HLS_CONFIG } from './hls-config.ts';

/**
 * While media are missing, hls.js loads all the time; when it has loaded nothing at all for so long, it is started
 * anew.
 */
const IDLE_PATIENCE_MS = 3000;
/** So much is listed and not there: less may be how playlist and media differ. */
const MISSING_SECONDS = 0.5;
/** Behind the edge, a start with whole segments is in the newest or the one before it. */
const BEGIN_BEHIND_SECONDS = 3;

/** Settings for `new Hls(…)` that begins with whole segments, or with parts. */
export function hlsConfigFor(loadsWholeSegments: boolean): Partial<HlsConfig> {
	return loadsWholeSegments
		? { ...HLS_CONFIG, ...BUFFER_LENGTHS.behind, lowLatencyMode: false, liveSyncDuration: BEGIN_BEHIND_SECONDS }
		: HLS_CONFIG;
}

/** What is used of hls.js; a test passes a fake. @internal for tests */
export type LoadingHls = Pick<
	Hls,
	| 'on'
	| 'config'
	| 'inFlightFragments'
	| 'media'
	| 'liveSyncPosition'
	| 'lowLatencyMode'
	| 'targetLatency'
	| 'startLoad'
	| 'stopLoad'
>;

/** One per hls.js instance, from its beginning. */
export class HlsLoading {
	readonly #hls: LoadingHls;
	#loadsWholeSegments: boolean;
	#completedBytes = 0;
	#seenBytes = 0;
	#progressAtMs = -Infinity;
	#busyAtMs = 0;

	/** `onSegment`: a whole segment of the picture has come; how much it plays, and how long it took. */
	constructor(
		hls: LoadingHls,
		{ Events }: Pick<typeof HlsModule, 'Events'>,
		loadsWholeSegments: boolean,
		onSegment: (mediaSeconds: number, tookMs: number) => void,
	) {
		this.#hls = hls;
		this.#loadsWholeSegments = loadsWholeSegments;
		hls.on(Events.FRAG_LOADED, (_event, { frag, part }) => {
			this.#completedBytes += part?.stats.loaded ?? frag.stats.loaded;
			if (part === null && frag.type === 'main' && frag.sn !== 'initSegment') {
				onSegment(frag.duration, frag.stats.loading.end - frag.stats.loading.start);
			}
		});
	}

	/** Of the media that have come whole. */
	get completedBytes(): number {
		return this.#completedBytes;
	}

	/** When bytes of media came last. */
	get progressAtMs(): number {
		return this.#progressAtMs;
	}

	/** Call it some ten times a second. `missingSeconds`: listed as whole segments, and not there. */
	watch(nowMs: number, missingSeconds: number): void {
		const { main, audio } = this.#hls.inFlightFragments;
		// hls.js takes the statistics from a loader that it ends, which its types do not say.
		const loaders: { stats: { loaded: number } | null }[] = [main, audio].flatMap(
			(inFlight) => inFlight?.frag?.loader ?? [],
		);
		const underWay = loaders.flatMap(({ stats }) => stats ?? []);
		const bytes = this.#completedBytes + underWay.reduce((sum, { loaded }) => sum + loaded, 0);
		if (bytes !== this.#seenBytes) {
			this.#seenBytes = bytes;
			this.#progressAtMs = nowMs;
		}
		if (!this.#loadsWholeSegments) {
			return;
		}
		// hls.js 1.7.4 halves the second one each time that it finds a segment whose load was broken off, and never
		// undoes it; with a second or less, as much is buffered at once, and nothing is loaded any more
		// (reduceMaxBufferLength).
		Object.assign(this.#hls.config, BUFFER_LENGTHS.behind);
		if (underWay.length > 0 || missingSeconds < MISSING_SECONDS) {
			this.#busyAtMs = nowMs;
		} else if (nowMs - this.#busyAtMs > IDLE_PATIENCE_MS) {
			this.#busyAtMs = nowMs;
			this.restart();
		}
	}

	/** True when it was changed. What is under way is broken off. */
	setWholeSegments(nowMs: number, loadsWholeSegments: boolean): boolean {
		if (this.#loadsWholeSegments === loadsWholeSegments) {
			return false;
		}
		this.#loadsWholeSegments = loadsWholeSegments;
		this.#busyAtMs = nowMs;
		this.#hls.lowLatencyMode = !loadsWholeSegments;
		Object.assign(this.#hls.config, loadsWholeSegments ? BUFFER_LENGTHS.behind : BUFFER_LENGTHS.atEdge);
		if (loadsWholeSegments) {
			this.#hls.targetLatency = BEGIN_BEHIND_SECONDS;
		}
		this.restart();
		return true;
	}

	/** Forgets what is waited for, and loads the playlist anew. */
	restart(): void {
		const hls = this.#hls;
		const isUnderWay = (hls.media?.currentTime ?? 0) > 0;
		hls.stopLoad();
		// From where it is; hls.js takes a playhead that has not begun for one at the beginning of the playlist.
		hls.startLoad(isUnderWay ? -1 : (hls.liveSyncPosition ?? -1));
	}
}
