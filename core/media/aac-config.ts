/** Reads an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) as far as we need it. Pure. */
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
/** A program config element says what the channels are. */
const OWN_CHANNELS = 0;
/** More than these no decoder of ours mixes down. */
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
/** Channel configurations up to here are the same in all editions of the standard, and known to every decoder. */
const MAX_USUAL_CHANNEL_CONFIGURATION = 7;

/** A configuration, or why we cannot take it. */
export type AacConfigResult =
	| { config: AudioTrackConfig }
	| {
			problem: 'unreadable' | 'profile' | 'channels';
			/** What it is, for people. */
			detail: string;
	  };

/**
 * Reads one. With SBR (HE-AAC) the sample rate is the core's, so that a frame has 1024 samples of it; the configuration
 * bytes keep the rest. SBR that is signalled behind the configuration, or not at all, changes nothing. Never throws.
 */
export function parseAacConfig(bytes: Uint8Array): AacConfigResult {
	const bits = new Bits(bytes);
	const { outerObjectType, objectType, sampleRate, channelConfiguration } = readHead(bits);
	if (bits.isExhausted || sampleRate === undefined) {
		return { problem: 'unreadable', detail: 'the AAC configuration is cut or has a reserved sample rate' };
	}
	if (objectType < OBJECT_TYPE.MAIN || objectType > OBJECT_TYPE.LTP) {
		return { problem: 'profile', detail: OBJECT_TYPE_NAMES[objectType] ?? `AAC of object type ${objectType}` };
	}
	const { isShortFrame, ownChannelCount } = readGaSpecificConfig(bits, channelConfiguration);
	if (bits.isExhausted) {
		return { problem: 'unreadable', detail: 'the AAC configuration is cut' };
	}
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
			// Parametric stereo makes two channels of one.
			channelCount: outerObjectType === OBJECT_TYPE.PARAMETRIC_STEREO && channelCount === 1 ? 2 : channelCount,
			audioSpecificConfig: bytes.slice(),
		},
	};
}

/**
 * Why browsers do not play sound of this configuration through Media Source Extensions, to be put behind "because";
 * undefined when they do.
 */
export function browserObstacle(audioSpecificConfig: Uint8Array): string | undefined {
	const { objectType, channelConfiguration } = readHead(new Bits(audioSpecificConfig));
	if (objectType !== OBJECT_TYPE.LC) {
		return `its profile is ${OBJECT_TYPE_NAMES[objectType] ?? 'unusual'}`;
	}
	return channelConfiguration === OWN_CHANNELS || channelConfiguration > MAX_USUAL_CHANNEL_CONFIGURATION
		? 'its channels are none of the usual layouts'
		: undefined;
}

type Head = {
	/** What the configuration begins with: SBR and parametric stereo wrap the type of the core. */
	outerObjectType: number;
	objectType: number;
	sampleRate: number | undefined;
	channelConfiguration: number;
};

function readHead(bits: Bits): Head {
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

/** §4.4.1: frame length flag, core coder, extension flag, then the channels when the head left them to it. */
function readGaSpecificConfig(
	bits: Bits,
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
function readChannelCount(bits: Bits): number {
	// element_instance_tag, object_type, sampling_frequency_index
	bits.read(10);
	// Front, side and back elements; then those for low frequencies, data and coupling.
	const speakerElementCount = bits.read(4) + bits.read(4) + bits.read(4);
	const lowFrequencyCount = bits.read(2);
	const dataElementCount = bits.read(3);
	const couplingElementCount = bits.read(4);
	// How to mix down to mono and to stereo, and the matrix for it: a flag each, and what follows it.
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

function readObjectType(bits: Bits): number {
	const objectType = bits.read(5);
	return objectType === OBJECT_TYPE.ESCAPE ? 32 + bits.read(6) : objectType;
}

function readSampleRate(bits: Bits): number | undefined {
	const index = bits.read(4);
	const sampleRate = index === 15 ? bits.read(24) : SAMPLE_RATES[index];
	return sampleRate === undefined || sampleRate < 7350 || sampleRate > 96_000 ? undefined : sampleRate;
}

class Bits {
	readonly #bytes: Uint8Array;
	#position = 0;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
	}

	/** True once more was read than there is. */
	get isExhausted(): boolean {
		return this.#position > this.#bytes.length * 8;
	}

	/** Zeros beyond the end. */
	read(count: number): number {
		let value = 0;
		for (let index = 0; index < count; index++, this.#position++) {
			value = value * 2 + (((this.#bytes[this.#position >> 3] ?? 0) >> (7 - (this.#position & 7))) & 1);
		}
		return value;
	}
}
