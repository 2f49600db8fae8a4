/**
 * A simulcast layer of the stage on which newcomers begin. It gets a new copy of a live layer's newest GOP, its
 * timestamps compressed to just before now. Then it follows that layer until the newcomers have moved on.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import { VIDEO_CLOCK_RATE } from '../../../core/units.ts';
import type { Follower, LiveLayer } from '../layer/live-layer.ts';
import type { KeptPacket } from '../layer/newest-gop.ts';
import type { StagePacket, StageStream, StreamTimes } from '../layer/stage-stream.ts';

/**
 * Distance of the compressed pictures, in 90 kHz ticks: 1 ms. Receivers wait until a picture's timestamp is due, so the
 * whole GOP has to lie within a few ten milliseconds. Without a distance they see one picture.
 */
const COMPRESSED_FRAME_TICKS = 90;
/** Packets sent at once, and the pause between two such groups: 19 Mbit in 100 ms, which loopback's buffers hold. */
export const BURST_GROUP_PACKETS = 24;
const BURST_PAUSE_MS = 1;
/** Added to the pause for each newcomer: the worker encrypts and sends the group to each one, some 10 µs a packet. */
const PAUSE_PER_NEWCOMER_MS = 0.25;

/** Idle → filling (newcomers gather) → following (burst sent, live packets copied) → idle. */
type JoinLayerState = 'idle' | 'filling' | 'following';

/** What a join layer reads of the live layer that it copies. @internal for tests */
export type BurstSource = Pick<LiveLayer, 'followers' | 'gop' | 'highestSequence'>;

export class JoinLayer implements Follower {
	/** Spatial layer index in the stage's Producer. */
	readonly spatialLayer: number;
	readonly stream: StageStream;
	readonly #burstTimer: Timer;
	#state: JoinLayerState = 'idle';
	#source: BurstSource | undefined;
	#sequenceOffset = 0;
	#highest: number;
	#waitingCount = 0;
	#timestamps = new Map<number, number>();
	/** Of the GOP that was sent: where its compressed timestamps end. */
	#newest: KeptPacket | undefined;
	#queue: KeptPacket[] = [];
	#pauseMs = BURST_PAUSE_MS;
	#onSent: (() => void) | undefined;
	#isSwitchPointDue = false;

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

	/** The live layer that it follows; undefined until the whole burst has been sent. */
	get following(): BurstSource | undefined {
		return this.#state === 'following' && this.#queue.length === 0 ? this.#source : undefined;
	}

	/** Makes the layer known to mediasoup with one packet, while no viewer is on it. */
	prime(packet: StagePacket): void {
		this.stream.send(packet, ++this.#highest);
		this.stream.report();
	}

	/** Keeps the layer alive while no viewer is on it. */
	keepAlive(times: StreamTimes): void {
		this.stream.keepAlive(times, ++this.#highest);
	}

	/** A newcomer will be here; unless the layer follows already, the burst is coming. */
	addNewcomer(): void {
		this.#waitingCount++;
		if (this.#state === 'idle') {
			this.#state = 'filling';
		}
	}

	/** A newcomer has moved on, or left; after the last one the layer is free again. */
	removeNewcomer(): void {
		this.#waitingCount = Math.max(0, this.#waitingCount - 1);
		if (this.#waitingCount === 0 && this.#state === 'following') {
			this.reset();
		}
	}

	/** Sends the newest GOP of a live layer, if there is one, and follows that layer. `onSent`: the GOP has been sent. */
	burst(source: BurstSource, onSent?: () => void): void {
		const gop = source.gop?.packets() ?? [];
		this.#state = 'following';
		this.#source = source;
		source.followers.add(this);
		this.#onSent = onSent;
		this.#isSwitchPointDue = false;
		this.#pauseMs = BURST_PAUSE_MS + Math.floor(this.#waitingCount * PAUSE_PER_NEWCOMER_MS);
		this.stream.restartReports();
		const first = gop[0]?.liveSequence ?? source.highestSequence + 1;
		// The numbers keep the live stream's distances, so that a late packet finds its place here.
		this.#sequenceOffset = this.#highest + 2 - first;
		this.#timestamps = compressTimestamps(gop);
		this.#newest = gop.at(-1);
		this.#queue = [...gop];
		this.#sendGroup();
	}

	/** Lets newcomers on other join layers change to this one at the next picture. */
	requestSwitchPoint(): void {
		this.#isSwitchPointDue = true;
	}

	/** Copies a live packet. */
	follow(packet: KeptPacket, beginsPicture: boolean): void {
		if (this.#state !== 'following') {
			return;
		}
		if (this.#queue.length > 0) {
			this.#queue.push(packet);
		} else if (beginsPicture && this.#isSwitchPointDue) {
			this.#isSwitchPointDue = false;
			this.#sendOne({ ...packet, descriptor: 'switch-point' });
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
		this.#source?.followers.delete(this);
		this.#source = undefined;
		this.#queue = [];
		this.#burstTimer.disarm();
		this.#timestamps = new Map();
		this.#newest = undefined;
		this.#onSent = undefined;
		this.#isSwitchPointDue = false;
	}

	#sendGroup(): void {
		const group = this.#queue.splice(0, BURST_GROUP_PACKETS);
		for (const packet of group) {
			this.#sendOne(packet);
		}
		if (this.#queue.length > 0) {
			this.#burstTimer.arm(this.#pauseMs);
			return;
		}
		const onSent = this.#onSent;
		this.#onSent = undefined;
		onSent?.();
	}

	#sendOne(packet: KeptPacket): void {
		const sequence = packet.liveSequence + this.#sequenceOffset;
		this.#highest = Math.max(this.#highest, sequence);
		this.stream.send(this.#compressed(packet), sequence);
	}

	/**
	 * The capture time stays, because viewers measure latency by it. The aligned time is compressed as the timestamp is:
	 * mediasoup places the layers of all viewers who began here by the newest pair of both, also while it is sending.
	 */
	#compressed(packet: KeptPacket): KeptPacket {
		const timestampTicks = this.#timestamps.get(packet.timestampTicks);
		if (this.#newest === undefined || timestampTicks === undefined || timestampTicks === packet.timestampTicks) {
			return packet;
		}
		const beforeNewestMs = ((this.#newest.timestampTicks - timestampTicks) * 1000) / VIDEO_CLOCK_RATE;
		return { ...packet, timestampTicks, alignedTimeMs: this.#newest.captureTimeMs - beforeNewestMs };
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
