/**
 * Makes one stream of a publisher's simulcast layers: the largest layer that comes, spliced at key frames onto one line
 * of sequence numbers and timestamps. mediasoup's own choice follows the order of the layers in the offer, which is not
 * that of their size. It also waits for sender reports that some publishers never send.
 *
 * The smaller layers come out too, each with its own numbers and the stream's timestamps. The one that becomes the
 * stream, because no larger one comes, still comes out as a layer.
 */
import { msToTicks, VIDEO_CLOCK_RATE } from '../../../core/units.ts';
import type { RtpHeader } from '../../../core/wire/rtp/rtp-packet.ts';
import { SequenceSplicer } from '../../stage/layer/splice.ts';
import { LayerTimes } from './layer-times.ts';
import { readKeyFrameStart, SimulcastLayer } from './simulcast-layer.ts';

/** How long the start waits for offered layers: their first key frames come together, or some never come. */
const START_WAIT_MS = 300;
/** A larger layer is chosen when it has come this long without a break: each change of size costs viewers. */
const UPGRADE_AFTER_MS = 2000;
/** The wait doubles with each fall, up to this, so that a layer that comes and goes is ignored. */
const MAX_UPGRADE_AFTER_MS = 60_000;
/** Falls longer ago do not count. */
const FALL_MEMORY_MS = 120_000;
/** Key frames of a layer that is to be chosen are requested this often. */
const KEY_FRAME_REQUEST_INTERVAL_MS = 1000;
/** How long a new layer's key frame is held back for the rest of the old layer's picture. */
const CLOSE_WAIT_MS = 60;
/** Packets of a layer that are held back: a GOP of 2.5 s at 4 Mbit/s. */
const MAX_HELD_PACKETS = 1100;
/** After a change, times behind the newest picture advance at this fraction of their speed until they catch up. */
const CATCH_UP_DIVISOR = 32;
/** The last picture before a change is shown as long as the one before it, and no longer than this. */
const MAX_STEP_TICKS = msToTicks(100, VIDEO_CLOCK_RATE);

type SimulcastSelectorOptions = {
	codec: 'h264' | 'vp8';
	layerCount: number;
	/** Called for each packet of the stream. Number and timestamp in the header are the stream's. */
	forward: (packet: Buffer, header: RtpHeader) => void;
	/**
	 * Called for each packet of a layer that is not the largest one, once its times are known. The timestamp in the
	 * header is the stream's.
	 */
	forwardLayer?: (index: number, packet: Buffer, header: RtpHeader) => void;
	/** Asks the publisher for key frames of all layers. */
	requestKeyFrame: () => void;
	/** Another layer was chosen. `from` is undefined at the start. */
	changed: (from: SimulcastLayer | undefined, to: SimulcastLayer) => void;
};

type HeldPacket = { packet: Buffer; header: RtpHeader; isKeyFrame: boolean };

/** One publisher's picture. Has no timers: it decides when a packet comes. */
export class SimulcastSelector {
	readonly #options: SimulcastSelectorOptions;
	readonly #layers: readonly SimulcastLayer[];
	/** By index. */
	readonly #times: readonly LayerTimes[];
	/** Packets since the newest key frame of layers that may be chosen next, by index. */
	readonly #held: ({ sinceMs: number; packets: HeldPacket[] } | undefined)[];
	#splicer: SequenceSplicer | undefined;
	#current: SimulcastLayer | undefined;
	#firstKeyFrameAtMs: number | undefined;
	#keyFrameRequestedAtMs = -Infinity;
	/** The last forwarded packet ended its picture. */
	#isPictureClosed = true;
	#fallCount = 0;
	#fellAtMs = -Infinity;
	// Timestamps out = in + offset, but never below the floor.
	#offsetTicks = 0;
	#firstTicks = 0;
	#floorTicks = -Infinity;
	#highestTicks = -Infinity;
	/** From the picture before the newest one. */
	#stepTicks = 0;
	/** Of the stream. */
	#keyFrameTicks: number | undefined;

	constructor(options: SimulcastSelectorOptions) {
		this.#options = options;
		this.#layers = Array.from(
			{ length: options.layerCount },
			(_, index) => new SimulcastLayer(index, options.layerCount),
		);
		this.#held = this.#layers.map(() => undefined);
		this.#times = this.#layers.map(() => new LayerTimes());
	}

	/** Handles a packet of a layer. The header is changed, or not used again. */
	receive(index: number, packet: Buffer, header: RtpHeader, nowMs: number): void {
		const layer = this.#layers[index]!;
		const payload = packet.subarray(header.payloadStart, header.payloadEnd);
		const keyFrame = readKeyFrameStart(this.#options.codec, payload);
		if (layer.receive(header, payload.length, keyFrame, nowMs)) {
			for (const other of this.#layers) {
				if (other !== layer) {
					other.recordOvertaken(index);
				}
			}
		}
		if (keyFrame !== undefined) {
			this.#firstKeyFrameAtMs ??= nowMs;
		}
		this.#forwardLayer(layer, { packet, header, isKeyFrame: keyFrame !== undefined });
		if (layer === this.#current) {
			this.#forward({ packet, header, isKeyFrame: keyFrame !== undefined });
		} else {
			this.#hold(layer, packet, header, keyFrame !== undefined, nowMs);
		}
		this.#mayChange(nowMs);
	}

	/** Records a layer's sender report. Returns the stream's timestamp of that instant; undefined for other layers. */
	recordReport(index: number, ntpMs: number, timestampTicks: number): number | undefined {
		const layer = this.#layers[index];
		layer?.clock.recordReport(ntpMs, timestampTicks);
		return layer === undefined || layer !== this.#current
			? undefined
			: wrap(layer.clock.unwrap(timestampTicks) + this.#offsetTicks);
	}

	#forwardLayer(layer: SimulcastLayer, { packet, header, isKeyFrame }: HeldPacket): void {
		const current = this.#current;
		if (current === undefined) {
			return;
		}
		const times = this.#times[layer.index]!;
		const ticks = layer.clock.unwrap(header.timestampTicks);
		const estimateTicks = layer.clock.ticksTo(current.clock) + this.#offsetTicks;
		if (isKeyFrame && layer !== current) {
			times.keyFrame(ticks, estimateTicks, this.#keyFrameTicks);
		}
		const isBelow = this.#layers.some((other) => other.outranks(layer));
		if (this.#options.forwardLayer !== undefined && isBelow && times.isKnown) {
			const timestampTicks = wrap(times.place(ticks, estimateTicks));
			this.#options.forwardLayer(layer.index, packet, { ...header, timestampTicks });
		}
	}

	/**
	 * At the start any layer may be the wanted one; later only one is. The next smaller one is held as well, so that
	 * it can replace the stream's without a wait for its key frame.
	 */
	#hold(layer: SimulcastLayer, packet: Buffer, header: RtpHeader, isKeyFrame: boolean, nowMs: number): void {
		const mayBeNext = this.#current === undefined || this.#wanted(nowMs) === layer || this.#nextBelow(nowMs) === layer;
		if (!mayBeNext) {
			this.#held[layer.index] = undefined;
			return;
		}
		let held = this.#held[layer.index];
		// Parameter sets may come in several packets of one picture.
		if (isKeyFrame && held?.packets.at(-1)?.header.timestampTicks !== header.timestampTicks) {
			held = { sinceMs: nowMs, packets: [] };
		}
		this.#held[layer.index] = held !== undefined && held.packets.length < MAX_HELD_PACKETS ? held : undefined;
		this.#held[layer.index]?.packets.push({ packet, header: { ...header }, isKeyFrame });
	}

	#mayChange(nowMs: number): void {
		const wanted = this.#wanted(nowMs);
		if (wanted === undefined || wanted === this.#current) {
			return;
		}
		const held = this.#held[wanted.index];
		if (held === undefined) {
			if (nowMs - this.#keyFrameRequestedAtMs >= KEY_FRAME_REQUEST_INTERVAL_MS) {
				this.#keyFrameRequestedAtMs = nowMs;
				this.#options.requestKeyFrame();
			}
			return;
		}
		if (this.#isPictureClosed || nowMs - held.sinceMs >= CLOSE_WAIT_MS) {
			this.#change(wanted, held.packets, nowMs);
		}
	}

	/** The layer that belongs in the stream now. */
	#wanted(nowMs: number): SimulcastLayer | undefined {
		const current = this.#current;
		const largest = this.#largestLive(nowMs);
		if (current === undefined) {
			const isComplete = this.#layers.every((layer) => layer.hasKeyFrame);
			const waitedMs = nowMs - (this.#firstKeyFrameAtMs ?? Infinity);
			return isComplete || waitedMs >= START_WAIT_MS ? largest : undefined;
		}
		if (largest === undefined || largest === current || current.isAway(nowMs)) {
			return largest ?? current;
		}
		return nowMs - largest.liveSinceMs >= this.#upgradeAfterMs(nowMs) ? largest : current;
	}

	/** The largest live layer that the stream's outranks. */
	#nextBelow(nowMs: number): SimulcastLayer | undefined {
		let next: SimulcastLayer | undefined;
		for (const layer of this.#layers) {
			const isBelow = layer.hasKeyFrame && !layer.isAway(nowMs) && this.#current?.outranks(layer) === true;
			if (isBelow && (next === undefined || layer.outranks(next))) {
				next = layer;
			}
		}
		return next;
	}

	#largestLive(nowMs: number): SimulcastLayer | undefined {
		let largest = this.#current?.isAway(nowMs) === false ? this.#current : undefined;
		for (const layer of this.#layers) {
			if (layer.hasKeyFrame && !layer.isAway(nowMs) && (largest === undefined || layer.outranks(largest))) {
				largest = layer;
			}
		}
		return largest;
	}

	#upgradeAfterMs(nowMs: number): number {
		const fallCount = nowMs - this.#fellAtMs < FALL_MEMORY_MS ? this.#fallCount : 0;
		return Math.min(UPGRADE_AFTER_MS * 2 ** fallCount, MAX_UPGRADE_AFTER_MS);
	}

	#change(to: SimulcastLayer, packets: readonly HeldPacket[], nowMs: number): void {
		const from = this.#current;
		const first = packets[0]!.header;
		this.#firstTicks = to.clock.unwrap(first.timestampTicks);
		if (from === undefined) {
			this.#splicer = new SequenceSplicer(first.sequenceNumber);
		} else {
			const estimateTicks = this.#offsetTicks + to.clock.ticksTo(from.clock);
			const knownTicks = this.#times[to.index]!.offsetTicks(estimateTicks);
			this.#offsetTicks = this.#times[to.index]!.isExact ? knownTicks : estimateTicks;
			if (from.isAway(nowMs)) {
				this.#fallCount = nowMs - this.#fellAtMs < FALL_MEMORY_MS ? this.#fallCount + 1 : 1;
				this.#fellAtMs = nowMs;
			}
		}
		this.#times[to.index]!.settle(this.#offsetTicks);
		this.#floorTicks = this.#highestTicks + this.#stepTicks;
		// No gap in the numbers, even if the old picture is not complete: a gap would damage the new key frame.
		this.#splicer!.begin(first.sequenceNumber, false);
		this.#current = to;
		this.#held[to.index] = undefined;
		this.#options.changed(from, to);
		for (const entry of packets) {
			this.#forward(entry);
		}
		if (from === undefined) {
			for (const layer of this.#layers) {
				this.#held[layer.index]?.packets.forEach((entry) => this.#forwardLayer(layer, entry));
			}
		}
	}

	#onStreamKeyFrame(ticks: number): void {
		this.#keyFrameTicks = ticks;
		for (const [index, times] of this.#times.entries()) {
			if (index !== this.#current!.index) {
				times.streamKeyFrame(ticks);
			}
		}
	}

	#forward({ packet, header, isKeyFrame }: HeldPacket): void {
		const sequenceNumber = this.#splicer!.map(header.sequenceNumber);
		if (sequenceNumber === undefined) {
			return;
		}
		const ticks = this.#current!.clock.unwrap(header.timestampTicks);
		if (isKeyFrame) {
			this.#onStreamKeyFrame(ticks + this.#offsetTicks);
		}
		// Pictures not later than what was sent already keep their order without moving all that follows.
		const earliest = this.#floorTicks + Math.floor((ticks - this.#firstTicks) / CATCH_UP_DIVISOR);
		const out = Math.max(ticks + this.#offsetTicks, earliest);
		const stepTicks = out - this.#highestTicks;
		if (stepTicks > 0) {
			this.#stepTicks = Math.min(stepTicks, MAX_STEP_TICKS);
			this.#highestTicks = out;
		}
		this.#isPictureClosed = header.hasMarker;
		header.sequenceNumber = sequenceNumber & 0xffff;
		header.timestampTicks = wrap(out);
		this.#options.forward(packet, header);
	}
}

function wrap(ticks: number): number {
	const wrapped = ticks % 2 ** 32;
	return wrapped < 0 ? wrapped + 2 ** 32 : wrapped;
}
