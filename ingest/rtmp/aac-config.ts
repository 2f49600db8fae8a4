/** Reads an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) as far as we need it. Pure. */
import type { AudioTrackConfig } from '../../core/media/codecs.ts';

const SAMPLE_RATES = [
	96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
] as const;
/** Channel configuration → channels (§1.6.3.4); 0 stands for a program config element, which no live encoder was seen to send. */
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
const OBJECT_TYPE = { MAIN: 1, LC: 2, SSR: 3, LTP: 4, SBR: 5, ESCAPE: 31, PARAMETRIC_STEREO: 29 } as const;

/** A configuration, or why we cannot take it. */
export type AacConfigResult = { config: AudioTrackConfig } | { problem: string };

/**
 * Reads one. With SBR (HE-AAC) the sample rate is the core's, so that a frame has 1024 samples of it; the configuration bytes
 * keep the rest. Never throws.
 */
export function parseAacConfig(bytes: Uint8Array): AacConfigResult {
	const bits = new Bits(bytes);
	const outerObjectType = readObjectType(bits);
	const sampleRate = readSampleRate(bits);
	const channelConfiguration = bits.read(4);
	let objectType = outerObjectType;
	if (outerObjectType === OBJECT_TYPE.SBR || outerObjectType === OBJECT_TYPE.PARAMETRIC_STEREO) {
		readSampleRate(bits);
		objectType = readObjectType(bits);
	}
	// GASpecificConfig §4.4.1: its first bit says 960 samples a frame.
	const isShortFrame = bits.read(1) === 1;
	if (bits.isExhausted || sampleRate === undefined) {
		return { problem: 'an AudioSpecificConfig that cannot be read' };
	}
	if (objectType < OBJECT_TYPE.MAIN || objectType > OBJECT_TYPE.LTP) {
		return { problem: `AAC object type ${objectType}` };
	}
	if (isShortFrame) {
		return { problem: 'AAC with 960 samples a frame' };
	}
	const channelCount = CHANNEL_COUNTS[channelConfiguration];
	if (channelCount === undefined) {
		return { problem: `AAC channel configuration ${channelConfiguration}` };
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
