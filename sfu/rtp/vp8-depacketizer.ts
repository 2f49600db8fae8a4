/** RTP payloads of VP8 (RFC 7741) → one frame, and the facts in its header. Fed in sequence order. */
import type { PictureAssembler } from './h264-depacketizer.ts';

const MAX_FRAME_BYTES = 8 * 1024 * 1024;

export class Vp8Depacketizer implements PictureAssembler {
	#parts: Uint8Array[] = [];
	#bytes = 0;
	#isDamaged = false;

	/** Adds the next payload; never throws. */
	push(payload: Uint8Array): void {
		const start = descriptorBytes(payload);
		if (start === undefined || start >= payload.length || this.#bytes + payload.length > MAX_FRAME_BYTES) {
			this.#isDamaged ||= payload.length > 0;
			return;
		}
		const isFrameStart = (payload[0]! & 0x10) !== 0 && (payload[0]! & 0x07) === 0;
		if (this.#parts.length === 0 && !isFrameStart) {
			this.#isDamaged = true;
			return;
		}
		const body = payload.subarray(start);
		this.#parts.push(body);
		this.#bytes += body.length;
	}

	/** A packet before the next one is missing. */
	markLoss(): void {
		this.#isDamaged = true;
	}

	/** The frame, as the only entry of an array, or undefined when it is damaged or empty. */
	take(): Uint8Array[] | undefined {
		const frame = this.#isDamaged || this.#parts.length === 0 ? undefined : Buffer.concat(this.#parts, this.#bytes);
		this.#parts = [];
		this.#bytes = 0;
		this.#isDamaged = false;
		return frame === undefined ? undefined : [frame];
	}
}

/** Length of the payload descriptor (RFC 7741 §4.2): X, then I, L, T/K and a picture id of 7 or 15 bits. */
export function descriptorBytes(payload: Uint8Array): number | undefined {
	if (payload.length < 1) {
		return undefined;
	}
	let offset = 1;
	if ((payload[0]! & 0x80) !== 0) {
		const extension = payload[offset++];
		if (extension === undefined) {
			return undefined;
		}
		if ((extension & 0x80) !== 0) {
			const pictureId = payload[offset++];
			if (pictureId === undefined) {
				return undefined;
			}
			if ((pictureId & 0x80) !== 0) {
				offset++;
			}
		}
		offset += (extension & 0x40) !== 0 ? 1 : 0;
		offset += (extension & 0x30) !== 0 ? 1 : 0;
	}
	return offset;
}

/** Size of a VP8 key frame, or undefined for any other frame (RFC 6386 §9.1). */
export function readVp8KeyFrame(frame: Uint8Array): { widthPixels: number; heightPixels: number } | undefined {
	if (frame.length < 10 || (frame[0]! & 1) !== 0 || frame[3] !== 0x9d || frame[4] !== 0x01 || frame[5] !== 0x2a) {
		return undefined;
	}
	return {
		widthPixels: (frame[6]! | (frame[7]! << 8)) & 0x3fff,
		heightPixels: (frame[8]! | (frame[9]! << 8)) & 0x3fff,
	};
}
