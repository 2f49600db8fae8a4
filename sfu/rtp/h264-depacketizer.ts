/** RTP payloads of H.264 (RFC 6184, modes 0 and 1) → NAL units of one picture. Fed in sequence order. */
import { NAL_TYPE, nalType } from '../../core/media/h264.ts';

const STAP_A = 24;
const FU_A = 28;
/** Bytes that one picture may hold; more counts as damage. A 4K intra picture at a very high rate is under 2 MB. */
const MAX_PICTURE_BYTES = 8 * 1024 * 1024;

/** Joins the payloads of one picture of any codec, in sequence order. */
export interface PictureAssembler {
	push(payload: Uint8Array): void;
	markLoss(): void;
	/** H.264: the NAL units. VP8: one entry, the frame. Undefined when damaged or empty. */
	take(): Uint8Array[] | undefined;
}

export class H264Depacketizer implements PictureAssembler {
	#nals: Uint8Array[] = [];
	#fragments: Uint8Array[] = [];
	#fragmentBytes = 0;
	#pictureBytes = 0;
	#isDamaged = false;

	/** Adds the next payload. Damage lasts until the picture is taken. Never throws. */
	push(payload: Uint8Array): void {
		if (payload.length === 0) {
			return;
		}
		this.#pictureBytes += payload.length;
		if (this.#pictureBytes > MAX_PICTURE_BYTES) {
			this.#isDamaged = true;
			this.#nals = [];
			this.#fragments = [];
			return;
		}
		const type = payload[0]! & 0x1f;
		if (type >= 1 && type <= 23) {
			this.#nals.push(payload);
		} else if (type === STAP_A) {
			this.#pushAggregate(payload);
		} else if (type === FU_A) {
			this.#pushFragment(payload);
		} else {
			// STAP-B, MTAP and FU-B belong to interleaved mode, which we never negotiate.
			this.#isDamaged = true;
		}
	}

	/** A packet before the next one is missing. */
	markLoss(): void {
		this.#isDamaged = true;
	}

	/** The picture's NAL units, or undefined when it is damaged or empty; begins the next picture. */
	take(): Uint8Array[] | undefined {
		const nals = this.#isDamaged || this.#fragments.length > 0 ? undefined : this.#nals;
		this.#nals = [];
		this.#fragments = [];
		this.#fragmentBytes = 0;
		this.#pictureBytes = 0;
		this.#isDamaged = false;
		return nals?.length === 0 ? undefined : nals;
	}

	#pushAggregate(payload: Uint8Array): void {
		let offset = 1;
		while (offset + 2 <= payload.length) {
			const size = payload[offset]! * 256 + payload[offset + 1]!;
			offset += 2;
			if (size === 0 || offset + size > payload.length) {
				this.#isDamaged = true;
				return;
			}
			this.#nals.push(payload.subarray(offset, offset + size));
			offset += size;
		}
	}

	#pushFragment(payload: Uint8Array): void {
		if (payload.length < 2) {
			this.#isDamaged = true;
			return;
		}
		const isStart = (payload[1]! & 0x80) !== 0;
		const isEnd = (payload[1]! & 0x40) !== 0;
		if (isStart) {
			if (this.#fragments.length > 0) {
				this.#isDamaged = true;
			}
			this.#fragments = [Uint8Array.of((payload[0]! & 0xe0) | (payload[1]! & 0x1f))];
			this.#fragmentBytes = 1;
		} else if (this.#fragments.length === 0) {
			this.#isDamaged = true;
			return;
		}
		const body = payload.subarray(2);
		this.#fragments.push(body);
		this.#fragmentBytes += body.length;
		if (isEnd) {
			const nal = new Uint8Array(this.#fragmentBytes);
			let offset = 0;
			for (const fragment of this.#fragments) {
				nal.set(fragment, offset);
				offset += fragment.length;
			}
			this.#nals.push(nal);
			this.#fragments = [];
			this.#fragmentBytes = 0;
		}
	}
}

/** As mediasoup recognises a key frame: by an SPS. No decoder can begin at an IDR slice without parameter sets. */
export function startsH264KeyFrame(payload: Uint8Array): boolean {
	return findSps(payload) !== undefined;
}

/** The sequence parameter set in a payload, alone or in an aggregation packet (RFC 6184 §5.6 and §5.7.1). */
export function findSps(payload: Uint8Array): Uint8Array | undefined {
	if (payload.length === 0) {
		return undefined;
	}
	const type = nalType(payload);
	if (type === NAL_TYPE.SPS) {
		return payload;
	}
	for (let offset = 1; type === STAP_A && offset + 2 < payload.length;) {
		const end = offset + 2 + payload[offset]! * 256 + payload[offset + 1]!;
		if ((payload[offset + 2]! & 0x1f) === NAL_TYPE.SPS) {
			return payload.subarray(offset + 2, end);
		}
		offset = end;
	}
	return undefined;
}
