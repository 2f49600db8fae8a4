/** A channel with a ladder, as our packager serves it, over a simulated line. For tests on a fake clock. */
import type { Clock } from '../../../../../core/lifecycle/clock.ts';
import { HttpStatusError, type HttpRequest, type Progress } from '../http-request.ts';
import type { SimulatedLine } from './simulated-line.ts';

export type SimulatedTrack = {
	name: string;
	bps: number;
	/** Undefined for sound. */
	heightPixels?: number;
	gopSeconds?: number;
	/** After the source. */
	delayMs?: number;
};

export const PART_SECONDS = 0.2;
export const PARTS_PER_SEGMENT = 10;
/** How many times the bits of the mean a part with a key frame has. */
const KEY_SHARE = 1.6;
const START_DATE_MS = Date.UTC(2026, 0, 1);
const FRAMES_PER_PART = 6;
export const SIMULATED_URL = 'https://origin.test/hls/ada/index.m3u8';
const LISTED_SEGMENTS = 20;

export const SIMULATED_TRACKS: readonly SimulatedTrack[] = [
	{ name: 'video0', bps: 6_000_000, heightPixels: 1080, gopSeconds: 2 },
	{ name: 'video1', bps: 4_000_000, heightPixels: 720, gopSeconds: 1, delayMs: 60 },
	{ name: 'video2', bps: 1_300_000, heightPixels: 480, gopSeconds: 1, delayMs: 60 },
	{ name: 'video3', bps: 700_000, heightPixels: 360, gopSeconds: 1, delayMs: 60 },
	{ name: 'video4', bps: 200_000, heightPixels: 160, gopSeconds: 1, delayMs: 60 },
	{ name: 'audio0', bps: 128_000 },
	{ name: 'audio1', bps: 48_000 },
];

/** Where a part is: its number since the start of the channel. */
export function partNumber(mediaSequence: number, partIndex: number): number {
	return (mediaSequence - 1) * PARTS_PER_SEGMENT + partIndex;
}

export class SimulatedOrigin {
	readonly #deps: { clock: Clock; line: SimulatedLine };
	tracks: SimulatedTrack[];
	/** Of the tracks in the multivariant playlist: that of the broadcast. */
	folder = '';
	/** Of the tracks in this list, nothing exists. */
	readonly missing = new Set<string>();
	/** Paths of the requests so far, and their whole addresses. */
	readonly requested: string[] = [];
	readonly urls: string[] = [];

	constructor(deps: { clock: Clock; line: SimulatedLine }, tracks: readonly SimulatedTrack[] = SIMULATED_TRACKS) {
		this.#deps = deps;
		this.tracks = [...tracks];
	}

	/** Requests over the line. */
	readonly request: HttpRequest = (url, { signal, onProgress, byteCount = Infinity }) => {
		this.urls.push(url);
		this.requested.push(new URL(url).pathname.replace('/hls/ada/', ''));
		const { clock, line } = this.#deps;
		const progress: Progress = {
			requestedAtMs: clock.monotonicMs(),
			firstByteAtMs: undefined,
			loadedBytes: 0,
			totalBytes: undefined,
		};
		onProgress?.(progress);
		return new Promise((resolve, reject) => {
			signal.addEventListener('abort', () => reject(signal.reason as Error));
			const answer = (): void => {
				if (signal.aborted) {
					return;
				}
				const body = this.#bodyOf(new URL(url));
				if (body === 'wait') {
					clock.setTimeout(answer, 5);
					return;
				}
				if (body === undefined) {
					reject(new HttpStatusError(404, url));
					return;
				}
				// Playlists are compressed.
				const isText = typeof body === 'string';
				const bytes = isText ? new TextEncoder().encode(body) : body.slice(0, byteCount);
				const carried = isText ? Math.ceil(bytes.length / 6) : bytes.length;
				line.carry(carried, signal, (come) => {
					progress.firstByteAtMs ??= clock.monotonicMs();
					progress.totalBytes = carried;
					progress.loadedBytes = come;
					onProgress?.(progress);
					if (come >= carried) {
						resolve({ url, bytes, headers: new Headers(), progress });
					}
				});
			};
			line.ask(answer);
		});
	};

	multivariant(): string {
		const videos = this.tracks.filter(
			({ name, heightPixels }) => heightPixels !== undefined && !this.missing.has(name),
		);
		const lines = videos.map(({ name, bps, heightPixels }, index) => {
			const group = bps < 1_000_000 ? 'low' : 'high';
			const bandwidth = Math.round((bps + (group === 'low' ? 48_000 : 128_000)) * 1.1);
			return (
				`#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth},SCORE=${videos.length - index + 1},CODECS="avc1.4d401f,mp4a.40.2",` +
				`RESOLUTION=${(heightPixels! * 16) / 9}x${heightPixels},FRAME-RATE=30.000,AUDIO="${group}"\n${this.folder}${name}/index.m3u8\n`
			);
		});
		const media = (group: string, name: string): string =>
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="${group}",NAME="Audio",DEFAULT=YES,CHANNELS="2",URI="${name}/index.m3u8"\n`;
		return (
			`#EXTM3U\n${media('high', 'audio0')}${media('low', 'audio1')}${lines.join('')}` +
			'#EXT-X-STREAM-INF:BANDWIDTH=55000,SCORE=1,CODECS="mp4a.40.2"\naudio1/index.m3u8\n'
		);
	}

	/** Parts of a track that exist now. */
	partCount(track: SimulatedTrack): number {
		const seconds = (this.#deps.clock.monotonicMs() - (track.delayMs ?? 0)) / 1000;
		return Math.max(0, Math.floor(seconds / PART_SECONDS + 1e-6));
	}

	#bodyOf(url: URL): string | Uint8Array<ArrayBuffer> | 'wait' | undefined {
		if (url.pathname.endsWith('/ada/index.m3u8')) {
			return this.multivariant();
		}
		const [, name, file] = /\/([^/]+)\/([^/]+)$/.exec(url.pathname)!;
		const track = this.tracks.find((candidate) => candidate.name === name);
		if (track === undefined || this.missing.has(name!)) {
			return undefined;
		}
		if (file === 'index.m3u8') {
			const msn = url.searchParams.get('_HLS_msn');
			const part = url.searchParams.get('_HLS_part');
			// A part past the end is the first of the next segment, which is what these numbers give.
			const wanted = msn === null ? 0 : partNumber(Number(msn), part === null ? PARTS_PER_SEGMENT - 1 : Number(part));
			return this.partCount(track) <= wanted ? 'wait' : this.#playlist(track, url.searchParams.has('_HLS_skip'));
		}
		if (file === 'init0.mp4') {
			return new TextEncoder().encode(`init of ${name}`.padEnd(700));
		}
		const match = /^(part|segment)(\d+)\.m4s$/.exec(file!);
		if (match?.[1] === 'segment') {
			const first = (Number(match[2]) - 1) * PARTS_PER_SEGMENT;
			return joined(Array.from({ length: PARTS_PER_SEGMENT }, (_, index) => partBytes(track, first + index)));
		}
		const number = Number(match?.[2]);
		return number < this.partCount(track) ? partBytes(track, number) : undefined;
	}

	#playlist(track: SimulatedTrack, isDelta: boolean): string {
		const count = this.partCount(track);
		const lastSegment = Math.floor((count - 1) / PARTS_PER_SEGMENT) + 1;
		const first = Math.max(1, lastSegment - LISTED_SEGMENTS + 1);
		const skipped = isDelta ? Math.max(0, lastSegment - 9 - first) : 0;
		let text = `#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:${first}\n`;
		text += skipped > 0 ? `#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}\n` : '';
		for (let segment = first + skipped; segment <= lastSegment; segment++) {
			const from = (segment - 1) * PARTS_PER_SEGMENT;
			const date = new Date(START_DATE_MS + from * PART_SECONDS * 1000).toISOString();
			text += segment === first && skipped === 0 ? '#EXT-X-MAP:URI="init0.mp4"\n' : '';
			text += `#EXT-X-PROGRAM-DATE-TIME:${date}\n`;
			for (let number = from; number < Math.min(count, from + PARTS_PER_SEGMENT); number++) {
				if (segment > lastSegment - 4) {
					const flag = isKeyPart(track, number) ? ',INDEPENDENT=YES' : '';
					text += `#EXT-X-PART:DURATION=${PART_SECONDS.toFixed(8)},URI="part${number}.m4s"${flag}\n`;
				}
			}
			// Complete once the next segment begins.
			text += segment < lastSegment ? `#EXTINF:2.0,\nsegment${segment}.m4s\n` : '';
		}
		for (const other of this.tracks) {
			if (other !== track && !this.missing.has(other.name)) {
				text += `#EXT-X-RENDITION-REPORT:URI="../${other.name}/index.m3u8",LAST-MSN=${lastSegment},LAST-PART=0\n`;
			}
		}
		return text;
	}
}

function isKeyPart({ heightPixels, gopSeconds }: SimulatedTrack, number: number): boolean {
	return heightPixels === undefined || number % Math.round((gopSeconds ?? 2) / PART_SECONDS) === 0;
}

/** The number of the track and of the part are in the last bytes, so that a test can read what it got. */
function partBytes(track: SimulatedTrack, number: number): Uint8Array<ArrayBuffer> {
	const gopParts = Math.round((track.gopSeconds ?? PART_SECONDS) / PART_SECONDS);
	const mean = (track.bps * PART_SECONDS) / 8;
	const isKey = isKeyPart(track, number);
	const share = gopParts < 2 ? 1 : isKey ? KEY_SHARE : (gopParts - KEY_SHARE) / (gopParts - 1);
	return fragmentBytes(number * PART_SECONDS * 90_000, Math.round(mean * share), isKey);
}

/** A fragment of that size like the packager's, with pictures 1/30 s apart. */
export function fragmentBytes(
	decodeTimeTicks: number,
	sizeBytes: number,
	isKey: boolean,
	options: { frames?: number; compositionOffsetTicks?: number } = {},
): Uint8Array<ArrayBuffer> {
	const frames = options.frames ?? FRAMES_PER_PART;
	const stride = options.compositionOffsetTicks === undefined ? 12 : 16;
	const trun = 20 + frames * stride;
	const moof = 8 + 16 + 8 + 20 + 20 + trun;
	const bytes = new Uint8Array(Math.max(sizeBytes, moof + 8));
	const view = new DataView(bytes.buffer);
	let at = 0;
	const put = (...values: number[]): void => {
		for (const value of values) {
			view.setUint32(at, value);
			at += 4;
		}
	};
	const name = (type: string): number => [...type].reduce((code, letter) => code * 256 + letter.charCodeAt(0), 0);
	put(moof, name('moof'), 16, name('mfhd'), 0, 1);
	put(moof - 24, name('traf'), 20, name('tfhd'), 0x2_0020, 1, 0x101_0000);
	put(20, name('tfdt'), 0x100_0000, 0, decodeTimeTicks);
	put(trun, name('trun'), 0x100_0701 + (stride === 16 ? 0x800 : 0), frames, moof + 8);
	for (let index = 0; index < frames; index++) {
		put(3000, 1, isKey && index === 0 ? 0x200_0000 : 0x101_0000);
		if (stride === 16) {
			put(options.compositionOffsetTicks!);
		}
	}
	put(bytes.length - moof, name('mdat'));
	return bytes;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
	const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
	let at = 0;
	for (const piece of pieces) {
		bytes.set(piece, at);
		at += piece.length;
	}
	return bytes;
}
