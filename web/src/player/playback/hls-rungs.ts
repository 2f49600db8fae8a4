/** The ladder of one hls.js session: its qualities, and what the page and the viewer want of it. */
import type { HlsConfig } from 'hls.js';
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { Logger } from '../../../../core/logger.ts';
import { shortSide } from '../../../../core/media/rung.ts';
import { httpRequest, HttpStatusError } from '../ladder/http-request.ts';
import { parseLadder, type Ladder, type Rung } from '../ladder/ladder.ts';
import { LadderSource } from '../ladder/ladder-source.ts';
import { Pathways } from '../ladder/pathways.ts';
import { ResourceTimings } from '../ladder/resource-timing.ts';
import { bufferedAheadSeconds } from '../measure/buffered-ranges.ts';
import { ladderLoaders } from './hls-loaders.ts';
import { matchQuality, SOUND_ONLY, type Quality, type QualityPreference } from './quality.ts';
import { ScreenSize } from './screen-size.ts';

/** A picture may be shown larger than it is by this much. */
const ENLARGED = 1.2;
const DEADLINE_MS = 12_000;

type HlsRungsDeps = {
	clock: Clock;
	logger: Logger;
	video: HTMLVideoElement;
	isPageVisible: () => boolean;
};

/** Why the multivariant playlist did not come; status 0 for no answer. */
export class LadderUnavailable extends Error {
	readonly status: number;

	constructor(status: number, options: ErrorOptions) {
		super(`The multivariant playlist is not available (${status}).`, options);
		this.status = status;
	}
}

/** Undefined for a channel without a picture. Rejects with LadderUnavailable, or the signal's reason. */
export async function loadLadder(clock: Clock, hlsUrl: string, signal: AbortSignal): Promise<Ladder | undefined> {
	const late = new AbortController();
	const cancel = clock.setTimeout(() => late.abort(), DEADLINE_MS);
	try {
		const url = new URL(hlsUrl, globalThis.location?.href).href;
		const answer = await httpRequest(clock)(url, { signal: AbortSignal.any([signal, late.signal]) });
		return parseLadder(new TextDecoder().decode(answer.bytes), answer.url);
	} catch (error) {
		signal.throwIfAborted();
		throw new LadderUnavailable(error instanceof HttpStatusError ? error.status : 0, { cause: error });
	} finally {
		cancel();
	}
}

export class HlsRungs {
	readonly #deps: HlsRungsDeps;
	readonly #source: LadderSource;
	readonly #screen: ScreenSize;
	readonly #timings: ResourceTimings;
	readonly #pathways: Pathways;
	readonly #hlsUrl: string;
	#preference: QualityPreference;
	#ladder: Ladder;

	/** `onPartLate`: more distance to the live edge is better for some time. */
	constructor(
		deps: HlsRungsDeps,
		ladder: Ladder,
		options: {
			hlsUrl: string;
			knownBps: number | undefined;
			preference: QualityPreference;
			onPartLate: () => void;
		},
	) {
		this.#deps = deps;
		this.#ladder = ladder;
		this.#preference = options.preference;
		this.#hlsUrl = new URL(options.hlsUrl, globalThis.location?.href).href;
		const { clock, logger, video } = deps;
		this.#timings = new ResourceTimings(clock);
		this.#pathways = new Pathways({ clock, request: httpRequest(clock) }, ladder.steering);
		this.#source = new LadderSource(
			{
				clock,
				logger,
				request: this.#pathways.request,
				timings: this.#timings,
				bufferedAheadSeconds: () => (video.played.length > 0 ? bufferedAheadSeconds(video) : undefined),
			},
			ladder,
			{ url: this.#hlsUrl, knownBps: options.knownBps },
		);
		this.#source.on('partLate', options.onPartLate);
		this.#screen = new ScreenSize(video);
		this.#apply();
	}

	/** For `new Hls(…)`. */
	get hlsConfig(): Partial<HlsConfig> {
		return ladderLoaders({ clock: this.#deps.clock, source: this.#source, hlsUrl: this.#hlsUrl });
	}

	/** There is more than one picture, so a poor line is no reason to fall behind. */
	get isAdaptive(): boolean {
		return this.#ladder.rungs.length > 1 && this.#preference === undefined;
	}

	/** The line carries not even the smallest that there is. */
	get isExhausted(): boolean {
		return !this.isAdaptive || this.#source.controller.isAtWorst;
	}

	get qualities(): readonly Quality[] {
		const { rungs, soundOnly } = this.#ladder;
		return [...rungs.map(qualityOf), ...(soundOnly === undefined ? [] : [SOUND_ONLY])];
	}

	get quality(): Quality | undefined {
		return matchQuality(this.qualities, this.#preference);
	}

	get shownQuality(): Quality {
		const { rung } = this.#source;
		return rung === undefined ? SOUND_ONLY : qualityOf(rung);
	}

	/** Value of CODECS of what plays. */
	get codecs(): readonly string[] {
		return (this.#source.rung ?? this.#ladder.rungs[0]!).codecs.split(',');
	}

	/** What the line carries, in bits a second. */
	get estimateBps(): number | undefined {
		return this.#source.controller.estimateBps(this.#deps.clock.monotonicMs());
	}

	/** The line keeps up with the best picture that is wanted. */
	get isAtBest(): boolean {
		return this.#source.controller.isAtBest;
	}

	prefer(preference: QualityPreference): void {
		this.#preference = preference;
		this.#apply();
	}

	expectPoorLine(): void {
		this.#source.controller.expectPoorLine();
	}

	/** The line is too poor for the smallest picture in real time, as far as known. */
	isLineShort(nowMs: number): boolean {
		return this.isAdaptive && this.#source.controller.isShort(nowMs);
	}

	/** Call it about ten times a second. */
	steer(nowMs: number): void {
		const { video, isPageVisible } = this.#deps;
		const isSeen = isPageVisible() || document.pictureInPictureElement === video;
		this.#source.controller.setHidden(nowMs, !isSeen);
		this.#source.controller.setCeiling(ceilingOf(this.#ladder.rungs, this.#screen.pixels));
		if (this.#ladder !== this.#source.ladder) {
			this.#ladder = this.#source.ladder;
			this.#apply();
		}
	}

	close(): void {
		this.#source.close();
		this.#screen.close();
		this.#timings.close();
		this.#pathways.close();
	}

	#apply(): void {
		const chosen = this.quality;
		const rungs = this.#ladder.rungs;
		const number = rungs.findIndex(({ playlistUrl }) => playlistUrl === chosen?.id);
		this.#source.controller.choose(chosen === undefined ? undefined : number < 0 ? rungs.length : number);
	}
}

function qualityOf({ playlistUrl, widthPixels, heightPixels, frameRate, isSource }: Rung): Quality {
	const shorter = shortSide({ widthPixels, heightPixels });
	return { id: playlistUrl, kind: 'picture', heightPixels: shorter, frameRate, isSource };
}

/** Number of the smallest rung that fills this many pixels. @internal for tests */
export function ceilingOf(
	rungs: readonly Pick<Rung, 'widthPixels' | 'heightPixels'>[],
	pixels: { width: number; height: number } | undefined,
): number {
	if (pixels === undefined) {
		return 0;
	}
	const isEnough = ({ widthPixels, heightPixels }: Pick<Rung, 'widthPixels' | 'heightPixels'>): boolean =>
		// The picture fills one of the two.
		widthPixels * ENLARGED >= pixels.width || heightPixels * ENLARGED >= pixels.height;
	return Math.max(0, rungs.findLastIndex(isEnough));
}
