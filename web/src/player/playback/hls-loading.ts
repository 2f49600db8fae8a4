/** What hls.js loads: parts at the live edge, or whole segments over a line that is too poor for the stream. */
import type Hls from 'hls.js';
import type * as HlsModule from 'hls.js';
import type { HlsConfig } from 'hls.js';
import { BUFFER_LENGTHS, HLS_CONFIG } from './hls-config.ts';

/** While media are missing, hls.js loads all the time; without any load for this long, its loading is restarted. */
const IDLE_PATIENCE_MS = 3000;
/** From here on, media listed and not buffered counts as missing: less may be rounding in the playlist. */
const MISSING_SECONDS = 0.5;
/** Behind the live edge; a start with whole segments is in the newest one or the one before it. */
const BEGIN_BEHIND_SECONDS = 3;

/** Settings for `new Hls(…)` that starts with whole segments, or with parts. */
export function hlsConfigFor(loadsWholeSegments: boolean): Partial<HlsConfig> {
	return loadsWholeSegments
		? { ...HLS_CONFIG, ...BUFFER_LENGTHS.behind, lowLatencyMode: false, liveSyncDuration: BEGIN_BEHIND_SECONDS }
		: HLS_CONFIG;
}

/** The used part of hls.js; a test passes a fake. @internal for tests */
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

type LoadingDeps = {
	hls: LoadingHls;
	library: Pick<typeof HlsModule, 'Events'>;
	/** A whole segment of the picture has arrived: its duration, and how long it took to load. */
	onSegment: (mediaSeconds: number, tookMs: number) => void;
};

export class HlsLoading {
	readonly #deps: LoadingDeps;
	#loadsWholeSegments: boolean;
	#completedBytes = 0;
	#seenBytes = 0;
	#progressAtMs = -Infinity;
	#busyAtMs = 0;

	constructor(deps: LoadingDeps, loadsWholeSegments: boolean) {
		this.#deps = deps;
		this.#loadsWholeSegments = loadsWholeSegments;
		deps.hls.on(deps.library.Events.FRAG_LOADED, (_event, { frag, part }) => {
			this.#completedBytes += part?.stats.loaded ?? frag.stats.loaded;
			if (part === null && frag.type === 'main' && frag.sn !== 'initSegment') {
				deps.onSegment(frag.duration, frag.stats.loading.end - frag.stats.loading.start);
			}
		});
	}

	/** Of parts and segments that were loaded completely. */
	get completedBytes(): number {
		return this.#completedBytes;
	}

	/** When the latest bytes of media arrived. */
	get progressAtMs(): number {
		return this.#progressAtMs;
	}

	/** Call it about ten times a second. `missingSeconds`: listed in whole segments and not buffered. */
	watch(nowMs: number, missingSeconds: number): void {
		const { main, audio } = this.#deps.hls.inFlightFragments;
		// hls.js sets the statistics of an ended loader to null, which its types do not say.
		const loaders: { stats: { loaded: number } | null }[] = [main, audio].flatMap(
			(inFlight) => inFlight?.frag?.loader ?? [],
		);
		const loading = loaders.flatMap(({ stats }) => stats ?? []);
		const bytes = this.#completedBytes + loading.reduce((sum, { loaded }) => sum + loaded, 0);
		if (bytes !== this.#seenBytes) {
			this.#seenBytes = bytes;
			this.#progressAtMs = nowMs;
		}
		if (!this.#loadsWholeSegments) {
			return;
		}
		// hls.js 1.7.4 halves maxMaxBufferLength each time it finds a segment whose load was aborted, and never restores it
		// (reduceMaxBufferLength). With a second or less, the buffer counts as full at once, and loading ends.
		Object.assign(this.#deps.hls.config, BUFFER_LENGTHS.behind);
		if (loading.length > 0 || missingSeconds < MISSING_SECONDS) {
			this.#busyAtMs = nowMs;
		} else if (nowMs - this.#busyAtMs > IDLE_PATIENCE_MS) {
			this.#busyAtMs = nowMs;
			this.restart();
		}
	}

	/** True when this is a change; loads under way are aborted. */
	setWholeSegments(nowMs: number, loadsWholeSegments: boolean): boolean {
		if (this.#loadsWholeSegments === loadsWholeSegments) {
			return false;
		}
		this.#loadsWholeSegments = loadsWholeSegments;
		this.#busyAtMs = nowMs;
		this.#deps.hls.lowLatencyMode = !loadsWholeSegments;
		Object.assign(this.#deps.hls.config, loadsWholeSegments ? BUFFER_LENGTHS.behind : BUFFER_LENGTHS.atEdge);
		if (loadsWholeSegments) {
			this.#deps.hls.targetLatency = BEGIN_BEHIND_SECONDS;
		}
		this.restart();
		return true;
	}

	/** Aborts what is loading, and loads the playlist again. */
	restart(): void {
		const { hls } = this.#deps;
		const hasStarted = (hls.media?.currentTime ?? 0) > 0;
		hls.stopLoad();
		// -1 means the playhead, which before the start is at the start of the playlist.
		hls.startLoad(hasStarted ? -1 : (hls.liveSyncPosition ?? -1));
	}
}
