/** What a contribution that is not on air yet has sent since its newest key frame, as it came. */
import { startsH264KeyFrame } from '../../sfu/rtp/h264-depacketizer.ts';
import type { PublisherRtpPacket, PublisherUnit } from '../publisher/publisher.ts';

/** One thing that a publisher sent. */
export type PublisherMedia =
	{ unit: PublisherUnit; packet?: undefined } | { unit?: undefined; packet: PublisherRtpPacket };

/** Packets and units of the newest GOP. Beyond, all of it goes: half a GOP cannot be shown. */
const MAX_ENTRIES = 6000;

export class OffAirBuffer {
	#entries: PublisherMedia[] = [];

	add(media: PublisherMedia): void {
		if (this.#startsGop(media) || this.#entries.length > MAX_ENTRIES) {
			this.#entries = [];
		}
		this.#entries.push(media);
	}

	/** Gives all in order, and keeps nothing. */
	take(): PublisherMedia[] {
		const entries = this.#entries;
		this.#entries = [];
		return entries;
	}

	// The packets of a key frame come ahead of its unit, so where there are packets they say where a GOP begins.
	#startsGop({ unit, packet }: PublisherMedia): boolean {
		if (packet !== undefined) {
			return packet.kind === 'video' && startsH264KeyFrame(packet.payload);
		}
		return unit.kind === 'video' && unit.isKeyFrame && !this.#entries.some((entry) => entry.packet !== undefined);
	}
}
