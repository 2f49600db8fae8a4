/**
 * Audio and video messages, which are the bodies of FLV tags (Adobe FLV 10.1 §E.4.2, §E.4.3), in the legacy and the
 * Enhanced RTMP form. Separates a message's content, without parsing H.264 or AAC. Never throws.
 */
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { TrackProblemCode } from '../publisher/track-problems.ts';
import {
	ACCEPTED_FOUR_CC,
	parseEnhancedAudio,
	parseEnhancedVideo,
	type EnhancedPiece,
	type EnhancedProblem,
} from '../../core/wire/rtmp/enhanced-rtmp.ts';

/** Content of a message, for one track. All bytes are views of the message. */
export type FlvContent =
	/** H.264: an AVCDecoderConfigurationRecord. AAC: an AudioSpecificConfig. */
	| { kind: 'sequence-start'; bytes: Uint8Array }
	/** H.264: length-prefixed NAL units. AAC: one raw frame. */
	| { kind: 'coded-frames'; bytes: Uint8Array; compositionOffsetMs: number; nanosecondOffset?: number | undefined }
	| { kind: 'sequence-end' }
	/** No usable content. Without a code the streamer need not know it, such as the empty messages of a muted encoder. */
	| { kind: 'ignored'; code: TrackProblemCode | undefined; detail: string };

const CODEC_ID_AVC = 7;
const CODEC_ID_NAMES: Readonly<Record<number, string>> = {
	2: 'Sorenson H.263',
	3: 'Screen Video',
	4: 'VP6',
	5: 'VP6 with alpha',
	6: 'Screen Video 2',
	// Not in Adobe's table; encoders used it before Enhanced RTMP.
	12: 'HEVC (H.265)',
};
const VIDEO_INFO_FRAME_TYPE = 5;
const SOUND_FORMAT_ENHANCED = 9;
const SOUND_FORMAT_AAC = 10;
const SOUND_FORMAT_NAMES: Readonly<Record<number, string>> = {
	0: 'uncompressed PCM',
	1: 'ADPCM',
	2: 'MP3',
	3: 'uncompressed PCM',
	4: 'Nellymoser',
	5: 'Nellymoser',
	6: 'Nellymoser',
	7: 'G.711 A-law',
	8: 'G.711 mu-law',
	11: 'Speex',
	14: 'MP3 at 8 kHz',
};
const FOUR_CC_NAMES: Readonly<Record<string, string>> = {
	avc1: 'H.264',
	hvc1: 'HEVC (H.265)',
	hev1: 'HEVC (H.265)',
	vvc1: 'VVC (H.266)',
	av01: 'AV1',
	vp08: 'VP8',
	vp09: 'VP9',
	mp4a: 'AAC',
	'.mp3': 'MP3',
	Opus: 'Opus',
	fLaC: 'FLAC',
	'ac-3': 'Dolby Digital (AC-3)',
	'ec-3': 'Dolby Digital Plus (E-AC-3)',
};

/** Reads a video message. Only H.264 is accepted; only a multitrack message gives more than one tag. */
export function parseVideoMessage(payload: Uint8Array): FlvContent[] {
	const first = payload[0];
	if (first === undefined) {
		return [ignored(undefined, 'an empty video message')];
	}
	if ((first & 0x80) !== 0) {
		return tagsOfPieces('video', parseEnhancedVideo(payload));
	}
	if (first >> 4 === VIDEO_INFO_FRAME_TYPE) {
		return [ignored(undefined, 'a video command frame')];
	}
	const codecId = first & 0x0f;
	if (codecId !== CODEC_ID_AVC) {
		return [ignored('video-codec-unsupported', CODEC_ID_NAMES[codecId] ?? `codec number ${codecId}`)];
	}
	if (payload.length < 5) {
		return [ignored('video-damaged', 'a message ends inside its header')];
	}
	switch (payload[1]) {
		case 0:
			return [{ kind: 'sequence-start', bytes: payload.subarray(5) }];
		case 1:
			return [{ kind: 'coded-frames', bytes: payload.subarray(5), compositionOffsetMs: readInt24(payload, 2) }];
		case 2:
			return [{ kind: 'sequence-end' }];
		default:
			return [ignored('video-message-unknown', `AVC packet type ${payload[1]}`)];
	}
}

/** Reads an audio message. Only AAC is accepted. */
export function parseAudioMessage(payload: Uint8Array): FlvContent[] {
	const first = payload[0];
	if (first === undefined) {
		// Some encoders send empty ones while they are muted.
		return [ignored(undefined, 'an empty audio message')];
	}
	const soundFormat = first >> 4;
	if (soundFormat === SOUND_FORMAT_ENHANCED) {
		return tagsOfPieces('audio', parseEnhancedAudio(payload));
	}
	if (soundFormat !== SOUND_FORMAT_AAC) {
		return [ignored('audio-codec-unsupported', SOUND_FORMAT_NAMES[soundFormat] ?? `sound format ${soundFormat}`)];
	}
	switch (payload[1]) {
		case 0:
			return [{ kind: 'sequence-start', bytes: payload.subarray(2) }];
		case 1:
			return [{ kind: 'coded-frames', bytes: payload.subarray(2), compositionOffsetMs: 0 }];
		case undefined:
			return [ignored('audio-damaged', 'a message ends inside its header')];
		default:
			return [ignored('audio-message-unknown', `AAC packet type ${payload[1]}`)];
	}
}

function tagsOfPieces(kind: TrackKind, pieces: EnhancedPiece[] | EnhancedProblem): FlvContent[] {
	if ('problem' in pieces) {
		return [ignored(`${kind}-damaged`, pieces.problem)];
	}
	return pieces.map((piece) => {
		if (piece.trackId !== 0) {
			return ignored(`${kind}-further-track`, 'a further track');
		}
		// Enhanced RTMP v2 lets senders use new codecs: unknown ones are skipped, and the connection stays.
		return piece.fourCc === ACCEPTED_FOUR_CC[kind] || piece.packetType === 'command'
			? tagOfPiece(kind, piece)
			: ignored(`${kind}-codec-unsupported`, FOUR_CC_NAMES[piece.fourCc] ?? `codec "${piece.fourCc}"`);
	});
}

function tagOfPiece(kind: TrackKind, { packetType, body, nanosecondOffset }: EnhancedPiece): FlvContent {
	switch (packetType) {
		case 'sequence-start':
			return { kind: 'sequence-start', bytes: body };
		case 'coded-frames':
			// Of video codecs only avc1, hvc1 and vvc1 have a composition time here.
			if (kind === 'audio') {
				return { kind: 'coded-frames', bytes: body, compositionOffsetMs: 0, nanosecondOffset };
			}
			return body.length < 3
				? ignored('video-damaged', 'a message ends inside its composition time')
				: { kind: 'coded-frames', bytes: body.subarray(3), compositionOffsetMs: readInt24(body, 0), nanosecondOffset };
		case 'coded-frames-x':
			return { kind: 'coded-frames', bytes: body, compositionOffsetMs: 0, nanosecondOffset };
		case 'sequence-end':
			return { kind: 'sequence-end' };
		case 'command':
		case 'metadata':
		case 'multichannel-config':
			return ignored(undefined, `${kind} packet type ${packetType}`);
		default:
			return ignored(`${kind}-message-unknown`, `packet type ${packetType}`);
	}
}

function ignored(code: TrackProblemCode | undefined, detail: string): FlvContent {
	return { kind: 'ignored', code, detail };
}

/** Signed, big-endian: composition times are negative in some encoders' output with B-frames. */
function readInt24(bytes: Uint8Array, offset: number): number {
	return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8)) >> 8;
}
