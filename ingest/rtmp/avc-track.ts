/**
 * The H.264 track of an RTMP publisher: turns records and messages of FLV into NAL units for the assembler. Its
 * pictures have one form (4-byte lengths, only what belongs to the picture). Independent of time.
 */
import { isSameBytes, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { joinLengthPrefixed, NAL_TYPE, nalType, splitAnnexB } from '../../core/media/h264.ts';
import { H264Assembler, PICTURE_PROBLEMS, type H264Picture } from '../bitstream/h264-assembler.ts';
import { PICTURE_PROBLEM_CODES } from '../publisher/picture-watch.ts';
import type { TrackProblemCode } from '../publisher/track-problems.ts';

/** ISO/IEC 14496-15 §5.3.3.1.2. */
type LengthSize = 1 | 2 | 4;

type AvcPicture<Stamp> = { bytes: Uint8Array; isKeyFrame: boolean; isRecoveryPoint?: true; stamp: Stamp };

/** One result, in order. `problem`: why something was left out. */
export type AvcEvent<Stamp> =
	| { config: VideoTrackConfig }
	| { picture: AvcPicture<Stamp> }
	| { problem: { code: TrackProblemCode; detail: string } };

/** A slice per macroblock row of a 2160p picture makes 135; each NAL unit costs us an object. */
const MAX_NAL_COUNT = 1000;
const START_CODE = Uint8Array.of(0, 0, 0, 1);

export class AvcTrack<Stamp> {
	#lengthSize: LengthSize = 4;
	readonly #events: AvcEvent<Stamp>[] = [];
	/** The message that is being read, when its bytes can be passed on without a copy. */
	#message: { bytes: Uint8Array; nals: readonly Uint8Array[] } | undefined;
	readonly #assembler = new H264Assembler<Stamp>(
		{
			configure: (config) => this.#events.push({ config }),
			picture: (picture) => this.#events.push({ picture: this.#toLengthPrefixed(picture) }),
			problem: (problem) =>
				this.#events.push({ problem: { code: PICTURE_PROBLEM_CODES[problem], detail: PICTURE_PROBLEMS[problem] } }),
		},
		{ provesFraming: false },
	);

	/** The active configuration; undefined before the first parameter sets. */
	get config(): VideoTrackConfig | undefined {
		return this.#assembler.config;
	}

	/**
	 * Reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1). A record without parameter sets is valid: some
	 * encoders send them in band only.
	 */
	setRecord(record: Uint8Array): AvcEvent<Stamp>[] {
		const parsed = parseRecord(record);
		if (parsed === undefined) {
			return [
				{ problem: { code: 'video-config-unreadable', detail: 'an AVC configuration record that cannot be read' } },
			];
		}
		this.#lengthSize = parsed.lengthSize;
		this.#assembler.addParameterSets([...parsed.sps, ...parsed.pps]);
		return this.#drainEvents();
	}

	/** Reads the NAL units of one message. A picture's bytes may be a view of `bytes`. */
	readMessage(bytes: Uint8Array, timeMs: number, stamp: Stamp): AvcEvent<Stamp>[] {
		const { nals, isWhole, isAnnexB } = this.#split(bytes);
		if (!isWhole) {
			this.#events.push({
				problem: { code: 'video-damaged', detail: 'NAL unit lengths that do not add up, or too many of them' },
			});
		}
		this.#message = isWhole && !isAnnexB && this.#lengthSize === 4 ? { bytes, nals } : undefined;
		this.#assembler.push({ nals, timeMs, stamp, isEnd: true });
		this.#message = undefined;
		return this.#drainEvents();
	}

	/** The newest picture is complete. */
	settle(): AvcEvent<Stamp>[] {
		this.#assembler.settle();
		return this.#drainEvents();
	}

	#drainEvents(): AvcEvent<Stamp>[] {
		return this.#events.splice(0);
	}

	#toLengthPrefixed(picture: H264Picture<Stamp>): AvcPicture<Stamp> {
		const { nals, isKeyFrame, isRecoveryPoint, stamp } = picture;
		// The common case costs no copy: nothing was dropped, and the lengths already have four bytes.
		const isClean =
			this.#message !== undefined &&
			this.#message.nals.length === nals.length &&
			nals.every((nal, index) => nal === this.#message!.nals[index]);
		return {
			bytes: isClean ? this.#message!.bytes : joinLengthPrefixed(nals),
			isKeyFrame,
			...(isRecoveryPoint ? { isRecoveryPoint } : {}),
			stamp,
		};
	}

	#split(bytes: Uint8Array): { nals: Uint8Array[]; isWhole: boolean; isAnnexB: boolean } {
		// Some encoders write Annex B where lengths belong. As a length, 00 00 00 01 is a NAL unit of one byte.
		if (this.#lengthSize === 4 && startsWithStartCode(bytes)) {
			return hasManyStartCodes(bytes)
				? { nals: [], isWhole: false, isAnnexB: true }
				: { nals: splitAnnexB(bytes), isWhole: true, isAnnexB: true };
		}
		const nals: Uint8Array[] = [];
		let offset = 0;
		while (offset + this.#lengthSize <= bytes.length) {
			let length = 0;
			for (let index = 0; index < this.#lengthSize; index++) {
				length = length * 256 + bytes[offset++]!;
			}
			if (offset + length > bytes.length || nals.length === MAX_NAL_COUNT) {
				return { nals, isWhole: false, isAnnexB: false };
			}
			if (length > 0) {
				nals.push(bytes.subarray(offset, offset + length));
			}
			offset += length;
		}
		return { nals, isWhole: offset === bytes.length, isAnnexB: false };
	}
}

function parseRecord(record: Uint8Array): { lengthSize: LengthSize; sps: Uint8Array[]; pps: Uint8Array[] } | undefined {
	if (record.length < 6 || record[0] !== 1) {
		return undefined;
	}
	const lengthSize = (record[4]! & 3) + 1;
	if (lengthSize === 3) {
		return undefined;
	}
	let offset = 5;
	const readSets = (countMask: number): Uint8Array[] | undefined => {
		const count = (record[offset++] ?? 0) & countMask;
		const sets: Uint8Array[] = [];
		for (let index = 0; index < count; index++) {
			if (offset + 2 > record.length) {
				return undefined;
			}
			const length = record[offset]! * 256 + record[offset + 1]!;
			offset += 2;
			if (offset + length > record.length) {
				return undefined;
			}
			if (length > 0) {
				sets.push(record.subarray(offset, offset + length));
			}
			offset += length;
		}
		return sets;
	};
	const sps = readSets(0x1f);
	const pps = sps === undefined ? undefined : readSets(0xff);
	if (sps === undefined || pps === undefined) {
		return undefined;
	}
	// Decoders get every NAL unit of these lists as a parameter set, so a wrong kind rejects the record.
	const isRight =
		sps.every((nal) => nalType(nal) === NAL_TYPE.SPS) && pps.every((nal) => nalType(nal) === NAL_TYPE.PPS);
	return isRight ? { lengthSize: lengthSize as LengthSize, sps, pps } : undefined;
}

function startsWithStartCode(bytes: Uint8Array): boolean {
	return bytes.length > 4 && isSameBytes(bytes.subarray(0, 4), START_CODE);
}

function hasManyStartCodes(bytes: Uint8Array): boolean {
	let count = 0;
	for (let at = bytes.indexOf(1, 2); at >= 0 && count <= MAX_NAL_COUNT; at = bytes.indexOf(1, at + 1)) {
		count += bytes[at - 1] === 0 && bytes[at - 2] === 0 ? 1 : 0;
	}
	return count > MAX_NAL_COUNT;
}
