/** Writes one CMAF chunk (`styp`, `prft`, `moof`, `mdat`) of one track: the bytes of one part. */
import { epochMsToNtp } from '../../core/units.ts';
import { FixedBoxWriter } from './box-writer.ts';
import { CMAF_TRACK_ID } from './init-segment.ts';

export type FragmentSample = {
	bytes: Uint8Array;
	durationTicks: number;
	/** Presentation minus decode time before the edit list, signed; 0 without B-frames. */
	compositionOffsetTicks: number;
	/** Decodable alone. */
	isSync: boolean;
};

/** Sample flags (ISO/IEC 14496-12 §8.8.3.1): depends on no other. FFmpeg writes the same values. */
const SYNC_SAMPLE_FLAGS = 0x0200_0000;
/** Sample flags: depends on others, not a sync sample. */
const NON_SYNC_SAMPLE_FLAGS = 0x0101_0000;

const STYP_SIZE = 8 + 8 + 2 * 4;
const PRFT_SIZE = 12 + 4 + 8 + 8;
const MFHD_SIZE = 16;
const TFHD_SIZE = 20;
const TFDT_SIZE = 20;
const TRUN_HEADER_SIZE = 20;

const TFHD_DEFAULT_SAMPLE_FLAGS = 0x20;
const TFHD_DEFAULT_BASE_IS_MOOF = 0x2_0000;
const TRUN_DATA_OFFSET = 0x1;
const TRUN_SAMPLE_DURATION = 0x100;
const TRUN_SAMPLE_SIZE = 0x200;
const TRUN_SAMPLE_FLAGS = 0x400;
const TRUN_SAMPLE_COMPOSITION_OFFSET = 0x800;
/** prft: the time at which the first sample was captured (ISO/IEC 14496-12 §8.16.5.3). */
const PRFT_TIME_CAPTURED = 24;

type FragmentInput = {
	/** Counts up by one per fragment of the track. */
	sequenceNumber: number;
	/** `tfdt` of the first sample. */
	baseMediaDecodeTimeTicks: number;
	/** When the first sample was captured, epoch milliseconds on the server's clock. */
	captureTimeMs: number;
	/** Empty: the sample before stays on screen. */
	samples: readonly FragmentSample[];
};

/** The bytes of one part. Sample data is copied. */
export function writeFragment(input: FragmentInput): Buffer {
	const { samples } = input;
	const hasOffsets = samples.some((sample) => sample.compositionOffsetTicks !== 0);
	const hasFlags = samples.some((sample) => !sample.isSync);
	const sampleFieldCount = 2 + (hasFlags ? 1 : 0) + (hasOffsets ? 1 : 0);
	const dataBytes = samples.reduce((sum, { bytes }) => sum + bytes.length, 0);
	const trunSize = TRUN_HEADER_SIZE + samples.length * sampleFieldCount * 4;
	const moofSize = 8 + MFHD_SIZE + 8 + TFHD_SIZE + TFDT_SIZE + trunSize;
	const writer = new FixedBoxWriter(STYP_SIZE + PRFT_SIZE + moofSize + 8 + dataBytes);
	writer.begin('styp');
	writer.fourCc('cmfc');
	writer.u32(0);
	writer.fourCc('iso6');
	writer.fourCc('cmfc');
	writer.end();
	writeProducerReference(writer, input);
	writer.begin('moof');
	writer.beginFull('mfhd', 0, 0);
	writer.u32(input.sequenceNumber);
	writer.end();
	writer.begin('traf');
	writer.beginFull('tfhd', 0, TFHD_DEFAULT_BASE_IS_MOOF | TFHD_DEFAULT_SAMPLE_FLAGS);
	writer.u32(CMAF_TRACK_ID);
	writer.u32(hasFlags ? NON_SYNC_SAMPLE_FLAGS : SYNC_SAMPLE_FLAGS);
	writer.end();
	// Version 1: 64 bits from the first fragment on, because 32 bits at 90 kHz are full after 13 hours.
	writer.beginFull('tfdt', 1, 0);
	writer.u64(input.baseMediaDecodeTimeTicks);
	writer.end();
	// Version 1: composition offsets are signed.
	writer.beginFull(
		'trun',
		1,
		TRUN_DATA_OFFSET |
			TRUN_SAMPLE_DURATION |
			TRUN_SAMPLE_SIZE |
			(hasFlags ? TRUN_SAMPLE_FLAGS : 0) |
			(hasOffsets ? TRUN_SAMPLE_COMPOSITION_OFFSET : 0),
	);
	writer.u32(samples.length);
	writer.i32(moofSize + 8);
	for (const sample of samples) {
		writer.u32(sample.durationTicks);
		writer.u32(sample.bytes.length);
		if (hasFlags) {
			writer.u32(sample.isSync ? SYNC_SAMPLE_FLAGS : NON_SYNC_SAMPLE_FLAGS);
		}
		if (hasOffsets) {
			writer.i32(sample.compositionOffsetTicks);
		}
	}
	writer.end();
	writer.end();
	writer.end();
	writer.begin('mdat');
	for (const sample of samples) {
		writer.raw(sample.bytes);
	}
	writer.end();
	return writer.bytes;
}

function writeProducerReference(writer: FixedBoxWriter, input: FragmentInput): void {
	const ntp = epochMsToNtp(input.captureTimeMs);
	writer.beginFull('prft', 1, PRFT_TIME_CAPTURED);
	writer.u32(CMAF_TRACK_ID);
	writer.u32(ntp.seconds);
	writer.u32(ntp.fraction);
	writer.u64(input.baseMediaDecodeTimeTicks);
	writer.end();
}
