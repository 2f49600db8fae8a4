/** Small pictures of running broadcasts, for those who rewind. Bounded by what can be rewound, and in bytes. Pure. */
import type { BroadcastId } from '../../core/ids.ts';

/** A JPEG. */
type StripPicture = {
	/** When it was captured, in epoch milliseconds; also its name. */
	capturedAtMs: number;
	bytes: Uint8Array;
};

/** Two hours of pictures each ten seconds are some 720 of 2 to 4 kB, and of noise twice that. @internal for tests */
export const MAX_STRIP_BYTES = 6 * 2 ** 20;
/** Of all broadcasts of this server. Then the longest strip gets shorter. @internal for tests */
export const MAX_ALL_STRIPS_BYTES = 64 * 2 ** 20;
/** A picture that is larger than this is no small one. */
const MAX_PICTURE_BYTES = 64 * 1024;

type Strip = { pictures: StripPicture[]; sizeBytes: number };

export class LiveStrips {
	readonly #strips = new Map<BroadcastId, Strip>();
	#sizeBytes = 0;

	/** Of all strips. */
	get sizeBytes(): number {
		return this.#sizeBytes;
	}

	/** Oldest first. */
	pictures(broadcastId: BroadcastId): readonly StripPicture[] {
		return this.#strips.get(broadcastId)?.pictures ?? [];
	}

	/** `keptFromMs`: what was captured before cannot be rewound any more. A picture that is not newer is left out. */
	add(broadcastId: BroadcastId, picture: StripPicture, keptFromMs: number): void {
		const strip = this.#strips.get(broadcastId) ?? { pictures: [], sizeBytes: 0 };
		const newestMs = strip.pictures.at(-1)?.capturedAtMs ?? -Infinity;
		if (picture.capturedAtMs <= newestMs || picture.bytes.length > MAX_PICTURE_BYTES) {
			return;
		}
		this.#strips.set(broadcastId, strip);
		strip.pictures.push(picture);
		this.#count(strip, picture.bytes.length);
		// The last picture before the oldest moment shows that moment.
		while ((strip.pictures[1]?.capturedAtMs ?? Infinity) <= keptFromMs || strip.sizeBytes > MAX_STRIP_BYTES) {
			this.#dropOldest(strip);
		}
		while (this.#sizeBytes > MAX_ALL_STRIPS_BYTES) {
			const longest = [...this.#strips.values()].reduce((one, other) =>
				other.sizeBytes > one.sizeBytes ? other : one,
			);
			this.#dropOldest(longest);
		}
	}

	remove(broadcastId: BroadcastId): void {
		this.#sizeBytes -= this.#strips.get(broadcastId)?.sizeBytes ?? 0;
		this.#strips.delete(broadcastId);
	}

	#dropOldest(strip: Strip): void {
		this.#count(strip, -(strip.pictures.shift()?.bytes.length ?? 0));
	}

	#count(strip: Strip, bytes: number): void {
		strip.sizeBytes += bytes;
		this.#sizeBytes += bytes;
	}
}
