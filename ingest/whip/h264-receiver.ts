/** H.264 of a WHIP publisher: NAL units of its packets → pictures for the packager, and packets for the stage. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { joinLengthPrefixed, NAL_TYPE, nalType } from '../../core/media/h264.ts';
import { ticksToMs, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { H264Assembler, type H264Picture, type PictureProblem } from '../bitstream/h264-assembler.ts';
import type { PublisherRtpPacket } from '../publisher/publisher.ts';
import { RtpRelay } from './rtp-relay.ts';

/** How long the first picture waits for a further part; packets of one picture arrive within a few milliseconds. */
const SETTLE_MS = 60;
/** A parameter set as text has some 40 characters. */
const MAX_OFFERED_TEXT = 8192;
const MAX_OFFERED_SETS = 64;

export type PictureTimes = { rtpTicks: number; arrivedAtMs: number };

/** Gets the results in order. */
interface H264ReceiverSink {
	configure(config: VideoTrackConfig): void;
	rtpPacket(packet: PublisherRtpPacket): void;
	picture(picture: { bytes: Uint8Array; isKeyFrame: boolean; isRecoveryPoint: boolean }, times: PictureTimes): void;
	problem(problem: PictureProblem): void;
}

export class H264Receiver {
	readonly #assembler: H264Assembler<PictureTimes>;
	readonly #relay: RtpRelay;
	#newestOrdered = 0;
	readonly #settling: Timer;

	constructor({ clock, sink }: { clock: Clock; sink: H264ReceiverSink }) {
		this.#settling = new Timer(clock, () => this.#assembler.settle());
		this.#relay = new RtpRelay((packet) => sink.rtpPacket(packet));
		this.#assembler = new H264Assembler<PictureTimes>(
			{
				...sink,
				picture: (picture) => {
					this.#relayPicture(picture);
					const { nals, isKeyFrame, isRecoveryPoint, stamp } = picture;
					sink.picture({ bytes: joinLengthPrefixed(nals), isKeyFrame, isRecoveryPoint }, stamp);
				},
			},
			{ provesFraming: true },
		);
	}

	/** The value of sprop-parameter-sets in the offer (RFC 6184 §8.1): NAL units in Base64, between commas. */
	addOfferedParameterSets(text: string): void {
		const sets = text
			.slice(0, MAX_OFFERED_TEXT)
			.split(',')
			.slice(0, MAX_OFFERED_SETS)
			.map((entry) => new Uint8Array(Buffer.from(entry, 'base64')))
			.filter((nal) => nal.length > 1 && (nalType(nal) === NAL_TYPE.SPS || nalType(nal) === NAL_TYPE.PPS));
		this.#assembler.addParameterSets(sets);
	}

	/** A packet in the order of arrival. */
	arrived(packet: PublisherRtpPacket): void {
		this.#relay.packet(packet);
	}

	/** All NAL units of packets with one timestamp, up to a marker or to the next timestamp. */
	push(nals: readonly Uint8Array[], times: PictureTimes, end: { hasMarker: boolean; sequenceNumber: number }): void {
		this.#newestOrdered = end.sequenceNumber;
		this.#assembler.push({
			nals,
			timeMs: ticksToMs(times.rtpTicks, VIDEO_CLOCK_RATE),
			stamp: times,
			isEnd: end.hasMarker,
		});
		if (!end.hasMarker) {
			this.#assembler.flush();
		}
		if (this.#assembler.isHolding) {
			this.#settling.arm(SETTLE_MS);
		} else {
			this.#settling.disarm();
		}
	}

	/** A packet before the next one is missing. */
	markLoss(): void {
		this.#assembler.markLoss();
	}

	close(): void {
		this.#settling.disarm();
	}

	#relayPicture(picture: H264Picture<PictureTimes>): void {
		const isIdr = picture.isKeyFrame && !picture.isRecoveryPoint;
		this.#relay.picture(
			{
				nals: picture.nals,
				parameterSets: isIdr ? this.#assembler.config : undefined,
				isIdr,
				isCleanlyFramed: picture.isCleanlyFramed,
				...picture.stamp,
			},
			this.#newestOrdered,
		);
	}
}
