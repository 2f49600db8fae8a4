/** One live layer of the stage's picture: splices publishers' packets and our own access units into one stream. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { startsH264KeyFrame } from '../../rtp/h264-depacketizer.ts';
import { LayerRate } from './layer-rate.ts';
import { NewestGop, type KeptPacket } from './newest-gop.ts';
import { randomSequence, SequenceSplicer } from './splice.ts';
import type { StagePacket, StageStream, StreamTimes } from './stage-stream.ts';

/** With pictures at least as often the layer needs no other packets. */
const MAX_SILENCE_MS = 1000;

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

/** A picture of our own packetising: payloads in order, the first of a key frame holding SPS and PPS. */
export type OwnPicture = {
	payloads: readonly Uint8Array[];
	isKeyFrame: boolean;
	timelineTicks: number;
	captureTimeMs: number;
};

/** Copies the live packets while newcomers need them. */
export type Follower = {
	/** A key frame is about to be sent. */
	liveKeyFrame(): void;
	/** `beginsPicture`: it is the first of a picture, and all packets since the key frame have been passed on. */
	follow(packet: KeptPacket, beginsPicture: boolean): void;
};

type LiveLayerDependencies = { clock: Clock; stream: StageStream };

export class LiveLayer {
	/** Spatial layer index in the stage's Producer. */
	readonly spatialLayer: number;
	/** What copies its packets now. */
	readonly followers = new Set<Follower>();
	readonly #deps: LiveLayerDependencies;
	readonly #splicer = new SequenceSplicer(randomSequence());
	readonly #gop = new NewestGop();
	readonly #rate: LayerRate;
	/** Added to the timeline's ticks, so that timestamps reveal nothing about the server (RFC 3550 §5.1). */
	readonly #timestampBase: number;
	#isWaitingForKeyFrame = true;
	#lastHadMarker = true;
	#keyFrameTicks: number | undefined;
	#keyFrameAtMs = -Infinity;
	#gopDurationMs: number | undefined;
	#pictureCount = 0;
	#keyFrameCount = 0;
	#newest: StreamTimes | undefined;
	#isSwitchPointDue = false;
	#sentAtMs = -Infinity;

	constructor(deps: LiveLayerDependencies, options: { spatialLayer: number; timestampBase: number }) {
		this.#deps = deps;
		this.#rate = new LayerRate(deps.clock);
		this.spatialLayer = options.spatialLayer;
		this.#timestampBase = options.timestampBase;
	}

	get ssrc(): number {
		return this.#deps.stream.ssrc;
	}

	/** Pictures and key frames sent, packets and bytes: for statistics. */
	get statistics(): StageStream['statistics'] & { pictureCount: number; keyFrameCount: number } {
		const [pictureCount, keyFrameCount] = [this.#pictureCount, this.#keyFrameCount];
		return { pictureCount, keyFrameCount, ...this.#deps.stream.statistics };
	}

	/** What it takes of a line in its busiest second; undefined before it is known. */
	get peakBps(): number | undefined {
		return this.#rate.peakBps;
	}

	/** Since the last packet of a picture. */
	get silenceMs(): number {
		return this.#deps.clock.monotonicMs() - this.#sentAtMs;
	}

	/** Times of the newest picture; undefined before the first one. */
	get newest(): StreamTimes | undefined {
		return this.#newest;
	}

	/** The newest GOP; undefined when there is none that can be sent. */
	get gop(): Pick<NewestGop, 'packetCount' | 'packets'> | undefined {
		return this.#gop.isUsable ? this.#gop : undefined;
	}

	/** The highest number so far, unwrapped. */
	get highestSequence(): number {
		return this.#splicer.highest;
	}

	/** Until the next key frame, from the length of the GOP before; undefined when it is not known, or overdue. */
	get untilKeyFrameMs(): number | undefined {
		const sinceKeyFrameMs = this.#deps.clock.monotonicMs() - this.#keyFrameAtMs;
		const untilMs = (this.#gopDurationMs ?? -Infinity) - sinceKeyFrameMs;
		return untilMs > 0 ? untilMs : undefined;
	}

	/**
	 * Makes the layer known at the far end of a new pipe, which passes nothing before a key frame: the next picture is a
	 * switch point. A viewer who waits for a key frame here begins at it, and cannot decode it.
	 */
	requestSwitchPoint(): void {
		this.#isSwitchPointDue = true;
	}

	/** Makes the layer known to mediasoup with one packet, before the first picture. */
	prime(packet: StagePacket): void {
		this.#deps.stream.send(packet, this.#splicer.next());
		this.#deps.stream.report();
	}

	/** Keeps the layer alive while the publisher is silent. The number repeats the newest one, as a late packet does. */
	keepAlive(times: StreamTimes): void {
		if (this.#deps.stream.silenceMs > MAX_SILENCE_MS) {
			this.#deps.stream.keepAlive(times, this.#splicer.highest);
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
		this.#send(
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

	/** Sends one picture. */
	writePicture(picture: OwnPicture): void {
		if (this.#isWaitingForKeyFrame) {
			if (!picture.isKeyFrame) {
				return;
			}
			this.#beginSplice(0);
		}
		picture.payloads.forEach((payload, index) => {
			this.#send(
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

	#beginSplice(sequenceNumber: number): void {
		this.#splicer.begin(sequenceNumber, !this.#lastHadMarker);
		this.#isWaitingForKeyFrame = false;
		this.#keyFrameTicks = undefined;
		this.#deps.stream.restartReports();
	}

	#send(packet: KeptPacket, startsKeyFrame: boolean): void {
		const { timestampTicks, captureTimeMs } = packet;
		this.#sentAtMs = this.#deps.clock.monotonicMs();
		this.#rate.add(packet.payload.length);
		// A packet of an older key frame may be sent again late; no GOP begins with it.
		if (startsKeyFrame && timestampTicks > (this.#keyFrameTicks ?? -Infinity)) {
			// A pipe's far end reads the structure of the descriptors here.
			packet.descriptor = 'switch-point';
			this.#onKeyFrame(timestampTicks);
		}
		const isNewPicture = timestampTicks > (this.#newest?.timestampTicks ?? -Infinity);
		const beginsPicture = isNewPicture && this.#gop.isWholeUpTo(packet.liveSequence);
		if (isNewPicture) {
			this.#newest = { timestampTicks, captureTimeMs };
			this.#pictureCount++;
		}
		this.#lastHadMarker = packet.hasMarker;
		if (beginsPicture && this.#isSwitchPointDue) {
			this.#isSwitchPointDue = false;
			this.#deps.stream.send({ ...packet, descriptor: 'switch-point' }, packet.liveSequence);
		} else {
			this.#deps.stream.send(packet, packet.liveSequence);
		}
		// A late packet of the GOP before is useless to a newcomer.
		if (timestampTicks >= (this.#keyFrameTicks ?? Infinity)) {
			this.#gop.add(packet);
		}
		for (const follower of this.followers) {
			follower.follow(packet, beginsPicture);
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
		for (const follower of this.followers) {
			follower.liveKeyFrame();
		}
	}
}
