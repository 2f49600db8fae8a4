/** The picture of a stage: splices publishers' packets and our own access units into the stream that viewers get. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { startsH264KeyFrame } from '../rtp/h264-depacketizer.ts';
import { Cohort, type Newcomer } from './join/cohort.ts';
import type { JoinLayer } from './join/join-layer.ts';
import { NewestGop, type KeptPacket } from './layer/newest-gop.ts';
import { randomSequence, SequenceSplicer } from './layer/splice.ts';
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
 * How long newcomers gather before a burst, by the number of join layers in use. The first cohort starts almost at
 * once. Later ones of the same GOP are larger, so that three layers suffice for a crowd.
 */
const COHORT_GATHER_MS = [8, 120, 350] as const;
/** With the next key frame this near, waiting for it is quicker than a burst. */
const KEY_FRAME_NEAR_MS = 120;
/** See keepJoinLayersAwake; a third of the silence that mediasoup tolerates. */
const WAKE_INTERVAL_MS = 500;

type VideoStageTrackDependencies = { live: StageStream; joinLayers: readonly JoinLayer[]; clock: Clock };

export class VideoStageTrack {
	readonly #deps: VideoStageTrackDependencies;
	readonly #scope = new CloseScope<'stage-closed'>();
	readonly #splicer = new SequenceSplicer(randomSequence());
	readonly #gop = new NewestGop();
	/** Added to the timeline's ticks, so that timestamps reveal nothing about the server (RFC 3550 §5.1). */
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

	constructor(deps: VideoStageTrackDependencies) {
		this.#deps = deps;
	}

	/** SSRC of the live layer. */
	get liveSsrc(): number {
		return this.#deps.live.ssrc;
	}

	/** Spatial layer of the live picture; the join layers lie below it. */
	get liveSpatialLayer(): number {
		return this.#deps.joinLayers.length;
	}

	/** Pictures and key frames sent, packets and bytes: for statistics. */
	get statistics(): StageStream['statistics'] & { pictureCount: number; keyFrameCount: number } {
		const [pictureCount, keyFrameCount] = [this.#pictureCount, this.#keyFrameCount];
		return { pictureCount, keyFrameCount, ...this.#deps.live.statistics };
	}

	/** mediasoup knows a layer from its first packet on: without it a viewer before the first picture gets stuck. */
	prime(): void {
		for (const layer of this.#deps.joinLayers) {
			layer.prime(this.#silentPacket());
		}
		this.#deps.live.send(this.#silentPacket(), this.#splicer.next());
		this.#deps.live.report();
	}

	/**
	 * Makes the join layers known at the far end of a new pipe, for the same reason. A pipe passes nothing before a key
	 * frame, so this looks like one; layers in use are skipped, since a viewer might see it.
	 */
	primeJoinLayers(): void {
		for (const layer of this.#idleLayers) {
			layer.prime({ ...this.#silentPacket(), payload: Uint8Array.of(0x67, 0x42, 0xe0, 0x1f) });
		}
	}

	/** Another publisher, or another encoder, feeds from now on; what comes before its first key frame is dropped. */
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
	 * Chooses where a newcomer begins: a join layer on which a burst follows, or the live layer. The caller sets its
	 * Consumer to that layer, resumes it, and calls `ready`: it misses what is sent before. At the burst's key frame the
	 * Consumer changes to the join layer, and then the caller sets it to the live layer. `moveOn` is called when that is
	 * due, in case the Consumer missed the burst. `finished`: it is on the live layer, or has left.
	 */
	join(moveOn: () => void): Newcomer {
		const layer = this.#chooseJoinLayer();
		if (layer === undefined) {
			return { spatialLayer: this.liveSpatialLayer, ready: () => undefined, finished: () => undefined };
		}
		if (this.#gathering?.isOpen !== true) {
			const busyCount = this.#deps.joinLayers.filter((entry) => entry.state === 'following').length;
			const gatherMs = COHORT_GATHER_MS[Math.min(busyCount, COHORT_GATHER_MS.length - 1)]!;
			const sendBurst = (): void => layer.burst(this.#gop.packets(), this.#splicer.highest);
			this.#gathering = new Cohort({ layer, after: this.#after, sendBurst }, gatherMs);
		}
		return this.#gathering.add(moveOn);
	}

	/** Stops timers and bursts. */
	close(): Promise<void> {
		for (const layer of this.#deps.joinLayers) {
			layer.reset();
		}
		return this.#scope.close('stage-closed');
	}

	/**
	 * mediasoup treats a stream that is silent for 1.5 s as dead. It lets a Consumer change to one only when its capture
	 * time is known, which takes a packet after the first report. A newcomer whose join layer is silent goes to the live
	 * layer, and misses the burst's key frame.
	 */
	#keepJoinLayersAwake(): void {
		for (const layer of this.#idleLayers) {
			layer.prime(this.#silentPacket());
		}
		this.#after(WAKE_INTERVAL_MS, () => this.#keepJoinLayersAwake());
	}

	get #idleLayers(): JoinLayer[] {
		return this.#deps.joinLayers.filter(({ state }) => state === 'idle');
	}

	/** An access unit delimiter alone, not part of a picture, with the times of the newest picture. */
	#silentPacket(): StagePacket {
		return {
			payload: Uint8Array.of(0x09, 0xf0),
			hasMarker: true,
			timestampTicks: this.#newest?.timestampTicks ?? this.#timestampBase,
			captureTimeMs: this.#newest?.captureTimeMs ?? this.#deps.clock.nowMs(),
		};
	}

	#beginSplice(sequenceNumber: number): void {
		this.#splicer.begin(sequenceNumber, !this.#lastHadMarker);
		this.#isWaitingForKeyFrame = false;
		this.#keyFrameTicks = undefined;
		this.#deps.live.restartReports();
	}

	#sendLive(packet: KeptPacket, startsKeyFrame: boolean): void {
		// A packet of an older key frame may be sent again late; no GOP begins with it.
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
		this.#deps.live.send(packet, packet.liveSequence);
		// A late packet of the GOP before is useless to a newcomer.
		if (packet.timestampTicks >= (this.#keyFrameTicks ?? Infinity)) {
			this.#gop.add(packet);
		}
		for (const layer of this.#deps.joinLayers) {
			layer.follow(packet);
		}
	}

	#onKeyFrame(timestampTicks: number): void {
		const nowMs = this.#deps.clock.monotonicMs();
		if (this.#keyFrameTicks !== undefined) {
			this.#gopDurationMs = nowMs - this.#keyFrameAtMs;
		}
		this.#keyFrameTicks = timestampTicks;
		this.#keyFrameAtMs = nowMs;
		this.#keyFrameCount++;
		this.#gop.begin(timestampTicks);
		for (const layer of this.#deps.joinLayers) {
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
		const sinceKeyFrameMs = this.#deps.clock.monotonicMs() - this.#keyFrameAtMs;
		const untilKeyFrameMs = (this.#gopDurationMs ?? Infinity) - sinceKeyFrameMs;
		if (untilKeyFrameMs > 0 && untilKeyFrameMs < KEY_FRAME_NEAR_MS) {
			return undefined;
		}
		return this.#idleLayers[0];
	}

	#after = (delayMs: number, callback: () => void): void => {
		this.#scope.after(this.#deps.clock, delayMs, callback);
	};
}
