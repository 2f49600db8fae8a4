/** hls.js's loaders: what it requests comes from the rungs of a ladder. */
import type {
	FragmentLoaderContext,
	HlsConfig,
	Loader,
	LoaderCallbacks,
	LoaderConfiguration,
	LoaderContext,
	LoaderStats,
	PlaylistLoaderContext,
} from 'hls.js';
import type { CancelTimer, Clock } from '../../../../core/lifecycle/clock.ts';
import { HttpStatusError, type HttpAnswer, type Progress } from '../ladder/http-request.ts';
import { singleVariantPlaylist } from '../ladder/ladder.ts';
import type { LadderSource } from '../ladder/ladder-source.ts';
import type { LoadOptions } from '../ladder/track-fetcher.ts';

/** What hls.js gets, and the headers that it reads. */
type Answer = { url: string; data: string | ArrayBuffer; headers?: Headers };

type LoaderDeps = { clock: Clock; source: LadderSource; hlsUrl: string };

/** Settings for `new Hls(…)`. */
export function ladderLoaders(deps: LoaderDeps): Pick<HlsConfig, 'fLoader' | 'pLoader'> {
	class FragmentLoader extends LadderLoader<FragmentLoaderContext> {
		constructor() {
			super(deps.clock, (context, options) => loadFragment(deps, context, options));
		}
	}
	class PlaylistLoader extends LadderLoader<PlaylistLoaderContext> {
		constructor() {
			super(deps.clock, (context, options) => loadPlaylist(deps, context, options));
		}
	}
	return { fLoader: FragmentLoader, pLoader: PlaylistLoader };
}

async function loadFragment(
	{ source }: LoaderDeps,
	{ frag, part, url }: FragmentLoaderContext,
	options: LoadOptions,
): Promise<Answer> {
	if (frag.sn === 'initSegment') {
		// Not the kept bytes themselves: hls.js passes them on to a worker.
		return { url, data: (await source.loadInit(url)).slice().buffer };
	}
	if (frag.type !== 'main') {
		return { url, data: (await source.loadSound(url, frag.sn, options)).buffer };
	}
	const position = {
		mediaSequence: frag.sn,
		partIndex: part?.index,
		durationSeconds: part?.duration ?? frag.duration,
	};
	return { url, data: (await source.loadPicture(position, options)).buffer };
}

async function loadPlaylist(
	{ source, hlsUrl }: LoaderDeps,
	{ type, url }: PlaylistLoaderContext,
	options: LoadOptions,
): Promise<Answer> {
	// The values of LoaderContextType, which exists only in the library's types.
	const name: string = type;
	if (name === 'manifest') {
		return { url: hlsUrl, data: singleVariantPlaylist(source.ladder) };
	}
	const kind = name === 'audioTrack' ? 'sound' : 'picture';
	const answer: HttpAnswer = await source.loadPlaylist(kind, new URL(url, hlsUrl).searchParams, options);
	return { url: answer.url, data: new TextDecoder().decode(answer.bytes), headers: answer.headers };
}

type Run<Context> = (context: Context, options: LoadOptions) => Promise<Answer>;

/** One request of hls.js, with its time limits. */
class LadderLoader<Context extends LoaderContext> implements Loader<Context> {
	context: Context | null = null;
	readonly stats = emptyStats();
	readonly #clock: Clock;
	readonly #run: Run<Context>;
	readonly #abort = new AbortController();
	#callbacks: LoaderCallbacks<Context> | undefined;
	#headers: Headers | undefined;
	#cancelTimeout: CancelTimer | undefined;

	constructor(clock: Clock, run: Run<Context>) {
		this.#clock = clock;
		this.#run = run;
	}

	load(context: Context, { loadPolicy }: LoaderConfiguration, callbacks: LoaderCallbacks<Context>): void {
		const { stats } = this;
		this.context = context;
		this.#callbacks = callbacks;
		stats.loading.start = this.#clock.monotonicMs();
		const timeOut = (): void => {
			if (this.#end()) {
				callbacks.onTimeout(stats, context, null);
			}
		};
		this.#cancelTimeout = this.#clock.setTimeout(timeOut, loadPolicy.maxTimeToFirstByteMs);
		const onProgress = (progress: Progress): void => {
			if (progress.firstByteAtMs !== undefined && stats.loading.first === 0) {
				stats.loading.first = progress.firstByteAtMs;
				this.#cancelTimeout?.();
				this.#cancelTimeout = this.#clock.setTimeout(timeOut, loadPolicy.maxLoadTimeMs);
			}
			stats.loaded = progress.loadedBytes;
			stats.total = progress.totalBytes ?? stats.total;
		};
		this.#run(context, { signal: this.#abort.signal, onProgress }).then(
			(answer) => {
				if (this.#end()) {
					this.#headers = answer.headers;
					this.#succeed(answer, context, callbacks);
				}
			},
			(error: unknown) => {
				if (this.#end()) {
					const code = error instanceof HttpStatusError ? error.status : 0;
					callbacks.onError({ code, text: String(error) }, context, null, stats);
				}
			},
		);
	}

	abort(): void {
		const callbacks = this.#callbacks;
		if (this.#end()) {
			this.stats.aborted = true;
			callbacks?.onAbort?.(this.stats, this.context!, null);
		}
	}

	destroy(): void {
		this.#end();
		this.context = null;
	}

	getCacheAge(): number | null {
		const age = Number.parseFloat(this.#headers?.get('age') ?? '');
		return Number.isFinite(age) ? age : null;
	}

	getResponseHeader(name: string): string | null {
		return this.#headers?.get(name) ?? null;
	}

	#succeed({ url, data }: Answer, context: Context, callbacks: LoaderCallbacks<Context>): void {
		const { stats } = this;
		const nowMs = this.#clock.monotonicMs();
		stats.loading.first ||= nowMs;
		stats.loading.end = Math.max(nowMs, stats.loading.first);
		stats.total = stats.loaded;
		callbacks.onSuccess({ url, data, code: 200 }, stats, context, null);
	}

	/** Ends it, once. False when it has ended before. */
	#end(): boolean {
		if (this.#callbacks === undefined) {
			return false;
		}
		this.#callbacks = undefined;
		this.#cancelTimeout?.();
		this.#abort.abort();
		return true;
	}
}

function emptyStats(): LoaderStats {
	return {
		aborted: false,
		loaded: 0,
		retry: 0,
		total: 0,
		chunkCount: 0,
		bwEstimate: 0,
		loading: { start: 0, first: 0, end: 0 },
		parsing: { start: 0, end: 0 },
		buffering: { start: 0, first: 0, end: 0 },
	};
}
