/**
 * Enhanced RTMP v2: the extended headers of audio and video messages, and its properties at connect. Finds the codec
 * and the track of a piece; does not interpret the piece.
 */
import { amf0Object, type Amf0Object, type Amf0Value } from '../amf0.ts';
import { readUint24 } from '../flv.ts';

/** Enhanced RTMP v2, "VideoPacketType" and "AudioPacketType". */
type EnhancedPacketType =
	| 'sequence-start'
	| 'coded-frames'
	/** Video only: coded frames without the composition offset, which is 0. */
	| 'coded-frames-x'
	| 'sequence-end'
	| 'metadata'
	| 'mpeg2ts-sequence-start'
	| 'multichannel-config'
	/** Video: a frame type 5, with a seek command instead of a picture. */
	| 'command'
	| 'unknown';

/** One track's piece of a message. */
export type EnhancedPiece = {
	packetType: EnhancedPacketType;
	/** Four characters such as `avc1`, made printable; empty for a command. */
	fourCc: string;
	/** 0 unless multitrack. */
	trackId: number;
	/** Added to the message's time, 0–999 999; present when a ModEx has it. */
	nanosecondOffset?: number;
	/** A view of the message. */
	body: Uint8Array;
};

/** Why a message cannot be read. A value and not an error, because it is noise of the media path. */
export type EnhancedProblem = { problem: string };

const VIDEO_PACKET_TYPES: readonly EnhancedPacketType[] = [
	'sequence-start',
	'coded-frames',
	'sequence-end',
	'coded-frames-x',
	'metadata',
	'mpeg2ts-sequence-start',
];
const AUDIO_PACKET_TYPES: readonly EnhancedPacketType[] = [
	'sequence-start',
	'coded-frames',
	'sequence-end',
	'unknown',
	'multichannel-config',
];
const MULTITRACK = { video: 6, audio: 5 } as const;
const MOD_EX = 7;
const MOD_EX_TIMESTAMP_OFFSET_NANO = 0;
const MAX_NANOSECOND_OFFSET = 999_999;
/** Senders need one or two. */
const MAX_MOD_EX_COUNT = 8;
const MULTITRACK_TYPE = { ONE_TRACK: 0, MANY_TRACKS: 1, MANY_TRACKS_MANY_CODECS: 2 } as const;
const COMMAND_FRAME_TYPE = 5;

/** Splits a video message whose first byte has its highest bit set ("isExHeader"). Never throws. */
export function parseEnhancedVideo(payload: Uint8Array): EnhancedPiece[] | EnhancedProblem {
	return parseEnhanced(payload, 'video');
}

/** Splits an audio message whose sound format is 9 ("ExHeader"). Never throws. */
export function parseEnhancedAudio(payload: Uint8Array): EnhancedPiece[] | EnhancedProblem {
	return parseEnhanced(payload, 'audio');
}

type Header = { packetType: number; offset: number; nanosecondOffset: number | undefined };

function parseEnhanced(payload: Uint8Array, kind: 'video' | 'audio'): EnhancedPiece[] | EnhancedProblem {
	if (payload.length === 0) {
		return { problem: 'an empty message' };
	}
	const header = readModifiers(payload);
	if ('problem' in header) {
		return header;
	}
	const names = kind === 'video' ? VIDEO_PACKET_TYPES : AUDIO_PACKET_TYPES;
	const shared = header.nanosecondOffset === undefined ? {} : { nanosecondOffset: header.nanosecondOffset };
	if (kind === 'video' && names[header.packetType] !== 'metadata' && ((payload[0]! >> 4) & 7) === COMMAND_FRAME_TYPE) {
		return [{ packetType: 'command', fourCc: '', trackId: 0, body: payload.subarray(header.offset), ...shared }];
	}
	if (header.packetType === MULTITRACK[kind]) {
		return readTracks(payload, header.offset, names, shared);
	}
	if (header.offset + 4 > payload.length) {
		return { problem: 'the message ends inside the FourCC' };
	}
	return [
		{
			packetType: names[header.packetType] ?? 'unknown',
			fourCc: readFourCc(payload, header.offset),
			trackId: 0,
			body: payload.subarray(header.offset + 4),
			...shared,
		},
	];
}

// "ModEx": size as UI8 + 1, or as UI16 + 1 when that is 256; the data; a byte with its type and the next packet type.
function readModifiers(payload: Uint8Array): Header | EnhancedProblem {
	let packetType = payload[0]! & 0x0f;
	let offset = 1;
	let nanosecondOffset: number | undefined;
	for (let count = 0; packetType === MOD_EX; count++) {
		if (count >= MAX_MOD_EX_COUNT || offset + 3 > payload.length) {
			return { problem: 'too many or cut packet modifiers' };
		}
		let size = payload[offset++]! + 1;
		if (size === 256) {
			size = payload[offset]! * 256 + payload[offset + 1]! + 1;
			offset += 2;
		}
		if (offset + size >= payload.length) {
			return { problem: 'a packet modifier runs past the end' };
		}
		const type = payload[offset + size]! >> 4;
		packetType = payload[offset + size]! & 0x0f;
		if (type === MOD_EX_TIMESTAMP_OFFSET_NANO && size >= 3) {
			nanosecondOffset = Math.min(MAX_NANOSECOND_OFFSET, readUint24(payload, offset));
		}
		offset += size + 1;
	}
	return { packetType, offset, nanosecondOffset };
}

function readTracks(
	payload: Uint8Array,
	start: number,
	names: readonly EnhancedPacketType[],
	shared: { nanosecondOffset?: number },
): EnhancedPiece[] | EnhancedProblem {
	if (start >= payload.length) {
		return { problem: 'the message ends before the multitrack type' };
	}
	const multitrackType = payload[start]! >> 4;
	const packetType = names[payload[start]! & 0x0f] ?? 'unknown';
	let offset = start + 1;
	const hasOwnCodecs = multitrackType === MULTITRACK_TYPE.MANY_TRACKS_MANY_CODECS;
	if (multitrackType > MULTITRACK_TYPE.MANY_TRACKS_MANY_CODECS) {
		return { problem: `multitrack type ${multitrackType}` };
	}
	let fourCc = '';
	if (!hasOwnCodecs) {
		fourCc = readFourCc(payload, offset);
		offset += 4;
	}
	const trackHeaderBytes = (hasOwnCodecs ? 4 : 0) + 1 + (multitrackType === MULTITRACK_TYPE.ONE_TRACK ? 0 : 3);
	const pieces: EnhancedPiece[] = [];
	do {
		if (offset + trackHeaderBytes > payload.length) {
			return { problem: 'the message ends inside a track header' };
		}
		if (hasOwnCodecs) {
			fourCc = readFourCc(payload, offset);
			offset += 4;
		}
		const trackId = payload[offset++]!;
		let end = payload.length;
		if (multitrackType !== MULTITRACK_TYPE.ONE_TRACK) {
			end = offset + 3 + readUint24(payload, offset);
			offset += 3;
		}
		if (end > payload.length) {
			return { problem: 'a track runs past the end' };
		}
		pieces.push({ packetType, fourCc, trackId, body: payload.subarray(offset, end), ...shared });
		offset = end;
	} while (offset < payload.length);
	return pieces;
}

/** The codecs that are accepted: H.264 and AAC. */
export const ACCEPTED_FOUR_CC = { video: 'avc1', audio: 'mp4a' } as const;
/** Enhanced RTMP v2, "VideoFourCc", and VVC, which is newer. */
const OTHER_VIDEO_CODECS: readonly string[] = ['hvc1', 'av01', 'vp09', 'vp08', 'vvc1'];
const CAN_DECODE_AND_FORWARD = 1 | 4;
const CAPABILITY_MOD_EX = 4;
const CAPABILITY_NANOSECOND_OFFSET = 8;

/** True when the command object of connect announces any part of Enhanced RTMP. */
export function readsEnhancedRtmp(connectObject: Amf0Object): boolean {
	return ['fourCcList', 'videoFourCcInfoMap', 'audioFourCcInfoMap', 'capsEx'].some((name) => connectObject.has(name));
}

/** True when the connect object announces video codecs without H.264. `*` is all; `fourCcList` has audio codecs too. */
export function announcesOtherCodecsOnly(connectObject: Amf0Object): boolean {
	const list = connectObject.get('fourCcList');
	const map = connectObject.get('videoFourCcInfoMap');
	const announced = new Set([
		...(Array.isArray(list) ? list.filter((fourCc) => typeof fourCc === 'string') : []),
		...(map instanceof Map ? map.keys() : []),
	]);
	const isAccepted = announced.has(ACCEPTED_FOUR_CC.video) || announced.has('*');
	return OTHER_VIDEO_CODECS.some((fourCc) => announced.has(fourCc)) && !isAccepted;
}

/** Our properties for the answer to connect: H.264 and AAC by FourCC, packet modifiers, nanosecond offsets. */
export function enhancedConnectProperties(): [name: string, value: Amf0Value][] {
	const { video, audio } = ACCEPTED_FOUR_CC;
	return [
		['fourCcList', [video, audio]],
		['videoFourCcInfoMap', amf0Object({ [video]: CAN_DECODE_AND_FORWARD })],
		['audioFourCcInfoMap', amf0Object({ [audio]: CAN_DECODE_AND_FORWARD })],
		['capsEx', CAPABILITY_MOD_EX | CAPABILITY_NANOSECOND_OFFSET],
	];
}

function readFourCc(bytes: Uint8Array, offset: number): string {
	let text = '';
	for (const byte of bytes.subarray(offset, offset + 4)) {
		text += byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
	}
	return text;
}
