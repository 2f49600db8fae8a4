/**
 * The H.264 track of a publisher: its parameter sets, wherever they come from, and its pictures in one form (4-byte lengths,
 * nothing but what belongs to the picture). Knows neither FLV nor time.
 */
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { isSameBytes, isSameConfig } from '../../core/media/codecs.ts';
import { joinLengthPrefixed, NAL_TYPE, nalType, parseSps, splitAnnexB } from '../../core/media/h264.ts';

/** ISO/IEC 14496-15 §5.3.3.1.2. */
type LengthSize = 1 | 2 | 4;

/** A picture, or why there is none in the bytes. `config` is set when it changed and holds from this picture on. */
export type AvcPicture = {
	config?: VideoTrackConfig;
	picture?: { bytes: Uint8Array; isKeyFrame: boolean };
	problem?: string;
};

/** ITU-T H.264 §7.4.2.1.1, §7.4.2.2: ids run to 31 and 255; more sets than this in one stream are not honest. */
const MAX_PARAMETER_SET_COUNT = 32;
/** The length fields of an AVCDecoderConfigurationRecord have 16 bits. */
const MAX_PARAMETER_SET_BYTES = 65_535;
/** A slice per macroblock row of a 2160p picture makes 135; each NAL unit costs us an object. */
const MAX_NAL_COUNT = 1000;
const START_CODE = Uint8Array.of(0, 0, 0, 1);
const DROPPED_NAL_TYPES: ReadonlySet<number> = new Set([
	NAL_TYPE.SPS,
	NAL_TYPE.PPS,
	NAL_TYPE.AUD,
	NAL_TYPE.END_OF_SEQUENCE,
	NAL_TYPE.END_OF_STREAM,
	NAL_TYPE.FILLER,
]);

/** One publisher's H.264 track. */
export class AvcTrack {
	#lengthSize: LengthSize = 4;
	#sps: Uint8Array[] = [];
	#pps: Uint8Array[] = [];
	#config: VideoTrackConfig | undefined;

	/** The configuration in force; undefined until parameter sets were seen. */
	get config(): VideoTrackConfig | undefined {
		return this.#config;
	}

	/**
	 * Takes an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1). Returns the configuration if it is new. A record without
	 * parameter sets is fine: some encoders send them in band only.
	 */
	setRecord(record: Uint8Array): AvcPicture {
		const parsed = parseRecord(record);
		if (parsed === undefined) {
			return { problem: 'an AVC configuration record that cannot be read' };
		}
		this.#lengthSize = parsed.lengthSize;
		if (parsed.sps.length === 0 || parsed.pps.length === 0) {
			return {};
		}
		return this.#setParameterSets(parsed.sps, parsed.pps);
	}

	/** Takes the NAL units of one picture. The result's bytes may be a view of `bytes`. */
	takePicture(bytes: Uint8Array): AvcPicture {
		const { nals, isWhole } = this.#split(bytes);
		const result: AvcPicture = isWhole ? {} : { problem: 'NAL unit lengths that do not add up, or too many of them' };
		Object.assign(result, this.#takeInBandParameterSets(nals));
		const kept = nals.filter((nal) => !DROPPED_NAL_TYPES.has(nalType(nal)));
		const isKeyFrame = kept.some((nal) => nalType(nal) === NAL_TYPE.IDR);
		if (!kept.some((nal) => nalType(nal) >= NAL_TYPE.NON_IDR && nalType(nal) <= NAL_TYPE.IDR)) {
			return result;
		}
		if (this.#config === undefined) {
			return { ...result, problem: 'a picture before its parameter sets' };
		}
		// The common case costs no copy: nothing was dropped, and the lengths have four bytes as they stand.
		const isClean = isWhole && this.#lengthSize === 4 && kept.length === nals.length && !startsWithStartCode(bytes);
		result.picture = { bytes: isClean ? bytes : joinLengthPrefixed(kept), isKeyFrame };
		return result;
	}

	#split(bytes: Uint8Array): { nals: Uint8Array[]; isWhole: boolean } {
		// Some encoders write Annex B where lengths belong. As a length, 00 00 00 01 would be a NAL unit of one byte.
		if (this.#lengthSize === 4 && startsWithStartCode(bytes)) {
			return hasManyStartCodes(bytes) ? { nals: [], isWhole: false } : { nals: splitAnnexB(bytes), isWhole: true };
		}
		const nals: Uint8Array[] = [];
		let offset = 0;
		while (offset + this.#lengthSize <= bytes.length) {
			let length = 0;
			for (let index = 0; index < this.#lengthSize; index++) {
				length = length * 256 + bytes[offset++]!;
			}
			if (offset + length > bytes.length || nals.length === MAX_NAL_COUNT) {
				return { nals, isWhole: false };
			}
			if (length > 0) {
				nals.push(bytes.subarray(offset, offset + length));
			}
			offset += length;
		}
		return { nals, isWhole: offset === bytes.length };
	}

	#takeInBandParameterSets(nals: readonly Uint8Array[]): AvcPicture {
		const sps = nals.filter((nal) => nalType(nal) === NAL_TYPE.SPS);
		const pps = nals.filter((nal) => nalType(nal) === NAL_TYPE.PPS);
		if (sps.every((nal) => isIn(this.#sps, nal)) && pps.every((nal) => isIn(this.#pps, nal))) {
			return {};
		}
		if (sps.length > MAX_PARAMETER_SET_COUNT || pps.length > MAX_PARAMETER_SET_COUNT) {
			return { problem: `more than ${MAX_PARAMETER_SET_COUNT} parameter sets` };
		}
		// A new sequence parameter set that brings its picture parameter sets along replaces all; else each replaces the one
		// with its id.
		if (sps.some((nal) => !isIn(this.#sps, nal)) && pps.length > 0) {
			return this.#setParameterSets(sps, pps);
		}
		return this.#setParameterSets(mergeById(this.#sps, sps, 4), mergeById(this.#pps, pps, 1));
	}

	#setParameterSets(sps: readonly Uint8Array[], pps: readonly Uint8Array[]): AvcPicture {
		if (sps.length > MAX_PARAMETER_SET_COUNT || pps.length > MAX_PARAMETER_SET_COUNT) {
			return { problem: `more than ${MAX_PARAMETER_SET_COUNT} parameter sets` };
		}
		if ([...sps, ...pps].some((nal) => nal.length > MAX_PARAMETER_SET_BYTES)) {
			return { problem: `a parameter set of more than ${MAX_PARAMETER_SET_BYTES} bytes` };
		}
		if (sps.length === 0 || pps.length === 0) {
			// One kind came before the other: keep it for when the other comes.
			this.#sps = sps.map((nal) => nal.slice());
			this.#pps = pps.map((nal) => nal.slice());
			return {};
		}
		const facts = parseSps(sps[0]!);
		if (facts === undefined) {
			return { problem: 'a sequence parameter set that cannot be read' };
		}
		// Copies, so that a configuration does not keep a whole message alive.
		this.#sps = sps.map((nal) => nal.slice());
		this.#pps = pps.map((nal) => nal.slice());
		const config: VideoTrackConfig = {
			kind: 'video',
			codec: 'h264',
			widthPixels: facts.widthPixels,
			heightPixels: facts.heightPixels,
			sps: this.#sps,
			pps: this.#pps,
		};
		if (this.#config !== undefined && isSameConfig(this.#config, config)) {
			return {};
		}
		this.#config = config;
		return { config };
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
	// A wrong kind of NAL unit in a list would be handed to decoders as a parameter set.
	const isRight =
		sps.every((nal) => nalType(nal) === NAL_TYPE.SPS) && pps.every((nal) => nalType(nal) === NAL_TYPE.PPS);
	return isRight ? { lengthSize: lengthSize as LengthSize, sps, pps } : undefined;
}

function mergeById(current: readonly Uint8Array[], changed: readonly Uint8Array[], idOffset: number): Uint8Array[] {
	const merged = [...current];
	for (const nal of changed) {
		const id = parameterSetId(nal, idOffset);
		const index = merged.findIndex((other) => parameterSetId(other, idOffset) === id);
		if (index < 0) {
			merged.push(nal);
		} else {
			merged[index] = nal;
		}
	}
	return merged;
}

/** The Exp-Golomb number at a byte offset: the id in an SPS is behind profile and level, in a PPS it comes first. */
function parameterSetId(nal: Uint8Array, offset: number): number {
	const bits =
		((nal[offset] ?? 0) << 24) |
		((nal[offset + 1] ?? 0) << 16) |
		((nal[offset + 2] ?? 0) << 8) |
		(nal[offset + 3] ?? 0);
	const zeros = Math.clz32(bits);
	// Ids have at most 8 leading zeros; anything else is nonsense and shares an id of its own.
	return zeros > 8 ? -1 : ((bits << zeros) >>> (31 - zeros)) - 1;
}

function isIn(list: readonly Uint8Array[], nal: Uint8Array): boolean {
	return list.some((entry) => isSameBytes(entry, nal));
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
