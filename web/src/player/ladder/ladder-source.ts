/**
 * Loads a channel for hls.js, which plays one picture and one sound: of each part, the rung that the controller
 * chooses. hls.js 1.7.4 can change levels by itself, but between parts it loads from the last key frame on, over
 * pictures that play; the picture then stands for up to a second, and often the loading breaks off. Here all rungs
 * are one stream: they have the same parts, so each part may come from another rung.
 */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { Logger } from '../../../../core/logger.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import { AbrController } from './abr-controller.ts';
import { blankFragments, blankInit } from './blank-picture.ts';
import { concatBytes, HttpStatusError, type HttpAnswer, type HttpRequest, type Progress } from './http-request.ts';
import type { ResourceTimings } from './resource-timing.ts';
import { parseLadder, type Ladder, type Rung, type Sound } from './ladder.ts';
import {
	follows,
	NoSuchPartError,
	TICKS_PER_SECOND,
	TrackFetcher,
	type LoadedPicture,
	type LoadOptions,
	type PartPosition,
} from './track-fetcher.ts';
import type { TrackPlaylist } from './track-playlist.ts';

type LadderSourceDeps = {
	clock: Clock;
	logger: Logger;
	request: HttpRequest;
	/** Media ahead of the playhead; undefined before anything has played. */
	bufferedAheadSeconds: () => number | undefined;
	/** Better times of a request than those of the page; undefined where there are none. */
	timings?: Pick<ResourceTimings, 'transferOf'>;
};

type LadderSourceOptions = {
	/** Of the multivariant playlist. */
	url: string;
	/** What is known of the line, in bits a second. */
	knownBps: number | undefined;
};

type LadderSourceEvents = {
	/** Another rung is loading, or the channel's rungs have changed. */
	changed: [];
	/** A part came too late, or is about to. */
	partLate: [];
};

/** Between two looks at a part that is loading. */
const WATCH_MS = 50;
/** Enough to measure a line that carries the lowest rung, and not enough to fill the queue of one that does not. */
const PROBE_BYTES = 14_000;
const PROBE_DEADLINE_MS = 2000;
/** At least between two readings of the multivariant playlist. */
const LADDER_INTERVAL_MS = 3000;
/** What rungs need changes with the pictures. */
const LADDER_REFRESH_MS = 30_000;

/** Loading in a rung was given up for another one. */
class Abandoned extends Error {
	readonly rung: number;

	constructor(rung: number) {
		super(`It comes too late; rung ${rung} instead.`);
		this.rung = rung;
	}
}

export class LadderSource extends TypedEmitter<LadderSourceEvents> {
	readonly controller: AbrController;
	readonly #deps: LadderSourceDeps;
	readonly #url: string;
	readonly #fetcher: TrackFetcher;
	readonly #abort = new AbortController();
	#ladder: Ladder;
	/** The rung whose playlist hls.js gets. */
	#followed: Rung;
	/** Ends the requests for playlists of the rung followed before. */
	#following = new AbortController();
	#lastPicture: LoadedPicture | undefined;
	/** Init segment of the sound that was loaded last. */
	#soundInitUrl: string | undefined;
	#ladderReadAtMs = -Infinity;
	/** Of all requests, so far. */
	#receivedBytes = 0;

	constructor(deps: LadderSourceDeps, ladder: Ladder, { url, knownBps }: LadderSourceOptions) {
		super(deps.logger);
		this.#deps = deps;
		this.#url = url;
		this.#ladder = ladder;
		this.#fetcher = new TrackFetcher((address, options) => this.#request(address, options));
		const startedAtMs = deps.clock.monotonicMs();
		this.controller = new AbrController(needsOf(ladder), { startedAtMs, knownBps });
		this.#followed = this.#rungOf(this.controller.rung);
		this.#ladderReadAtMs = startedAtMs;
	}

	get ladder(): Ladder {
		return this.#ladder;
	}

	/** The rung that is loading; undefined for sound alone. */
	get rung(): Rung | undefined {
		return this.#ladder.rungs[this.controller.rung];
	}

	/** Ends all requests. */
	close(): void {
		this.#abort.abort();
	}

	/** The playlist of the picture, or of the sound, that is loading now. */
	async loadPlaylist(
		kind: 'picture' | 'sound',
		directives: URLSearchParams,
		options: LoadOptions,
	): Promise<HttpAnswer> {
		if (kind === 'sound') {
			return this.#fetcher.loadPlaylist(this.#soundNow().playlistUrl, directives, options);
		}
		const failed = new Set<number>();
		for (;;) {
			const [rung, following] = [this.#followed, this.#following];
			try {
				const signal = AbortSignal.any([options.signal, following.signal]);
				const answer = await this.#fetcher.loadPlaylist(rung.playlistUrl, directives, { ...options, signal });
				const list = this.#fetcher.list(rung.playlistUrl);
				this.#watchReports(list);
				if (!endsWithGap(list) || !this.#leave(rung, failed)) {
					return answer;
				}
			} catch (error) {
				const isRetargeted = following.signal.aborted && !options.signal.aborted;
				if (!isRetargeted && (!isMissing(error) || !this.#leave(rung, failed))) {
					throw error;
				}
			}
		}
	}

	/** An init segment, for hls.js's own use. */
	loadInit(url: string): Promise<Uint8Array<ArrayBuffer>> {
		return this.#fetcher.init(url);
	}

	/** A part or segment of the sound, at the address that its playlist has. */
	async loadSound(url: string, mediaSequence: number, options: LoadOptions): Promise<Uint8Array<ArrayBuffer>> {
		const { bytes } = await this.#fetcher.load(url, options);
		const playlistUrl = this.#soundUrls().find((candidate) => url.startsWith(new URL('.', candidate).href));
		const initUrl = playlistUrl && this.#fetcher.list(playlistUrl).segment(mediaSequence)?.initUrl;
		const before = this.#soundInitUrl;
		this.#soundInitUrl = initUrl ?? before;
		if (initUrl === undefined || before === undefined || initUrl === before) {
			return bytes;
		}
		const [init, known] = await Promise.all([this.#fetcher.init(initUrl), this.#fetcher.init(before)]);
		// A decoder that is set up again, though nothing differs, may be heard.
		return areEqual(init, known) ? bytes : concatBytes([init, bytes]);
	}

	/** A part or segment of the picture, in the rung that the controller chooses. */
	async loadPicture(position: PartPosition, options: LoadOptions): Promise<Uint8Array<ArrayBuffer>> {
		const { clock } = this.#deps;
		const choice = this.controller.next({
			nowMs: clock.monotonicMs(),
			isSegmentStart: (position.partIndex ?? 0) === 0,
			bufferedAheadSeconds: this.#deps.bufferedAheadSeconds(),
		});
		if (choice.probe !== undefined) {
			void this.#probe(choice.probe);
		}
		const failed = new Set<number>();
		for (;;) {
			const { rung } = this.controller;
			this.#follow(rung);
			try {
				const { bytes, loaded } = await this.#loadWatched(rung, position, options);
				this.#lastPicture = loaded;
				return bytes;
			} catch (error) {
				if (error instanceof Abandoned) {
					this.emit('partLate');
				} else if (options.signal.aborted || !isMissing(error) || !this.#fail(rung, failed)) {
					throw error;
				}
			}
		}
	}

	async #loadWatched(
		rung: number,
		position: PartPosition,
		{ signal, onProgress }: LoadOptions,
	): Promise<{ bytes: Uint8Array<ArrayBuffer>; loaded: LoadedPicture }> {
		const { clock } = this.#deps;
		const given = new AbortController();
		const progresses: Progress[] = [];
		let receivedBefore: number | undefined;
		const look = (): void => {
			const progress = sumOf(progresses);
			// The first bytes have come already when the first progress is reported.
			receivedBefore ??= progress.firstByteAtMs && this.#receivedBytes - progress.loadedBytes;
			const lineBytes = this.#receivedBytes - (receivedBefore ?? this.#receivedBytes);
			const facts = this.#loadingPart(rung, position);
			const other = this.controller.whileLoading({ ...progress, ...facts, lineBytes });
			if (other !== undefined) {
				given.abort(new Abandoned(other));
			}
		};
		const cancelWatch = clock.setInterval(look, WATCH_MS);
		try {
			const result = await this.#loadIn(rung, position, {
				signal: AbortSignal.any([signal, given.signal]),
				onProgress: (progress) => {
					if (!progresses.includes(progress)) {
						progresses.push(progress);
					}
					onProgress?.(sumOf(progresses));
					look();
				},
			});
			const { firstByteAtMs, loadedBytes } = sumOf(progresses);
			const nowMs = clock.monotonicMs();
			const { durationSeconds } = position;
			const bufferedAheadSeconds = this.#deps.bufferedAheadSeconds();
			const tookMs = nowMs - (firstByteAtMs ?? nowMs);
			this.controller.loaded({ nowMs, rung, durationSeconds, bytes: loadedBytes, tookMs, bufferedAheadSeconds });
			return result;
		} finally {
			cancelWatch();
		}
	}

	#loadIn(
		rung: number,
		position: PartPosition,
		options: LoadOptions,
	): Promise<{ bytes: Uint8Array<ArrayBuffer>; loaded: LoadedPicture }> {
		const listed = this.#ladder.rungs[rung];
		return listed === undefined
			? this.#blank(position, options)
			: this.#fetcher.loadPicture(listed.playlistUrl, position, this.#lastPicture, options);
	}

	/** A black picture in the place of the part. */
	async #blank(
		position: PartPosition,
		options: LoadOptions,
	): Promise<{ bytes: Uint8Array<ArrayBuffer>; loaded: LoadedPicture }> {
		const last = this.#lastPicture;
		let startTicks = last !== undefined && follows(last.position, position) ? last.endTicks : undefined;
		const durationTicks = Math.round(position.durationSeconds * TICKS_PER_SECOND);
		if (startTicks === undefined || this.#isDiscontinuous(position)) {
			// The time of the first picture is in its bytes only.
			const lowest = this.#ladder.rungs.at(-1)!.playlistUrl;
			startTicks = (await this.#fetcher.startTicks(lowest, position, options)) ?? 0;
		}
		const bytes = concatBytes([blankInit(), ...blankFragments(startTicks, durationTicks)]);
		const endTicks = startTicks + durationTicks;
		return { bytes, loaded: { playlistUrl: 'blank', position, lastSampleTicks: startTicks, endTicks } };
	}

	#isDiscontinuous({ mediaSequence, partIndex }: PartPosition): boolean {
		const segment = this.#fetcher.list(this.#followed.playlistUrl).segment(mediaSequence);
		return segment?.isDiscontinuous === true && (partIndex ?? 0) === 0;
	}

	/** Measures the line with the beginning of a segment of this rung, which is not shown. */
	async #probe(rung: number): Promise<void> {
		const { clock } = this.#deps;
		const late = new AbortController();
		const cancel = clock.setTimeout(() => late.abort(), PROBE_DEADLINE_MS);
		try {
			const signal = AbortSignal.any([late.signal, this.#abort.signal]);
			const { playlistUrl } = this.#ladder.rungs[rung]!;
			const url = await this.#fetcher.newestSegment(playlistUrl, { signal });
			let begun: { atMs: number; receivedBytes: number } | undefined;
			const onProgress = ({ firstByteAtMs }: Progress): void => {
				if (firstByteAtMs !== undefined) {
					begun ??= { atMs: firstByteAtMs, receivedBytes: this.#receivedBytes };
				}
			};
			await this.#fetcher.load(url, { signal, onProgress, byteCount: PROBE_BYTES });
			if (begun !== undefined) {
				// With what came beside it.
				const bits = (this.#receivedBytes - begun.receivedBytes) * 8;
				const nowMs = clock.monotonicMs();
				this.controller.measured(nowMs, (bits * 1000) / Math.max(1, nowMs - begun.atMs));
			}
		} catch {
			// Too late, or nothing to load: nothing is known of the line, and it is measured again later.
		} finally {
			cancel();
		}
	}

	#follow(rung: number): void {
		const next = this.#rungOf(rung);
		if (next !== this.#followed) {
			this.#followed = next;
			this.#following.abort();
			this.#following = new AbortController();
			this.emit('changed');
		}
	}

	/** Rung of that number; the lowest one for sound alone. */
	#rungOf(rung: number): Rung {
		return this.#ladder.rungs[rung] ?? this.#ladder.rungs.at(-1)!;
	}

	#soundNow(): Sound {
		const { soundOnly } = this.#ladder;
		const sound = this.rung === undefined ? soundOnly?.sound : this.rung.sound;
		if (sound === undefined) {
			throw new TypeError('The channel has no sound, so it has no playlist.');
		}
		return sound;
	}

	#soundUrls(): string[] {
		const { rungs, soundOnly } = this.#ladder;
		return [...rungs.map(({ sound }) => sound), soundOnly?.sound].flatMap((sound) => sound?.playlistUrl ?? []);
	}

	/** Leaves a rung that has no media now. False when there is no other left. */
	#leave(rung: Rung, failed: Set<number>): boolean {
		const number = this.#ladder.rungs.indexOf(rung);
		const isLeft = number < 0 || this.#fail(number, failed);
		this.#follow(this.controller.rung);
		return isLeft;
	}

	#fail(rung: number, failed: Set<number>): boolean {
		failed.add(rung);
		const others = this.#ladder.rungs.map((_, index) => index).filter((index) => !failed.has(index));
		// The next worse one, or the next better one.
		const other = others.find((index) => index > rung) ?? others.at(-1);
		if (other === undefined) {
			return false;
		}
		void this.#readLadder();
		this.controller.failed(this.#deps.clock.monotonicMs(), rung, other);
		return true;
	}

	// Each playlist has a report of each other track: a new one, or a missing one, means other rungs.
	#watchReports(list: TrackPlaylist): void {
		const { rungs } = this.#ladder;
		const known = new Set([...rungs.map(({ playlistUrl }) => playlistUrl), ...this.#soundUrls()]);
		const reported = new Set([...list.reports, list.url]);
		const isSame = reported.size === known.size && [...reported].every((url) => known.has(url));
		const lacksRates = rungs.some(({ frameRate }) => frameRate === 0);
		const isOld = this.#deps.clock.monotonicMs() - this.#ladderReadAtMs > LADDER_REFRESH_MS;
		if (list.reports.length > 0 && (!isSame || lacksRates || (isOld && rungs.length > 1))) {
			void this.#readLadder();
		}
	}

	async #readLadder(): Promise<void> {
		const nowMs = this.#deps.clock.monotonicMs();
		if (nowMs - this.#ladderReadAtMs < LADDER_INTERVAL_MS) {
			return;
		}
		this.#ladderReadAtMs = nowMs;
		try {
			const answer = await this.#request(this.#url, { signal: this.#abort.signal });
			const ladder = parseLadder(new TextDecoder().decode(answer.bytes), answer.url);
			if (
				ladder !== undefined &&
				this.#isOfBroadcast(ladder) &&
				JSON.stringify(ladder) !== JSON.stringify(this.#ladder)
			) {
				this.#replaceLadder(ladder);
			}
		} catch (error) {
			this.#deps.logger.debug({ error }, 'the multivariant playlist could not be read again');
		}
	}

	/** False for that of the next broadcast, which is another timeline. All tracks of a broadcast are in one folder. */
	#isOfBroadcast({ rungs }: Ladder): boolean {
		const [folder, known] = [rungs, this.#ladder.rungs].map(([best]) => new URL('..', best!.playlistUrl).href);
		return folder === known;
	}

	#replaceLadder(ladder: Ladder): void {
		const playing = this.rung;
		const same = ladder.rungs.findIndex(({ playlistUrl }) => playlistUrl === playing?.playlistUrl);
		const near = ladder.rungs.findIndex(({ bandwidthBps }) => bandwidthBps <= (playing?.bandwidthBps ?? 0));
		const number = same >= 0 ? same : near >= 0 ? near : ladder.rungs.length - 1;
		this.#ladder = ladder;
		this.controller.setLadder(needsOf(ladder), playing === undefined ? ladder.rungs.length : number);
		this.#fetcher.keepOnly([...ladder.rungs.map(({ playlistUrl }) => playlistUrl), ...this.#soundUrls()]);
		this.#follow(this.controller.rung);
		this.emit('changed');
	}

	#loadingPart(rung: number, { durationSeconds }: PartPosition) {
		const nowMs = this.#deps.clock.monotonicMs();
		return { nowMs, rung, durationSeconds, bufferedAheadSeconds: this.#deps.bufferedAheadSeconds() };
	}

	/** Measures the line by each request. */
	async #request(url: string, options: LoadOptions): Promise<HttpAnswer> {
		let progress: Progress | undefined;
		let receivedBytes = 0;
		try {
			return await this.#deps.request(url, {
				...options,
				signal: AbortSignal.any([options.signal, this.#abort.signal]),
				onProgress: (newest) => {
					progress = newest;
					this.#receivedBytes += newest.loadedBytes - receivedBytes;
					receivedBytes = newest.loadedBytes;
					options.onProgress?.(newest);
				},
			});
		} finally {
			if (progress?.firstByteAtMs !== undefined) {
				void this.#measure(url, progress, progress.firstByteAtMs);
			}
		}
	}

	async #measure(url: string, { requestedAtMs, loadedBytes }: Progress, startMs: number): Promise<void> {
		const measured = { startMs, endMs: this.#deps.clock.monotonicMs(), bytes: loadedBytes };
		const { timings } = this.#deps;
		const transfer = timings === undefined ? measured : await timings.transferOf(url, requestedAtMs, measured);
		if (transfer !== undefined) {
			this.controller.transferred(transfer);
		}
	}
}

function needsOf({ rungs, soundOnly }: Ladder): { rungs: { bandwidthBps: number }[]; hasSoundOnly: boolean } {
	return { rungs: rungs.map(({ bandwidthBps }) => ({ bandwidthBps })), hasSoundOnly: soundOnly !== undefined };
}

/** Several requests as one. */
function sumOf(progresses: readonly Progress[]): Progress {
	const begun = progresses.flatMap(({ firstByteAtMs }) => firstByteAtMs ?? []);
	const totals = progresses.map(({ totalBytes }) => totalBytes);
	return {
		requestedAtMs: Math.min(...progresses.map(({ requestedAtMs }) => requestedAtMs)),
		firstByteAtMs: begun.length > 0 ? Math.min(...begun) : undefined,
		loadedBytes: progresses.reduce((sum, { loadedBytes }) => sum + loadedBytes, 0),
		totalBytes: totals.reduce<number | undefined>(
			(sum, total) => (sum === undefined || total === undefined ? undefined : sum + total),
			totals.length > 0 ? 0 : undefined,
		),
	};
}

/** The track has no media here; another one may have. */
function isMissing(error: unknown): boolean {
	return error instanceof NoSuchPartError || (error instanceof HttpStatusError && [404, 410].includes(error.status));
}

function endsWithGap({ newest }: TrackPlaylist): boolean {
	return newest?.parts.at(-1)?.isGap === true;
}

function areEqual(one: Uint8Array, other: Uint8Array): boolean {
	return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
