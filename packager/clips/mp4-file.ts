/** Writes the header of a progressive MP4 file: `moov` before `mdat`, tracks interleaved. Pure. */
import type { TrackConfig } from '../../core/media/codecs.ts';
import { ascii, box, concatBytes, fullBox, u32 } from '../cmaf/box-writer.ts';
import { cmafTimescale, movieHeader, trackBox } from '../cmaf/init-segment.ts';

export type Mp4Sample = {
	sizeBytes: number;
	durationTicks: number;
	/** Presentation minus decode time, not negative. */
	compositionOffsetTicks: number;
	/** A player may begin here. */
	isSync: boolean;
};

export type Mp4Track = {
	config: TrackConfig;
	/** In decode order; the first one is decoded at 0. */
	samples: readonly Mp4Sample[];
	/** Where presentation begins, in ticks of the track. */
	startTicks: number;
};

/** Samples of one track that lie side by side. */
export type Mp4Chunk = { trackIndex: number; firstSample: number; endSample: number };

type Mp4Layout = {
	/** Everything before the bytes of the samples. */
	header: Uint8Array;
	/** In the order of the file. */
	chunks: readonly Mp4Chunk[];
	/** Of the whole file. */
	sizeBytes: number;
};

/** Ticks per second of the movie; those of its picture, so that its duration is exact. */
export const MOVIE_TIMESCALE = 90_000;
/** A player that loads the file from the front needs no more of one track before it gets the other. */
const CHUNK_SECONDS = 0.5;
/** What 32 bits hold. */
const MAX_32_BITS = 2 ** 32 - 1;

/** `durationTicks`: of what is presented of each track, in ticks of {@link MOVIE_TIMESCALE}. */
export function layoutMp4(tracks: readonly Mp4Track[], durationTicks: number): Mp4Layout {
	const chunks = tracks
		.flatMap((track, trackIndex) => cutChunks(track, trackIndex))
		.toSorted((one, other) => one.startSeconds - other.startSeconds || one.trackIndex - other.trackIndex);
	const dataBytes = chunks.reduce((sum, chunk) => sum + chunkBytes(tracks, chunk), 0);
	const isLarge = dataBytes > MAX_32_BITS - 2 ** 24;
	const write = (headerBytes: number): Uint8Array => {
		let offset = headerBytes;
		const offsets = chunks.map((chunk) => {
			const own = offset;
			offset += chunkBytes(tracks, chunk);
			return own;
		});
		return writeHeader(tracks, { chunks, offsets, dataBytes, isLarge, durationTicks });
	};
	// Its size does not depend on the numbers in it.
	const header = write(write(0).length);
	return { header, chunks, sizeBytes: header.length + dataBytes };
}

type Placed = {
	chunks: readonly Mp4Chunk[];
	offsets: readonly number[];
	dataBytes: number;
	isLarge: boolean;
	durationTicks: number;
};

function writeHeader(tracks: readonly Mp4Track[], placed: Placed): Uint8Array {
	const { durationTicks, dataBytes, isLarge } = placed;
	const boxes = tracks.map((track, trackIndex) => {
		return trackBox(track.config, {
			trackId: trackIndex + 1,
			durationTicks,
			mediaDurationTicks: track.samples.reduce((sum, sample) => sum + sample.durationTicks, 0),
			edits: [{ durationTicks, mediaTimeTicks: track.startTicks }],
			tables: sampleTables(track, trackIndex, placed),
		});
	});
	const header = movieHeader({ timescale: MOVIE_TIMESCALE, durationTicks, nextTrackId: tracks.length + 1 });
	return concatBytes([
		box('ftyp', ascii('isom'), u32(0x200), ascii('isom'), ascii('iso2'), ascii('avc1'), ascii('mp41')),
		box('moov', header, ...boxes),
		isLarge
			? concatBytes([u32(1), ascii('mdat'), u64(16 + dataBytes)])
			: concatBytes([u32(8 + dataBytes), ascii('mdat')]),
	]);
}

// ISO/IEC 14496-12 §8.6.1.2 stts, §8.6.1.3 ctts, §8.6.2 stss, §8.7.4 stsc, §8.7.3 stsz, §8.7.5 stco and co64.
function sampleTables({ samples }: Mp4Track, trackIndex: number, { chunks, offsets, isLarge }: Placed): Uint8Array[] {
	const durations = countEqual(samples.map(({ durationTicks }) => durationTicks));
	const compositions = countEqual(samples.map(({ compositionOffsetTicks }) => compositionOffsetTicks));
	const syncs = samples.flatMap(({ isSync }, index) => (isSync ? [index + 1] : []));
	const own = chunks.flatMap((chunk, index) =>
		chunk.trackIndex === trackIndex ? [{ chunk, at: offsets[index]! }] : [],
	);
	let firstChunk = 1;
	const chunkSizes = countEqual(own.map(({ chunk }) => chunk.endSample - chunk.firstSample)).map(([count, size]) => {
		const entry = [firstChunk, size, 1];
		firstChunk += count;
		return entry;
	});
	const hasOffsets = compositions.some(([, ticks]) => ticks !== 0);
	return [
		fullBox('stts', 0, 0, u32(durations.length, ...durations.flat())),
		...(hasOffsets ? [fullBox('ctts', 0, 0, u32(compositions.length, ...compositions.flat()))] : []),
		...(syncs.length < samples.length ? [fullBox('stss', 0, 0, u32(syncs.length, ...syncs))] : []),
		fullBox('stsc', 0, 0, u32(chunkSizes.length, ...chunkSizes.flat())),
		fullBox('stsz', 0, 0, u32(0, samples.length, ...samples.map(({ sizeBytes }) => sizeBytes))),
		isLarge
			? fullBox('co64', 0, 0, u32(own.length), ...own.map(({ at }) => u64(at)))
			: fullBox('stco', 0, 0, u32(own.length, ...own.map(({ at }) => at))),
	];
}

function cutChunks(track: Mp4Track, trackIndex: number): (Mp4Chunk & { startSeconds: number })[] {
	const timescale = cmafTimescale(track.config);
	const chunks: (Mp4Chunk & { startSeconds: number })[] = [];
	let ticks = 0;
	track.samples.forEach(({ durationTicks }, index) => {
		const seconds = (ticks - track.startTicks) / timescale;
		const last = chunks.at(-1);
		if (last === undefined || seconds - last.startSeconds >= CHUNK_SECONDS) {
			chunks.push({ trackIndex, firstSample: index, endSample: index + 1, startSeconds: seconds });
		} else {
			last.endSample = index + 1;
		}
		ticks += durationTicks;
	});
	return chunks;
}

function chunkBytes(tracks: readonly Mp4Track[], { trackIndex, firstSample, endSample }: Mp4Chunk): number {
	const samples = tracks[trackIndex]!.samples;
	let sizeBytes = 0;
	for (let index = firstSample; index < endSample; index++) {
		sizeBytes += samples[index]!.sizeBytes;
	}
	return sizeBytes;
}

/** Runs of equal values: how many, and which. */
function countEqual(values: readonly number[]): [count: number, value: number][] {
	const runs: [number, number][] = [];
	for (const value of values) {
		const last = runs.at(-1);
		if (last !== undefined && last[1] === value) {
			last[0]++;
		} else {
			runs.push([1, value]);
		}
	}
	return runs;
}

function u64(value: number): Uint8Array {
	return u32(Math.floor(value / 2 ** 32), value % 2 ** 32);
}
