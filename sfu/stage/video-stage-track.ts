/** The two tracks of a stage: what publishers' packets and our own access units go through on their way to the viewers. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SOUND_LAG_MS } from '../../core/media/sound-lag.ts';
import { Cohort, type Newcomer } from './join/cohort.ts';
import type { JoinLayer } from './join/join-layer.ts';
import { NewestGop, type KeptPacket } from './layer/newest-gop.ts';
import { SequenceSplicer } from './layer/splice.ts';
import type { StagePacket, StageStream } from './layer/stage-stream.ts';

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
/** See keepJoinLayersAwake; a third of the silence that mediasoup bears. */
const WAKE_INTERVAL_MS = 500;

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
	/** Of the newest picture. */
	#newest: Pick<StagePacket, 'timestampTicks' | 'captureTimeMs'> | undefined;
	#gathering: Cohort | undefined;
	readonly #timers = new Set<() => void>();

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
	 * Makes all layers known to mediasoup, which knows a stream from its first packet on: without this one who comes before the
	 * first picture would stay where no picture is.
	 */
	prime(): void {
		for (const layer of this.#joinLayers) {
			layer.prime(this.#silentPacket());
		}
		this.#live.send(this.#silentPacket(), this.#splicer.next());
		this.#live.report();
	}

	/**
	 * Makes the join layers known at the far end of a new pipe, for the same reason. A pipe lets nothing through before a
	 * key frame, so this looks like one; layers in use are left alone, since somebody would be shown it.
	 */
	primeJoinLayers(): void {
		for (const layer of this.#joinLayers) {
			if (layer.state === 'idle') {
				layer.prime({ ...this.#silentPacket(), payload: Uint8Array.of(0x67, 0x42, 0xe0, 0x1f) });
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
	 * Chooses where a newcomer begins: a join layer on which a burst follows, or the live layer. The caller sets its Consumer
	 * to that layer, lets it run, and calls `ready`: what is sent before is lost to it. When the Consumer has changed to the
	 * join layer, which it does at the burst's key frame, it is to be set to the live layer; `moveOn` is called when it ought
	 * to have changed, in case it missed the burst. `finished` says that it is on the live layer, or has left.
	 */
	join(moveOn: () => void): Newcomer {
		const layer = this.#chooseJoinLayer();
		if (layer === undefined) {
			return { spatialLayer: this.liveSpatialLayer, ready: () => undefined, finished: () => undefined };
		}
		if (this.#gathering?.isOpen !== true) {
			const busyCount = this.#joinLayers.filter((entry) => entry.state === 'following').length;
			const gatherMs = COHORT_GATHER_MS[Math.min(busyCount, COHORT_GATHER_MS.length - 1)]!;
			this.#gathering = new Cohort(layer, { after: this.#after, gatherMs }, () =>
				layer.burst(this.#gop.packets(), this.#splicer.highest),
			);
		}
		return this.#gathering.add(moveOn);
	}

	/** Stops timers and bursts. */
	close(): void {
		for (const cancel of this.#timers) {
			cancel();
		}
		this.#timers.clear();
		for (const layer of this.#joinLayers) {
			layer.reset();
		}
	}

	/**
	 * mediasoup takes a stream that is silent for 1.5 s for dead, and lets a Consumer change to one only when its capture time is
	 * known, which takes a packet after the first report. A newcomer whose join layer is asleep would be put on the live layer,
	 * and would miss the burst's key frame.
	 */
	#keepJoinLayersAwake(): void {
		for (const layer of this.#joinLayers) {
			if (layer.state === 'idle') {
				layer.prime(this.#silentPacket());
			}
		}
		this.#after(WAKE_INTERVAL_MS, () => this.#keepJoinLayersAwake());
	}

	/** No part of a picture, an access unit delimiter alone, with the times of the newest picture. */
	#silentPacket(): StagePacket {
		return {
			payload: Uint8Array.of(0x09, 0xf0),
			hasMarker: true,
			timestampTicks: this.#newest?.timestampTicks ?? this.#timestampBase,
			captureTimeMs: this.#newest?.captureTimeMs ?? this.#clock.nowMs(),
		};
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
			if (packet.timestampTicks > (this.#newest?.timestampTicks ?? -Infinity)) {
				this.#newest = { timestampTicks: packet.timestampTicks, captureTimeMs: packet.captureTimeMs };
				this.#pictureCount++;
				if (this.#pictureCount === 1) {
					this.#keepJoinLayersAwake();
				}
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
		if (this.#gathering?.isOpen === true) {
			return this.#gathering.layer;
		}
		const sinceKeyFrameMs = this.#clock.monotonicMs() - this.#keyFrameAtMs;
		const untilKeyFrameMs = (this.#gopDurationMs ?? Infinity) - sinceKeyFrameMs;
		if (untilKeyFrameMs > 0 && untilKeyFrameMs < KEY_FRAME_NEAR_MS) {
			return undefined;
		}
		return this.#joinLayers.find((layer) => layer.state === 'idle');
	}

	#after = (delayMs: number, callback: () => void): void => {
		const cancel = this.#clock.setTimeout(() => {
			this.#timers.delete(cancel);
			callback();
		}, delayMs);
		this.#timers.add(cancel);
	};
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
			captureTimeMs: packet.captureTimeMs + SOUND_LAG_MS,
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
