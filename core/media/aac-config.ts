/** Reads the parts of an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) that are used here. Pure. */
import { readBits, type BitReader } from './bit-reader.ts';
import type { AudioTrackConfig } from './codecs.ts';

const SAMPLE_RATES = [
	96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
] as const;
/** Channel configuration → channels (§1.6.3.4). */
const CHANNEL_COUNTS: Readonly<Record<number, number>> = {
	1: 1,
	2: 2,
	3: 3,
	4: 4,
	5: 5,
	6: 6,
	7: 8,
	11: 7,
	12: 8,
	14: 8,
};
/** A program config element lists the channels. */
const OWN_CHANNELS = 0;
/** The largest number that our decoders mix down. */
const MAX_CHANNEL_COUNT = 8;
const OBJECT_TYPE = { MAIN: 1, LC: 2, SSR: 3, LTP: 4, SBR: 5, ESCAPE: 31, PARAMETRIC_STEREO: 29 } as const;
const OBJECT_TYPE_NAMES: Readonly<Record<number, string>> = {
	1: 'AAC Main',
	3: 'AAC SSR',
	4: 'AAC LTP',
	17: 'AAC-LC in its error-resilient form',
	23: 'AAC-LD',
	39: 'AAC-ELD',
	42: 'xHE-AAC',
};
/** Channel configurations up to this one are equal in all editions of the standard, and every decoder has them. */
const MAX_USUAL_CHANNEL_CONFIGURATION = 7;

/** A configuration, or why it is rejected; `detail` completes a sentence for people. */
export type AacConfigResult =
	{ config: AudioTrackConfig } | { problem: 'unreadable' | 'profile' | 'channels'; detail: string };

/**
 * Reads one. With SBR (HE-AAC) the sample rate is the core's, so that a frame has 1024 samples of it; the configuration
 * bytes keep the rest. SBR that is signalled after the configuration, or not at all, changes nothing. Never throws.
 */
export function parseAacConfig(bytes: Uint8Array): AacConfigResult {
	const result = readBits(bytes, (bits) => readConfig(bits, bytes));
	return result ?? { problem: 'unreadable', detail: 'the AAC configuration is cut' };
}

function readConfig(bits: BitReader, bytes: Uint8Array): AacConfigResult {
	const { outerObjectType, objectType, sampleRate, channelConfiguration } = readHead(bits);
	if (sampleRate === undefined) {
		return { problem: 'unreadable', detail: 'the AAC configuration has a reserved sample rate' };
	}
	if (objectType < OBJECT_TYPE.MAIN || objectType > OBJECT_TYPE.LTP) {
		return { problem: 'profile', detail: OBJECT_TYPE_NAMES[objectType] ?? `AAC of object type ${objectType}` };
	}
	const { isShortFrame, ownChannelCount } = readGaSpecificConfig(bits, channelConfiguration);
	if (isShortFrame) {
		return { problem: 'profile', detail: 'AAC with 960 samples a frame' };
	}
	const channelCount = channelConfiguration === OWN_CHANNELS ? ownChannelCount : CHANNEL_COUNTS[channelConfiguration];
	if (channelCount === undefined || channelCount === 0 || channelCount > MAX_CHANNEL_COUNT) {
		const detail =
			channelConfiguration === OWN_CHANNELS
				? `${channelCount} channels of its own layout`
				: `channel configuration ${channelConfiguration}`;
		return { problem: 'channels', detail };
	}
	return {
		config: {
			kind: 'audio',
			codec: 'aac',
			sampleRate,
			// Parametric stereo turns one channel into two.
			channelCount: outerObjectType === OBJECT_TYPE.PARAMETRIC_STEREO && channelCount === 1 ? 2 : channelCount,
			audioSpecificConfig: bytes.slice(),
		},
	};
}

/**
 * Why browsers do not play sound of this configuration through Media Source Extensions, as the end of a sentence after
 * "because"; undefined when they do.
 */
export function browserObstacle(audioSpecificConfig: Uint8Array): string | undefined {
	const head = readBits(audioSpecificConfig, readHead);
	if (head?.objectType !== OBJECT_TYPE.LC) {
		return `its profile is ${OBJECT_TYPE_NAMES[head?.objectType ?? 0] ?? 'unusual'}`;
	}
	return head.channelConfiguration === OWN_CHANNELS || head.channelConfiguration > MAX_USUAL_CHANNEL_CONFIGURATION
		? 'its channels are none of the usual layouts'
		: undefined;
}

type Head = {
	/** The first type of the configuration: SBR and parametric stereo wrap the type of the core. */
	outerObjectType: number;
	objectType: number;
	sampleRate: number | undefined;
	channelConfiguration: number;
};

function readHead(bits: BitReader): Head {
	const outerObjectType = readObjectType(bits);
	const sampleRate = readSampleRate(bits);
	const channelConfiguration = bits.read(4);
	let objectType = outerObjectType;
	if (outerObjectType === OBJECT_TYPE.SBR || outerObjectType === OBJECT_TYPE.PARAMETRIC_STEREO) {
		readSampleRate(bits);
		objectType = readObjectType(bits);
	}
	return { outerObjectType, objectType, sampleRate, channelConfiguration };
}

/** §4.4.1: frame length flag, core coder, extension flag, then the channels unless the head has them. */
function readGaSpecificConfig(
	bits: BitReader,
	channelConfiguration: number,
): { isShortFrame: boolean; ownChannelCount: number } {
	const isShortFrame = bits.read(1) === 1;
	if (bits.read(1) === 1) {
		// coreCoderDelay
		bits.read(14);
	}
	bits.read(1);
	return { isShortFrame, ownChannelCount: channelConfiguration === OWN_CHANNELS ? readChannelCount(bits) : 0 };
}

/** Channels of a program config element (§4.4.1.1, table 4.2). */
function readChannelCount(bits: BitReader): number {
	// element_instance_tag, object_type, sampling_frequency_index
	bits.read(10);
	// Front, side and back elements; then those for low frequencies, data and coupling.
	const speakerElementCount = bits.read(4) + bits.read(4) + bits.read(4);
	const lowFrequencyCount = bits.read(2);
	const dataElementCount = bits.read(3);
	const couplingElementCount = bits.read(4);
	// Mono mix-down, stereo mix-down, matrix mix-down: a flag each, then its value.
	for (const size of [4, 4, 3]) {
		if (bits.read(1) === 1) {
			bits.read(size);
		}
	}
	let channelCount = lowFrequencyCount;
	for (let index = 0; index < speakerElementCount; index++) {
		// is_cpe, and the element's tag.
		channelCount += bits.read(1) + 1;
		bits.read(4);
	}
	bits.read(4 * (lowFrequencyCount + dataElementCount) + 5 * couplingElementCount);
	return channelCount;
}

function readObjectType(bits: BitReader): number {
	const objectType = bits.read(5);
	return objectType === OBJECT_TYPE.ESCAPE ? 32 + bits.read(6) : objectType;
}

function readSampleRate(bits: BitReader): number | undefined {
	const index = bits.read(4);
	const sampleRate = index === 15 ? bits.read(24) : SAMPLE_RATES[index];
	return sampleRate === undefined || sampleRate < 7350 || sampleRate > 96_000 ? undefined : sampleRate;
}
