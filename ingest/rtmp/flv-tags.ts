/**
 * Audio and video messages, which are the bodies of FLV tags (Adobe FLV 10.1 §E.4.2, §E.4.3), in the legacy and the Enhanced
 * RTMP form. Says what a message holds; does not look into H.264 or AAC. Never throws.
 */
import { parseEnhancedAudio, parseEnhancedVideo, type EnhancedPiece, type EnhancedProblem } from './enhanced-rtmp.ts';

/** What is in a message, for one track. All bytes are views of the message. */
export type FlvTag =
	/** H.264: an AVCDecoderConfigurationRecord. AAC: an AudioSpecificConfig. */
	| { kind: 'sequence-start'; bytes: Uint8Array }
	/** H.264: length-prefixed NAL units. AAC: one raw frame. */
	| { kind: 'coded-frames'; bytes: Uint8Array; compositionOffsetMs: number; nanosecondOffset?: number }
	| { kind: 'sequence-end' }
	/** Nothing for us in it; `why` says so for counters and logs. */
	| { kind: 'ignored'; why: string };

const CODEC_ID_AVC = 7;
const CODEC_ID_NAMES: Readonly<Record<number, string>> = {
	2: 'Sorenson H.263',
	4: 'VP6',
	5: 'VP6 with alpha',
	12: 'HEVC as codec id 12',
};
const VIDEO_INFO_FRAME_TYPE = 5;
const SOUND_FORMAT_ENHANCED = 9;
const SOUND_FORMAT_AAC = 10;
const SOUND_FORMAT_NAMES: Readonly<Record<number, string>> = {
	2: 'MP3',
	7: 'G.711 A-law',
	8: 'G.711 mu-law',
	11: 'Speex',
	14: 'MP3 at 8 kHz',
};

/** Reads a video message. Only H.264 is taken; more than one tag comes of a multitrack message only. */
export function parseVideoMessage(payload: Uint8Array): FlvTag[] {
	const first = payload[0];
	if (first === undefined) {
		return [ignored('an empty video message')];
	}
	if ((first & 0x80) !== 0) {
		return tagsOfPieces(parseEnhancedVideo(payload), 'avc1', videoTagOfPiece);
	}
	if (first >> 4 === VIDEO_INFO_FRAME_TYPE) {
		return [ignored('a video command frame')];
	}
	const codecId = first & 0x0f;
	if (codecId !== CODEC_ID_AVC) {
		return [ignored(`video codec ${CODEC_ID_NAMES[codecId] ?? `id ${codecId}`}`)];
	}
	if (payload.length < 5) {
		return [ignored('a video message that ends inside its header')];
	}
	switch (payload[1]) {
		case 0:
			return [{ kind: 'sequence-start', bytes: payload.subarray(5) }];
		case 1:
			return [{ kind: 'coded-frames', bytes: payload.subarray(5), compositionOffsetMs: readInt24(payload, 2) }];
		case 2:
			return [{ kind: 'sequence-end' }];
		default:
			return [ignored(`AVC packet type ${payload[1]}`)];
	}
}

/** Reads an audio message. Only AAC is taken. */
export function parseAudioMessage(payload: Uint8Array): FlvTag[] {
	const first = payload[0];
	if (first === undefined) {
		// Some encoders send empty ones while they are muted.
		return [ignored('an empty audio message')];
	}
	const soundFormat = first >> 4;
	if (soundFormat === SOUND_FORMAT_ENHANCED) {
		return tagsOfPieces(parseEnhancedAudio(payload), 'mp4a', audioTagOfPiece);
	}
	if (soundFormat !== SOUND_FORMAT_AAC) {
		return [ignored(`audio codec ${SOUND_FORMAT_NAMES[soundFormat] ?? `id ${soundFormat}`}`)];
	}
	switch (payload[1]) {
		case 0:
			return [{ kind: 'sequence-start', bytes: payload.subarray(2) }];
		case 1:
			return [{ kind: 'coded-frames', bytes: payload.subarray(2), compositionOffsetMs: 0 }];
		default:
			return [ignored('an audio message that ends inside its header or has an unknown AAC packet type')];
	}
}

function tagsOfPieces(
	pieces: EnhancedPiece[] | EnhancedProblem,
	wantedFourCc: string,
	tagOfPiece: (piece: EnhancedPiece) => FlvTag,
): FlvTag[] {
	if ('problem' in pieces) {
		return [ignored(pieces.problem)];
	}
	return pieces.map((piece) => {
		if (piece.trackId !== 0) {
			return ignored('a further track');
		}
		// Enhanced RTMP v2 wants senders to be free to use new codecs: skip what is unknown and keep the connection.
		return piece.fourCc === wantedFourCc || piece.packetType === 'command'
			? tagOfPiece(piece)
			: ignored(`codec ${piece.fourCc}`);
	});
}

function videoTagOfPiece(piece: EnhancedPiece): FlvTag {
	const nanosecondOffset = piece.nanosecondOffset === undefined ? {} : { nanosecondOffset: piece.nanosecondOffset };
	switch (piece.packetType) {
		case 'sequence-start':
			return { kind: 'sequence-start', bytes: piece.body };
		case 'coded-frames':
			return piece.body.length < 3
				? ignored('a video message that ends inside its composition time')
				: {
						kind: 'coded-frames',
						bytes: piece.body.subarray(3),
						compositionOffsetMs: readInt24(piece.body, 0),
						...nanosecondOffset,
					};
		case 'coded-frames-x':
			return { kind: 'coded-frames', bytes: piece.body, compositionOffsetMs: 0, ...nanosecondOffset };
		case 'sequence-end':
			return { kind: 'sequence-end' };
		default:
			return ignored(`video packet type ${piece.packetType}`);
	}
}

function audioTagOfPiece(piece: EnhancedPiece): FlvTag {
	switch (piece.packetType) {
		case 'sequence-start':
			return { kind: 'sequence-start', bytes: piece.body };
		case 'coded-frames':
			return {
				kind: 'coded-frames',
				bytes: piece.body,
				compositionOffsetMs: 0,
				...(piece.nanosecondOffset === undefined ? {} : { nanosecondOffset: piece.nanosecondOffset }),
			};
		case 'sequence-end':
			return { kind: 'sequence-end' };
		default:
			return ignored(`audio packet type ${piece.packetType}`);
	}
}

function ignored(why: string): FlvTag {
	return { kind: 'ignored', why };
}

/** Signed, big-endian: composition times are negative in some encoders' output with B-frames. */
function readInt24(bytes: Uint8Array, offset: number): number {
	return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8)) >> 8;
}
