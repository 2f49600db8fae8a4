/** The unchanged media of a contribution off air since its newest key frame. */
import { startsH264KeyFrame } from '../../sfu/rtp/h264-depacketizer.ts';
import type { PublisherRtpPacket, PublisherUnit } from '../publisher/publisher.ts';

/** A unit or a packet of a publisher. */
export type PublisherMedia =
	{ unit: PublisherUnit; packet?: undefined } | { unit?: undefined; packet: PublisherRtpPacket };

/** Packets and units of the newest GOP. Beyond the limit all are dropped, because half a GOP cannot be shown. */
const MAX_ENTRIES = 6000;

export class OffAirBuffer {
	#entries: PublisherMedia[] = [];

	add(media: PublisherMedia): void {
		if (this.#startsGop(media) || this.#entries.length > MAX_ENTRIES) {
			this.#entries = [];
		}
		this.#entries.push(media);
	}

	/** Removes and returns all, in order. */
	drain(): PublisherMedia[] {
		return this.#entries.splice(0);
	}

	// The packets of a key frame come ahead of its unit, so where there are packets a GOP begins with them.
	#startsGop({ unit, packet }: PublisherMedia): boolean {
		if (packet !== undefined) {
			return packet.kind === 'video' && startsH264KeyFrame(packet.payload);
		}
		return unit.kind === 'video' && unit.isKeyFrame && !this.#entries.some((entry) => entry.packet !== undefined);
	}
}
