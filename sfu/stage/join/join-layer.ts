/**
 * A simulcast layer of the stage on which newcomers begin. It gets a new copy of the newest GOP, its timestamps
 * compressed to just before now. Then it follows the live layer until the newcomers have moved over at a key frame.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import type { KeptPacket } from '../layer/newest-gop.ts';
import type { StagePacket, StageStream } from '../layer/stage-stream.ts';

/**
 * Distance of the compressed pictures, in 90 kHz ticks: 1 ms. Receivers wait until a picture's timestamp is due, so the
 * whole GOP has to lie within a few ten milliseconds. Without a distance they see one picture.
 */
const COMPRESSED_FRAME_TICKS = 90;
/** Packets sent at once, and the pause between two such groups: 19 Mbit in 100 ms, which loopback's buffers hold. */
const BURST_GROUP_PACKETS = 24;
const BURST_PAUSE_MS = 1;

/** Idle → filling (newcomers gather) → following (burst sent, live packets copied) → idle. */
type JoinLayerState = 'idle' | 'filling' | 'following';

export class JoinLayer {
	/** Spatial layer index in the stage's Producer. */
	readonly spatialLayer: number;
	readonly stream: StageStream;
	readonly #burstTimer: Timer;
	#state: JoinLayerState = 'idle';
	#sequenceOffset = 0;
	#highest: number;
	#waitingCount = 0;
	#timestamps = new Map<number, number>();
	#queue: KeptPacket[] = [];

	constructor(
		{ clock, stream }: { clock: Clock; stream: StageStream },
		{ spatialLayer, firstSequence }: { spatialLayer: number; firstSequence: number },
	) {
		this.spatialLayer = spatialLayer;
		this.stream = stream;
		this.#highest = firstSequence;
		this.#burstTimer = new Timer(clock, () => this.#sendGroup());
	}

	get state(): JoinLayerState {
		return this.#state;
	}

	/** Makes the layer known to mediasoup with one packet, while no viewer is on it. */
	prime(packet: StagePacket): void {
		this.stream.send(packet, ++this.#highest);
		this.stream.report();
	}

	/** A newcomer will begin here; the burst is coming. */
	addNewcomer(): void {
		this.#waitingCount++;
		if (this.#state === 'idle') {
			this.#state = 'filling';
		}
	}

	/** A newcomer has moved to the live layer, or left; after the last one the layer is free again. */
	removeNewcomer(): void {
		this.#waitingCount = Math.max(0, this.#waitingCount - 1);
		if (this.#waitingCount === 0 && this.#state === 'following') {
			this.reset();
		}
	}

	/** Sends the GOP, which may be empty, and begins to follow. */
	burst(gop: readonly KeptPacket[], liveHighest: number): void {
		this.#state = 'following';
		this.stream.restartReports();
		const first = gop[0]?.liveSequence ?? liveHighest + 1;
		// The numbers keep the live stream's distances, so that a late packet finds its place here.
		this.#sequenceOffset = this.#highest + 2 - first;
		this.#timestamps = compressTimestamps(gop);
		this.#queue = [...gop];
		this.#sendGroup();
	}

	/** Copies a live packet. */
	follow(packet: KeptPacket): void {
		if (this.#state !== 'following') {
			return;
		}
		if (this.#queue.length > 0) {
			this.#queue.push(packet);
		} else {
			this.#sendOne(packet);
		}
	}

	/** A live key frame is about to be sent: without newcomers the copying ends. */
	liveKeyFrame(): void {
		if (this.#state === 'following' && this.#waitingCount === 0) {
			this.reset();
		}
	}

	/** Stops at once; the layer is free again. */
	reset(): void {
		this.#state = 'idle';
		this.#queue = [];
		this.#burstTimer.disarm();
		this.#timestamps = new Map();
	}

	#sendGroup(): void {
		const group = this.#queue.splice(0, BURST_GROUP_PACKETS);
		for (const packet of group) {
			this.#sendOne(packet);
		}
		if (this.#queue.length > 0) {
			this.#burstTimer.arm(BURST_PAUSE_MS);
		}
	}

	#sendOne(packet: KeptPacket): void {
		const sequence = packet.liveSequence + this.#sequenceOffset;
		this.#highest = Math.max(this.#highest, sequence);
		const timestampTicks = this.#timestamps.get(packet.timestampTicks) ?? packet.timestampTicks;
		this.stream.send(timestampTicks === packet.timestampTicks ? packet : { ...packet, timestampTicks }, sequence);
	}
}

/**
 * Timestamp → timestamp of the burst: the newest picture keeps its own, the others precede it 1 ms apart.
 * @internal for tests
 */
export function compressTimestamps(gop: readonly KeptPacket[]): Map<number, number> {
	const distinct = [...new Set(gop.map((packet) => packet.timestampTicks))];
	const newest = distinct.at(-1) ?? 0;
	return new Map(
		distinct.map((ticks, index) => [ticks, newest - (distinct.length - 1 - index) * COMPRESSED_FRAME_TICKS]),
	);
}
