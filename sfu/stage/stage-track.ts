/** The two tracks of a stage: what publishers' packets and our own access units go through on their way to the viewers. */
import type { Clock } from '../../core/clock.ts';
import type { JoinLayer } from './join-layer.ts';
import { NewestGop, type KeptPacket } from './newest-gop.ts';
import { SequenceSplicer } from './splice.ts';
import type { StagePacket, StageStream } from './stage-stream.ts';

/** A payload as it came from a WHIP publisher. */
export type PublisherPacket = {
	payload: Uint8Array;
	hasMarker: boolean;
	/** The publisher's own number, 16 bits. */
	sequenceNumber: number;
	/** On the broadcast's media timeline, ticks of the RTP clock, unwrapped. */
	timelineTicks: number;
	captureTimeMs: number;
};

/**
 * How long newcomers gather before a burst, by the number of join layers in use already: the first cohort starts almost at
 * once, later ones of the same GOP are larger, so that three layers last through a crowd.
 */
const COHORT_GATHER_MS = [8, 120, 350] as const;
/** With the next key frame this near, waiting for it is quicker than a burst. */
const KEY_FRAME_NEAR_MS = 120;

/** H.264 towards the viewers. */
export class VideoStageTrack {
	readonly #live: StageStream;
	readonly #joinLayers: readonly JoinLayer[];
	readonly #clock: Clock;
	readonly #splicer = new SequenceSplicer(crypto.getRandomValues(new Uint16Array(1))[0]! & 0x7fff);
	readonly #gop = new NewestGop();
	/** Added to the timeline's ticks, so that timestamps tell nothing about the server (RFC 3550 §5.1 wants a random start). */
	readonly #timestampBase = crypto.getRandomValues(new Uint32Array(1))[0]!;
	#isWaitingForKeyFrame = true;
	#lastHadMarker = true;
	#keyFrameTicks: number | undefined;
	#keyFrameAtMs = -Infinity;
	#gopDurationMs: number | undefined;
	#pictureCount = 0;
	#keyFrameCount = 0;
	#lastTimestamp = -1;
	#newestTimestamp = -Infinity;
	#gatherTimers = new Set<() => void>();

	constructor(parts: { live: StageStream; joinLayers: readonly JoinLayer[]; clock: Clock }) {
		this.#live = parts.live;
		this.#joinLayers = parts.joinLayers;
		this.#clock = parts.clock;
	}

	/** SSRC of the live layer. */
	get liveSsrc(): number {
		return this.#live.ssrc;
	}

	/** Spatial layer of the live picture; the join layers lie below it. */
	get liveSpatialLayer(): number {
		return this.#joinLayers.length;
	}

	/** Pictures and key frames sent, packets and bytes: for statistics. */
	get statistics(): { pictureCount: number; keyFrameCount: number; packetCount: number; octetCount: number } {
		return {
			pictureCount: this.#pictureCount,
			keyFrameCount: this.#keyFrameCount,
			packetCount: this.#live.packetCount,
			octetCount: this.#live.octetCount,
		};
	}

	/**
	 * Makes all layers known to mediasoup, which knows a stream from its first packet on and lets a Consumer change to it
	 * only when capture time is known on both: without this the first newcomer on each join layer would be put on the live
	 * layer to wait for a key frame, and one who came before the first picture would stay where no picture is.
	 */
	prime(): void {
		const packet: StagePacket = {
			payload: Uint8Array.of(0x09, 0xf0),
			hasMarker: true,
			timestampTicks: this.#timestampBase,
			captureTimeMs: this.#clock.nowMs(),
		};
		for (const layer of this.#joinLayers) {
			layer.prime(packet);
		}
		this.#live.send(packet, this.#splicer.next());
		this.#live.report();
	}

	/**
	 * Makes the join layers known at the far end of a new pipe, for the same reason. A pipe lets nothing through before a
	 * key frame, so this looks like one; layers in use are left alone, since somebody would be shown it.
	 */
	primeJoinLayers(): void {
		for (const layer of this.#joinLayers) {
			if (layer.state === 'idle') {
				layer.prime({
					payload: Uint8Array.of(0x67, 0x42, 0xe0, 0x1f),
					hasMarker: true,
					timestampTicks: Math.max(this.#timestampBase, this.#newestTimestamp),
					captureTimeMs: this.#clock.nowMs(),
				});
			}
		}
	}

	/** Another publisher, or another encoder, feeds from now on; what comes is dropped until its first key frame. */
	beginRun(): void {
		this.#isWaitingForKeyFrame = true;
		this.#gopDurationMs = undefined;
	}

	/** Forwards a publisher's packet. Packets may come out of order within a run. */
	forward(packet: PublisherPacket): void {
		const startsKeyFrame = startsH264KeyFrame(packet.payload);
		if (this.#isWaitingForKeyFrame) {
			if (!startsKeyFrame) {
				return;
			}
			this.#beginSplice(packet.sequenceNumber);
		}
		const liveSequence = this.#splicer.map(packet.sequenceNumber);
		if (liveSequence === undefined) {
			return;
		}
		this.#sendLive(
			{
				payload: packet.payload,
				hasMarker: packet.hasMarker,
				timestampTicks: packet.timelineTicks + this.#timestampBase,
				captureTimeMs: packet.captureTimeMs,
				liveSequence,
			},
			startsKeyFrame,
		);
	}

	/** Sends one picture of our own packetising: payloads in order, the first of a key frame holding SPS and PPS. */
	writePicture(picture: {
		payloads: readonly Uint8Array[];
		isKeyFrame: boolean;
		timelineTicks: number;
		captureTimeMs: number;
	}): void {
		if (this.#isWaitingForKeyFrame) {
			if (!picture.isKeyFrame) {
				return;
			}
			this.#beginSplice(0);
		}
		picture.payloads.forEach((payload, index) => {
			this.#sendLive(
				{
					payload,
					hasMarker: index === picture.payloads.length - 1,
					timestampTicks: picture.timelineTicks + this.#timestampBase,
					captureTimeMs: picture.captureTimeMs,
					liveSequence: this.#splicer.next(),
				},
				picture.isKeyFrame && index === 0,
			);
		});
	}

	/**
	 * Chooses where a newcomer begins: a join layer on which a burst follows, or the live layer. The caller sets the
	 * Consumer to it, then calls `started`; once the burst is out, `moveOn` is called, after which the caller sets the
	 * Consumer to the live layer and calls `finished`.
	 */
	join(moveOn: () => void): { spatialLayer: number; finished: () => void } {
		const layer = this.#chooseJoinLayer();
		if (layer === undefined) {
			return { spatialLayer: this.liveSpatialLayer, finished: () => undefined };
		}
		const begins = layer.state === 'idle';
		layer.addNewcomer();
		if (begins) {
			const busyCount = this.#joinLayers.filter((entry) => entry.state === 'following').length;
			this.#after(COHORT_GATHER_MS[Math.min(busyCount, COHORT_GATHER_MS.length - 1)]!, () => {
				layer.burst(this.#gop.packets(), this.#splicer.highest);
			});
		}
		const waitForBurst = (): void => {
			if (layer.state === 'filling') {
				this.#after(5, waitForBurst);
			} else {
				moveOn();
			}
		};
		this.#after(5, waitForBurst);
		let isFinished = false;
		return {
			spatialLayer: layer.spatialLayer,
			finished: () => {
				if (!isFinished) {
					isFinished = true;
					layer.removeNewcomer();
				}
			},
		};
	}

	/** Stops timers and bursts. */
	close(): void {
		for (const cancel of this.#gatherTimers) {
			cancel();
		}
		this.#gatherTimers.clear();
		for (const layer of this.#joinLayers) {
			layer.reset();
		}
	}

	#beginSplice(sequenceNumber: number): void {
		this.#splicer.begin(sequenceNumber, !this.#lastHadMarker);
		this.#isWaitingForKeyFrame = false;
		this.#keyFrameTicks = undefined;
		this.#live.restartReports();
	}

	#sendLive(packet: KeptPacket, startsKeyFrame: boolean): void {
		// A packet of an older key frame may be sent again late; it begins nothing.
		if (startsKeyFrame && packet.timestampTicks > (this.#keyFrameTicks ?? -Infinity)) {
			this.#onKeyFrame(packet.timestampTicks);
		}
		if (packet.timestampTicks !== this.#lastTimestamp) {
			this.#lastTimestamp = packet.timestampTicks;
			if (packet.timestampTicks > this.#newestTimestamp) {
				this.#newestTimestamp = packet.timestampTicks;
				this.#pictureCount++;
			}
		}
		this.#lastHadMarker = packet.hasMarker;
		this.#live.send(packet, packet.liveSequence);
		// A packet of the GOP before that comes late helps nobody who begins now.
		if (packet.timestampTicks >= (this.#keyFrameTicks ?? Infinity)) {
			this.#gop.add(packet);
		}
		for (const layer of this.#joinLayers) {
			layer.follow(packet);
		}
	}

	#onKeyFrame(timestampTicks: number): void {
		const nowMs = this.#clock.monotonicMs();
		if (this.#keyFrameTicks !== undefined) {
			this.#gopDurationMs = nowMs - this.#keyFrameAtMs;
		}
		this.#keyFrameTicks = timestampTicks;
		this.#keyFrameAtMs = nowMs;
		this.#keyFrameCount++;
		this.#gop.begin(timestampTicks);
		for (const layer of this.#joinLayers) {
			layer.liveKeyFrame();
		}
	}

	#chooseJoinLayer(): JoinLayer | undefined {
		if (!this.#gop.isUsable) {
			return undefined;
		}
		const filling = this.#joinLayers.find((layer) => layer.state === 'filling');
		if (filling !== undefined) {
			return filling;
		}
		const sinceKeyFrameMs = this.#clock.monotonicMs() - this.#keyFrameAtMs;
		const untilKeyFrameMs = (this.#gopDurationMs ?? Infinity) - sinceKeyFrameMs;
		if (untilKeyFrameMs > 0 && untilKeyFrameMs < KEY_FRAME_NEAR_MS) {
			return undefined;
		}
		return this.#joinLayers.find((layer) => layer.state === 'idle');
	}

	#after(delayMs: number, callback: () => void): void {
		const cancel = this.#clock.setTimeout(() => {
			this.#gatherTimers.delete(cancel);
			callback();
		}, delayMs);
		this.#gatherTimers.add(cancel);
	}
}

/** Opus towards the viewers. */
export class AudioStageTrack {
	readonly #stream: StageStream;
	readonly #splicer = new SequenceSplicer(crypto.getRandomValues(new Uint16Array(1))[0]! & 0x7fff);
	readonly #timestampBase = crypto.getRandomValues(new Uint32Array(1))[0]!;
	#begins = true;

	constructor(stream: StageStream) {
		this.#stream = stream;
	}

	/** Packets and bytes sent. */
	get statistics(): { packetCount: number; octetCount: number } {
		return { packetCount: this.#stream.packetCount, octetCount: this.#stream.octetCount };
	}

	/** Another publisher, or another encoder, feeds from now on. */
	beginRun(): void {
		this.#begins = true;
	}

	/** Forwards a publisher's packet. */
	forward(packet: PublisherPacket): void {
		if (this.#begins) {
			this.#beginSplice(packet.sequenceNumber);
		}
		const sequence = this.#splicer.map(packet.sequenceNumber);
		if (sequence !== undefined) {
			this.#stream.send(this.#stagePacket(packet), sequence);
		}
	}

	/** Sends one Opus packet of our own encoder. */
	writeFrame(frame: { bytes: Uint8Array; timelineTicks: number; captureTimeMs: number }): void {
		if (this.#begins) {
			this.#beginSplice(0);
		}
		this.#stream.send(
			this.#stagePacket({
				payload: frame.bytes,
				hasMarker: false,
				timelineTicks: frame.timelineTicks,
				captureTimeMs: frame.captureTimeMs,
			}),
			this.#splicer.next(),
		);
	}

	#beginSplice(sequenceNumber: number): void {
		this.#splicer.begin(sequenceNumber, false);
		this.#begins = false;
		this.#stream.restartReports();
	}

	#stagePacket(packet: {
		payload: Uint8Array;
		hasMarker: boolean;
		timelineTicks: number;
		captureTimeMs: number;
	}): StagePacket {
		return {
			payload: packet.payload,
			hasMarker: packet.hasMarker,
			timestampTicks: packet.timelineTicks + this.#timestampBase,
			captureTimeMs: packet.captureTimeMs,
		};
	}
}

/**
 * True for a payload that begins a key frame as mediasoup recognises one: an SPS alone or in a STAP-A. An IDR slice without
 * parameter sets before it does not count, since nobody could begin there.
 */
export function startsH264KeyFrame(payload: Uint8Array): boolean {
	if (payload.length === 0) {
		return false;
	}
	const type = payload[0]! & 0x1f;
	if (type === 7) {
		return true;
	}
	if (type !== 24) {
		return false;
	}
	let offset = 1;
	while (offset + 2 < payload.length) {
		if ((payload[offset + 2]! & 0x1f) === 7) {
			return true;
		}
		offset += 2 + payload[offset]! * 256 + payload[offset + 1]!;
	}
	return false;
}
