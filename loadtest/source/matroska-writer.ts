/**
 * Writes raw pictures and raw sound as one Matroska stream for FFmpeg's standard input. One pipe with timestamps, because
 * FFmpeg 5.1 polls two raw pipes every 10 ms and numbers their pictures itself, which delays and hides a late picture.
 */

/** The tracks of the stream. Raw yuv420p, and 16-bit little-endian stereo. */
export type RawTracks = {
	video: { widthPixels: number; heightPixels: number; frameRate: number } | undefined;
	sound: { sampleRate: number } | undefined;
};

/** Nanoseconds a tick: 0.1 ms is far below a picture's interval, and 3 s still fit a block's 16 bits. */
const TICK_NS = 100_000;
const TICKS_PER_MS = 1_000_000 / TICK_NS;
/** Ticks after which a new cluster begins; relative block times are signed 16-bit numbers. */
const CLUSTER_TICKS = 10_000;
/** RFC 8794 §6.2: an element whose end is where its parent's next element begins. */
const UNKNOWN_SIZE = Uint8Array.of(0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
const VIDEO_TRACK = 1;
const SOUND_TRACK = 2;

/** Element ids of RFC 9559 that we write. */
const ID = {
	ebml: [0x1a, 0x45, 0xdf, 0xa3],
	docType: [0x42, 0x82],
	segment: [0x18, 0x53, 0x80, 0x67],
	segmentInfo: [0x15, 0x49, 0xa9, 0x66],
	timestampScale: [0x2a, 0xd7, 0xb1],
	tracks: [0x16, 0x54, 0xae, 0x6b],
	trackEntry: [0xae],
	trackNumber: [0xd7],
	trackUid: [0x73, 0xc5],
	trackType: [0x83],
	defaultDuration: [0x23, 0xe3, 0x83],
	codecId: [0x86],
	video: [0xe0],
	pixelWidth: [0xb0],
	pixelHeight: [0xba],
	colourSpace: [0x2e, 0xb5, 0x24],
	audio: [0xe1],
	samplingFrequency: [0xb5],
	channels: [0x9f],
	bitDepth: [0x62, 0x64],
	cluster: [0x1f, 0x43, 0xb6, 0x75],
	clusterTimestamp: [0xe7],
	simpleBlock: [0xa3],
} as const;

/** Stateful only in where the current cluster began. */
export class MatroskaWriter {
	readonly #tracks: RawTracks;
	#clusterTicks: number | undefined;

	constructor(tracks: RawTracks) {
		this.#tracks = tracks;
	}

	/** What comes first, once. */
	header(): Uint8Array {
		const { video, sound } = this.#tracks;
		const entries: Uint8Array[] = [];
		if (video !== undefined) {
			const picture = element(
				ID.video,
				unsigned(ID.pixelWidth, video.widthPixels),
				unsigned(ID.pixelHeight, video.heightPixels),
				element(ID.colourSpace, ascii('I420')),
			);
			const durationNs = unsigned(ID.defaultDuration, Math.round(1e9 / video.frameRate));
			entries.push(trackEntry(VIDEO_TRACK, 1, 'V_UNCOMPRESSED', durationNs, picture));
		}
		if (sound !== undefined) {
			const frequency = new Uint8Array(8);
			new DataView(frequency.buffer).setFloat64(0, sound.sampleRate);
			const format = element(
				ID.audio,
				element(ID.samplingFrequency, frequency),
				unsigned(ID.channels, 2),
				unsigned(ID.bitDepth, 16),
			);
			entries.push(trackEntry(SOUND_TRACK, 2, 'A_PCM/INT/LIT', format));
		}
		return join(
			element(ID.ebml, element(ID.docType, ascii('matroska'))),
			Uint8Array.from(ID.segment),
			UNKNOWN_SIZE,
			element(ID.segmentInfo, unsigned(ID.timestampScale, TICK_NS)),
			element(ID.tracks, ...entries),
		);
	}

	/** What comes before the bytes of one picture or piece of sound; `timeMs` counts from 0 at the start. */
	blockHeader(track: 'video' | 'sound', timeMs: number, byteCount: number): Uint8Array {
		const ticks = Math.round(timeMs * TICKS_PER_MS);
		let cluster: Uint8Array = new Uint8Array(0);
		if (this.#clusterTicks === undefined || Math.abs(ticks - this.#clusterTicks) >= CLUSTER_TICKS) {
			this.#clusterTicks = ticks;
			cluster = join(Uint8Array.from(ID.cluster), UNKNOWN_SIZE, unsigned(ID.clusterTimestamp, ticks));
		}
		const relative = ticks - this.#clusterTicks;
		const trackNumber = track === 'video' ? VIDEO_TRACK : SOUND_TRACK;
		return join(
			cluster,
			Uint8Array.from(ID.simpleBlock),
			size(byteCount + 4),
			// Track as a variable-size number, relative time, flags: key frame (RFC 9559 §10.2).
			Uint8Array.of(0x80 | trackNumber, (relative >> 8) & 0xff, relative & 0xff, 0x80),
		);
	}
}

function trackEntry(number: number, type: number, codecId: string, ...rest: Uint8Array[]): Uint8Array {
	return element(
		ID.trackEntry,
		unsigned(ID.trackNumber, number),
		unsigned(ID.trackUid, number),
		unsigned(ID.trackType, type),
		element(ID.codecId, ascii(codecId)),
		...rest,
	);
}

function element(id: readonly number[], ...contents: Uint8Array[]): Uint8Array {
	const content = join(...contents);
	return join(Uint8Array.from(id), size(content.length), content);
}

function unsigned(id: readonly number[], value: number): Uint8Array {
	const bytes = new Uint8Array(8);
	new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
	return element(id, bytes);
}

// Always in eight bytes (RFC 8794 §4): longer than needed is allowed.
function size(value: number): Uint8Array {
	const bytes = new Uint8Array(8);
	new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
	bytes[0] = 0x01;
	return bytes;
}

function ascii(text: string): Uint8Array {
	return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function join(...pieces: Uint8Array[]): Uint8Array {
	let length = 0;
	for (const piece of pieces) {
		length += piece.length;
	}
	const joined = new Uint8Array(length);
	let offset = 0;
	for (const piece of pieces) {
		joined.set(piece, offset);
		offset += piece.length;
	}
	return joined;
}
