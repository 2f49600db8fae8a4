/** Rewinding in the player: how far back it goes, where the viewer is, and their jumps. All times are capture times. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { HandOver } from './hand-over/hand-over.ts';
import { moveBy } from './measure/media-gaps.ts';
import type { CaptureRange, RewindRange } from './playback/playback.ts';

/** The server's epoch milliseconds. */
export type RewindView = {
	/** The oldest picture that can be watched. */
	readonly startMs: number;
	/** The newest one. */
	readonly endMs: number;
	/** The one on the screen, or where a jump leads. */
	readonly positionMs: number;
	/** False behind live, and in a pause. */
	readonly isLive: boolean;
	/** Loaded behind live. */
	readonly buffered: readonly CaptureRange[];
	/** Nothing was received for these stretches. */
	readonly gaps: readonly CaptureRange[];
	/** Of the playback behind live; 1 is normal. */
	readonly speed: number;
};

/** A shorter range needs no bar. */
const SHORTEST_MS = 5000;
/** A jump to less than this behind live is one to live. */
const NEAR_LIVE_MS = 3000;
/** The oldest media may be gone before they are asked for. */
const START_MARGIN_MS = 4000;
/** A jump has arrived within this distance, or is given up after so long. */
const ARRIVED_MS = 1500;
const JUMP_PATIENCE_MS = 15_000;

type RewinderDeps = {
	clock: Clock;
	serverClock: { toServerMs(monotonicMs: number): number | undefined };
	handOver: Pick<HandOver, 'isBehindLive' | 'settings' | 'shown' | 'seek' | 'setSpeed'>;
	/** While live. */
	range: () => RewindRange | undefined;
	goLive: () => void;
};

export class Rewinder {
	readonly #deps: RewinderDeps;
	#speed = 1;
	#jump: { toMs: number; atMs: number } | undefined;

	constructor(deps: RewinderDeps) {
		this.#deps = deps;
	}

	/** Also of a playback that begins. */
	get speed(): number {
		return this.#speed;
	}

	/** Undefined while nothing can be rewound. */
	get view(): RewindView | undefined {
		const { clock, serverClock, handOver } = this.#deps;
		const shift = handOver.shown?.playback.timeShift;
		const range = shift?.listed ?? this.#deps.range();
		if (range === undefined) {
			return undefined;
		}
		// The playlist of whole segments ends some seconds before live.
		const endMs = Math.max(range.endMs, serverClock.toServerMs(clock.monotonicMs()) ?? 0);
		if (endMs - range.startMs < SHORTEST_MS) {
			return undefined;
		}
		const { isBehindLive } = handOver;
		const latestMs = handOver.shown?.playback.shownMoments.latest?.captureTimeMs;
		this.#settle(latestMs, isBehindLive);
		const isLive = !isBehindLive && this.#jump === undefined && !handOver.settings.isPaused;
		const positionMs = isLive ? endMs : (this.#jump?.toMs ?? latestMs ?? endMs);
		return {
			startMs: range.startMs,
			endMs,
			positionMs: Math.min(endMs, Math.max(range.startMs, positionMs)),
			isLive,
			buffered: isBehindLive ? shift!.buffered : [],
			gaps: range.gaps,
			speed: this.#speed,
		};
	}

	seek(toMs: number): void {
		const { view } = this;
		if (view === undefined) {
			return;
		}
		if (toMs > view.endMs - NEAR_LIVE_MS) {
			this.goLive();
			return;
		}
		const { clock, handOver } = this.#deps;
		const target = Math.max(toMs, Math.min(view.startMs + START_MARGIN_MS, view.endMs - NEAR_LIVE_MS));
		this.#jump = { toMs: target, atMs: clock.monotonicMs() };
		handOver.seek(target);
	}

	/** Forward when positive; stretches without media do not count. */
	seekBy(seconds: number): void {
		const { view } = this;
		if (view === undefined || (view.isLive && seconds > 0)) {
			return;
		}
		const gaps = view.gaps.map(({ startMs, endMs }) => ({ startSeconds: startMs / 1000, endSeconds: endMs / 1000 }));
		this.seek(moveBy(gaps, view.positionMs / 1000, seconds) * 1000);
	}

	/** Applies behind live, until the viewer goes to live. */
	setSpeed(speed: number): void {
		this.#speed = speed;
		this.#deps.handOver.setSpeed(speed);
	}

	goLive(): void {
		this.#jump = undefined;
		this.#deps.goLive();
	}

	/** The jump under way has failed. */
	forget(): void {
		this.#jump = undefined;
	}

	#settle(latestMs: number | undefined, isBehindLive: boolean): void {
		const jump = this.#jump;
		if (jump !== undefined) {
			const passedMs = this.#deps.clock.monotonicMs() - jump.atMs;
			const hasArrived = isBehindLive && latestMs !== undefined && Math.abs(latestMs - jump.toMs) < ARRIVED_MS;
			this.#jump = hasArrived || passedMs > JUMP_PATIENCE_MS ? undefined : jump;
		} else if (!isBehindLive) {
			this.#speed = 1;
		}
	}
}
