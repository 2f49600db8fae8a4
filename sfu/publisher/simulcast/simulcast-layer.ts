/** What is known of one simulcast layer: the size of its pictures, its bit rate, since when it comes, and its clock. */
import { bytesToBps } from '../../../core/units.ts';
import type { RtpHeader } from '../../../core/wire/rtp/rtp-packet.ts';
import type { KeyFrameStart } from './key-frame-start.ts';
import { LayerClock } from './layer-clock.ts';

/** Sizes closer than this count as the same: encoders round. */
const SIZE_RATIO = 1.1;
/** Of two layers of the same size the one with this much more bit rate is the better one; less is chance. */
const BITRATE_RATIO = 1.5;
const BITRATE_WINDOW_MS = 1000;
/** A layer is away when it was silent this long while another layer sent {@link AWAY_PICTURES}. */
const AWAY_MS = 1000;
/** At low frame rates silence alone says nothing. */
const AWAY_PICTURES = 3;

/** One layer as it arrives. `index` is its place in the offer, which says nothing about its size. */
export class SimulcastLayer {
	readonly index: number;
	readonly clock = new LayerClock();
	/** Undefined until it is read from a key frame. */
	pixelCount: number | undefined;
	hasKeyFrame = false;
	/** When it came for the first time, or again after it was away. */
	liveSinceMs = 0;
	#lastPacketAtMs = -Infinity;
	#lastTicks: number | undefined;
	/** Pictures of the other layers, by index, since this one's last packet. */
	readonly #overtakenBy: Uint16Array;
	#bitrateBps = 0;
	#windowBytes = 0;
	#windowStartMs = -Infinity;

	constructor(index: number, layerCount: number) {
		this.index = index;
		this.#overtakenBy = new Uint16Array(layerCount);
	}

	/** A packet came. Returns true when it is the first of its picture. */
	receive(header: RtpHeader, bytes: number, keyFrame: KeyFrameStart | undefined, nowMs: number): boolean {
		if (this.#lastTicks === undefined || this.isAway(nowMs)) {
			this.liveSinceMs = nowMs;
		}
		this.#lastPacketAtMs = nowMs;
		this.#overtakenBy.fill(0);
		this.#countBytes(bytes, nowMs);
		if (keyFrame !== undefined) {
			this.hasKeyFrame = true;
			this.pixelCount = keyFrame.pixelCount ?? this.pixelCount;
		}
		const ticks = this.clock.noteArrival(header.timestampTicks, nowMs);
		const isFirst = ticks !== this.#lastTicks;
		this.#lastTicks = ticks;
		return isFirst;
	}

	/** Another layer began a picture. */
	noteOvertaken(index: number): void {
		this.#overtakenBy[index] = Math.min(this.#overtakenBy[index]! + 1, AWAY_PICTURES);
	}

	/** Nothing of it comes any more, while another layer goes on. */
	isAway(nowMs: number): boolean {
		return nowMs - this.#lastPacketAtMs >= AWAY_MS && this.#overtakenBy.some((count) => count >= AWAY_PICTURES);
	}

	/** True when viewers see more in this layer than in the other: more pixels, or clearly more bits for as many. */
	outranks(other: SimulcastLayer): boolean {
		if (this.pixelCount !== undefined && other.pixelCount !== undefined) {
			if (this.pixelCount > other.pixelCount * SIZE_RATIO) {
				return true;
			}
			if (other.pixelCount > this.pixelCount * SIZE_RATIO) {
				return false;
			}
		}
		return this.#bitrateBps > other.#bitrateBps * BITRATE_RATIO;
	}

	#countBytes(bytes: number, nowMs: number): void {
		const elapsedMs = nowMs - this.#windowStartMs;
		if (elapsedMs >= BITRATE_WINDOW_MS) {
			this.#bitrateBps = Number.isFinite(elapsedMs) ? bytesToBps(this.#windowBytes, elapsedMs) : 0;
			this.#windowBytes = 0;
			this.#windowStartMs = nowMs;
		}
		this.#windowBytes += bytes;
	}
}
