/** Makes the bytes of an encoder for tests: handshake, commands, and audio and video in both forms. */
import { amf0Object, encodeAmf0, type Amf0Value } from '../../amf0.ts';
import { ChunkWriter } from '../chunk-writer.ts';
import { HANDSHAKE_PACKET_BYTES } from '../handshake.ts';
import { MESSAGE_TYPE } from '../rtmp-messages.ts';

/** x264, High profile, level 1.2, 320x180. */
export const SPS_320X180 = hex('6764000cacd941419f9f011000000300100000030320f1429960');
export const PPS_320X180 = hex('68ef8fcbfdf8f8');
/** x264, High profile, level 3.0, 640x360, from OBS. */
export const SPS_640X360 = hex('6764001eacd940a02ff97016a0202028000003000800000301e478b16cb0');
export const PPS_640X360 = hex('68efbcb0fdf8f8');
/** The start of a slice of an IDR picture, which is enough for a demuxer. */
export const IDR_NAL = hex('65888400aabbccdd');
export const SLICE_NAL = hex('419a2301020304');
/** AAC-LC, 48 kHz, stereo. */
export const AAC_48K_STEREO = hex('1190');
/** AAC-LC, 44.1 kHz, mono, with FFmpeg's backward compatible SBR extension (absent). */
export const AAC_44K_MONO = hex('120856e500');

/** Hexadecimal text → bytes; blanks are skipped. */
export function hex(text: string): Uint8Array {
	return new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
}

export function concat(...pieces: readonly Uint8Array[]): Uint8Array {
	return new Uint8Array(Buffer.concat(pieces));
}

/** NAL units after lengths of `lengthSize` bytes. */
export function lengthPrefixed(nals: readonly Uint8Array[], lengthSize: 1 | 2 | 4 = 4): Uint8Array {
	return concat(
		...nals.flatMap((nal) => {
			const length = new Uint8Array(4);
			new DataView(length.buffer).setUint32(0, nal.length);
			return [length.subarray(4 - lengthSize), nal];
		}),
	);
}

/** An AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1). */
export function avcRecord(
	sps: readonly Uint8Array[],
	pps: readonly Uint8Array[],
	lengthSize: 1 | 2 | 4 = 4,
): Uint8Array {
	const first = sps[0] ?? hex('6742001e');
	const sets = (nals: readonly Uint8Array[]): Uint8Array => lengthPrefixed(nals, 2);
	return concat(
		Uint8Array.of(1, first[1]!, first[2]!, first[3]!, 0xfc | (lengthSize - 1), 0xe0 | sps.length),
		sets(sps),
		Uint8Array.of(pps.length),
		sets(pps),
	);
}

/** Legacy FLV bodies (Adobe FLV 10.1 §E.4). */
export const legacy = {
	avcHeader: (record: Uint8Array) => concat(Uint8Array.of(0x17, 0, 0, 0, 0), record),
	picture: (nals: Uint8Array, options: { isKey?: boolean; compositionOffsetMs?: number } = {}) =>
		concat(Uint8Array.of(options.isKey ? 0x17 : 0x27, 1, ...int24(options.compositionOffsetMs ?? 0)), nals),
	avcEnd: () => Uint8Array.of(0x17, 2, 0, 0, 0),
	aacHeader: (config: Uint8Array) => concat(Uint8Array.of(0xaf, 0), config),
	aacFrame: (frame: Uint8Array) => concat(Uint8Array.of(0xaf, 1), frame),
};

/** Enhanced RTMP bodies; `packetType` as on the wire. */
export const enhanced = {
	video: (packetType: number, fourCc: string, body: Uint8Array, frameType = 1) =>
		concat(Uint8Array.of(0x80 | (frameType << 4) | packetType), ascii(fourCc), body),
	audio: (packetType: number, fourCc: string, body: Uint8Array) =>
		concat(Uint8Array.of(0x90 | packetType), ascii(fourCc), body),
};

/** Signed, three bytes, big-endian. */
export function int24(value: number): [number, number, number] {
	return [(value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}

/** One character a byte. */
export function ascii(text: string): Uint8Array {
	return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** C0 and C1. */
export function clientHello(version = 3): Uint8Array {
	const bytes = new Uint8Array(1 + HANDSHAKE_PACKET_BYTES);
	bytes[0] = version;
	for (let index = 9; index < bytes.length; index++) {
		bytes[index] = (index * 7) & 0xff;
	}
	return bytes;
}

/** The chunks of one encoder, in order. */
export class EncoderDouble {
	readonly #writer = new ChunkWriter();

	/** C0, C1 and, without waiting, C2. */
	handshake(): Uint8Array {
		return concat(clientHello(), new Uint8Array(HANDSHAKE_PACKET_BYTES));
	}

	message(typeId: number, payload: Uint8Array, timestampMs = 0, messageStreamId = 0): Uint8Array {
		return this.#writer.write({ typeId, timestampMs, messageStreamId, payload }, 4);
	}

	command(values: readonly Amf0Value[], messageStreamId = 0): Uint8Array {
		return this.message(MESSAGE_TYPE.COMMAND_AMF0, encodeAmf0(values), 0, messageStreamId);
	}

	connect(fields: Record<string, Amf0Value> = {}): Uint8Array {
		return this.command(['connect', 1, amf0Object({ app: 'live', tcUrl: 'rtmp://127.0.0.1/live', ...fields })]);
	}

	/** publish, after the commands that encoders send before it. */
	publish(streamName: string): Uint8Array {
		return concat(
			this.command(['releaseStream', 2, null, streamName]),
			this.command(['FCPublish', 3, null, streamName]),
			this.command(['createStream', 4, null]),
			this.command(['publish', 5, null, streamName, 'live'], 1),
		);
	}

	video(timestampMs: number, body: Uint8Array): Uint8Array {
		return this.message(MESSAGE_TYPE.VIDEO, body, timestampMs, 1);
	}

	audio(timestampMs: number, body: Uint8Array): Uint8Array {
		return this.message(MESSAGE_TYPE.AUDIO, body, timestampMs, 1);
	}

	/** Configuration of both tracks, legacy form. */
	headers(): Uint8Array {
		return concat(
			this.video(0, legacy.avcHeader(avcRecord([SPS_320X180], [PPS_320X180]))),
			this.audio(0, legacy.aacHeader(AAC_48K_STEREO)),
		);
	}
}
