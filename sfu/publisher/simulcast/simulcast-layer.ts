/** The facts about one simulcast layer: the size of its pictures, its bit rate, since when it comes, and its clock. */
import { parseSps } from '../../../core/media/h264-parameter-sets.ts';
import { bytesToBps } from '../../../core/units.ts';
import type { RtpHeader } from '../../../core/wire/rtp/rtp-packet.ts';
import { findSps } from '../../rtp/h264-depacketizer.ts';
import { descriptorBytes, readVp8KeyFrame } from '../../rtp/vp8-depacketizer.ts';
import { LayerClock } from './layer-clock.ts';

/** Sizes closer than this count as the same: encoders round. */
const SIZE_RATIO = 1.1;
/** Of two layers of the same size the one with this much more bit rate is better; a smaller difference is chance. */
const BITRATE_RATIO = 1.5;
const BITRATE_WINDOW_MS = 1000;
/**
 * A layer is away when it was silent this long while another layer sent {@link AWAY_PICTURES}. Viewers over WebRTC see
 * the last picture meanwhile. Half of it takes the jitter of a poor line for the end of a layer.
 */
const AWAY_MS = 500;
/** At low frame rates silence alone shows nothing. */
const AWAY_PICTURES = 3;

/** `pixelCount` is undefined when the size cannot be read. */
type KeyFrameStart = { pixelCount: number | undefined };

/** One layer as it arrives. `index` is its place in the offer, which does not depend on its size. */
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

	/** Records a packet. Returns true when it is the first of its picture. */
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
		const ticks = this.clock.recordArrival(header.timestampTicks, nowMs);
		const isFirst = ticks !== this.#lastTicks;
		this.#lastTicks = ticks;
		return isFirst;
	}

	/** Another layer began a picture. */
	recordOvertaken(index: number): void {
		this.#overtakenBy[index] = Math.min(this.#overtakenBy[index]! + 1, AWAY_PICTURES);
	}

	/** Nothing of it comes any more, while another layer continues. */
	isAway(nowMs: number): boolean {
		return nowMs - this.#lastPacketAtMs >= AWAY_MS && this.#overtakenBy.some((count) => count >= AWAY_PICTURES);
	}

	/** True when viewers see more in this layer: more pixels, or clearly more bits for as many. */
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

/** A decoder can start at a sequence parameter set of H.264, but not at an IDR slice without one. */
export function readKeyFrameStart(codec: 'h264' | 'vp8', payload: Uint8Array): KeyFrameStart | undefined {
	if (codec === 'h264') {
		const sps = findSps(payload);
		const facts = sps === undefined ? undefined : parseSps(sps);
		return sps === undefined ? undefined : { pixelCount: facts && facts.widthPixels * facts.heightPixels };
	}
	// RFC 7741 §4.2: S, and partition 0.
	if (payload.length < 1 || (payload[0]! & 0x10) === 0 || (payload[0]! & 0x07) !== 0) {
		return undefined;
	}
	const start = descriptorBytes(payload);
	const size = start === undefined ? undefined : readVp8KeyFrame(payload.subarray(start));
	return size === undefined ? undefined : { pixelCount: size.widthPixels * size.heightPixels };
}
