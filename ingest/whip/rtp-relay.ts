/**
 * A WHIP publisher's video packets on their way to the stage. Packets with the framing that receivers expect are
 * forwarded unchanged, without waiting for the picture's end. All others are packetized again from the assembled
 * pictures: parameter sets apart from their IDR picture or missing, markers at the wrong places, or no markers.
 */
import { packetizeH264 } from '../../sfu/rtp/h264-packetizer.ts';
import { unwrap } from '../../core/units.ts';
import type { PublisherRtpPacket } from '../publisher/publisher.ts';

type RelayedPicture = {
	nals: readonly Uint8Array[];
	/** Sent ahead of an IDR picture. */
	parameterSets: { sps: readonly Uint8Array[]; pps: readonly Uint8Array[] } | undefined;
	isIdr: boolean;
	isCleanlyFramed: boolean;
	rtpTicks: number;
	arrivedAtMs: number;
};

/** An IDR picture and so many after it must be clean before packets are forwarded unchanged. */
const PROOF_PICTURES = 2;
/** After so many fall-backs a publisher's packets are not forwarded again. */
const MAX_FALL_BACKS = 2;
const SEQUENCE_BITS = 16;

export class RtpRelay {
	readonly #emit: (packet: PublisherRtpPacket) => void;
	#isForwarding = false;
	#fallBackCount = 0;
	/** Clean pictures in a row since a clean IDR picture, that one included; 0 before it. */
	#cleanCount = 0;
	/** Numbers of the publisher, unwrapped. */
	#highestArrived: number | undefined;
	#forwardedAfter = 0;
	/** Of the newest packet that was forwarded unchanged. */
	#forwardedTicks: number | undefined;
	/** Added to the publisher's numbers. */
	#offset = 0;
	/** The next number of a packet made here. */
	#next = 0;

	constructor(emit: (packet: PublisherRtpPacket) => void) {
		this.#emit = emit;
	}

	/** A packet arrived, in any order. */
	packet(packet: PublisherRtpPacket): void {
		const number = unwrap(packet.sequenceNumber, this.#highestArrived ?? packet.sequenceNumber, SEQUENCE_BITS);
		this.#highestArrived = Math.max(this.#highestArrived ?? number, number);
		if (this.#isForwarding && number > this.#forwardedAfter) {
			this.#forwardedTicks = packet.rtpTicks;
			// Not by spread, which costs more for each packet than everything else here.
			this.#emit({
				kind: packet.kind,
				payload: packet.payload,
				hasMarker: packet.hasMarker,
				sequenceNumber: toSequenceNumber(number + this.#offset),
				rtpTicks: packet.rtpTicks,
				arrivedAtMs: packet.arrivedAtMs,
			});
		}
	}

	/** A picture is whole; `sequenceNumber` is that of the newest packet in order. */
	picture(picture: RelayedPicture, sequenceNumber: number): void {
		const isClean = picture.isCleanlyFramed;
		this.#cleanCount = !isClean ? 0 : picture.isIdr ? 1 : this.#cleanCount > 0 ? this.#cleanCount + 1 : 0;
		const number = unwrap(sequenceNumber, this.#highestArrived ?? sequenceNumber, SEQUENCE_BITS);
		// Only here, before the first packet of a later picture, can the mode change without a gap or a repetition.
		const isBorder = number === this.#highestArrived;
		if (this.#isForwarding) {
			if (this.#cleanCount === 0 && isBorder) {
				this.#isForwarding = false;
				this.#fallBackCount++;
				this.#next = number + 1 + this.#offset;
			}
			return;
		}
		if (picture.rtpTicks !== this.#forwardedTicks) {
			this.#write(picture);
		}
		if (this.#cleanCount > PROOF_PICTURES && isBorder && this.#fallBackCount < MAX_FALL_BACKS) {
			this.#isForwarding = true;
			this.#forwardedAfter = number;
			this.#offset = this.#next - (number + 1);
		}
	}

	#write(picture: RelayedPicture): void {
		const payloads = packetizeH264(picture.nals, picture.parameterSets);
		payloads.forEach((payload, index) =>
			this.#emit({
				kind: 'video',
				payload,
				hasMarker: index === payloads.length - 1,
				sequenceNumber: toSequenceNumber(this.#next++),
				rtpTicks: picture.rtpTicks,
				arrivedAtMs: picture.arrivedAtMs,
			}),
		);
	}
}

function toSequenceNumber(number: number): number {
	return ((number % 2 ** SEQUENCE_BITS) + 2 ** SEQUENCE_BITS) % 2 ** SEQUENCE_BITS;
}
