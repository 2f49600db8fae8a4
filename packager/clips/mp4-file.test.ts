/** An independent reader finds in the files what was put into them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../cmaf/box-writer.ts';
import { boxesIn, findBox, readMp4 } from '../testing/mp4-reader.ts';
import { SIMULATED_VIDEO, simulatedAudio } from '../testing/simulated-source.ts';
import { placePictures } from './clip-plan.ts';
import { layoutMp4, type Mp4Track } from './mp4-file.ts';

type Filled = Mp4Track & { bytes: readonly Uint8Array[] };

function video(times: readonly number[], endTicks: number): { track: Filled; totalTicks: number } {
	const placed = placePictures(times, endTicks);
	const bytes = times.map((_, index) => {
		const nal = new Uint8Array(5 + (index % 7)).fill(index & 0xff);
		nal.set([0, 0, 0, nal.length - 4, index === 0 ? 0x65 : 0x41]);
		return nal;
	});
	const samples = times.map((_, index) => ({
		sizeBytes: bytes[index]!.length,
		durationTicks: placed.durationsTicks[index]!,
		compositionOffsetTicks: placed.compositionOffsetsTicks[index]!,
		isSync: index % 10 === 0,
	}));
	const track = { config: SIMULATED_VIDEO, samples, startTicks: placed.delayTicks, bytes };
	return { track, totalTicks: placed.totalTicks };
}

function sound(count: number): Filled {
	const bytes = Array.from({ length: count }, (_, index) => new Uint8Array(20 + (index % 3)).fill(index & 0xff));
	const samples = bytes.map((frame) => ({
		sizeBytes: frame.length,
		durationTicks: 1024,
		compositionOffsetTicks: 0,
		isSync: true,
	}));
	return { config: simulatedAudio(48_000), samples, startTicks: 1100, bytes };
}

function write(tracks: readonly Filled[], durationTicks: number): Uint8Array {
	const { header, chunks, sizeBytes } = layoutMp4(tracks, durationTicks);
	const data = chunks.flatMap(({ trackIndex, firstSample, endSample }) =>
		tracks[trackIndex]!.bytes.slice(firstSample, endSample),
	);
	const file = concatBytes([header, ...data]);
	expect(file.length).toBe(sizeBytes);
	return file;
}

describe('layoutMp4', () => {
	it('is read back: bytes, times, key frames', async () => {
		const groups = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 });
		await fc.assert(
			fc.asyncProperty(
				groups,
				fc.integer({ min: 1000, max: 6000 }),
				fc.nat(200),
				async (sizes, frameTicks, frameCount) => {
					// Groups in which the last picture is decoded first.
					let next = 0;
					const times = sizes.flatMap((size) => {
						const group = Array.from({ length: size }, () => next++ * frameTicks);
						return [group.pop()!, ...group];
					});
					const { track, totalTicks } = video(times, next * frameTicks);
					const file = write([track, ...(frameCount > 0 ? [sound(frameCount)] : [])], totalTicks);
					const read = await readMp4(file);
					expect([read.kind, read.size, read.timescale]).toEqual(['video', '320x180', 90_000]);
					expect(read.packets.map(({ bytes }) => bytes)).toEqual(track.bytes);
					expect(read.packets.map(({ timestampTicks }) => timestampTicks)).toEqual(
						times.map((ticks) => ticks - Math.min(...times)),
					);
					expect(read.packets.map(({ isKey }) => isKey)).toEqual(track.samples.map(({ isSync }) => isSync));
					if (frameCount > 0) {
						const heard = await readMp4(write([sound(frameCount)], totalTicks));
						expect(heard.kind).toBe('audio');
						expect(heard.packets.map(({ timestampTicks }) => timestampTicks)).toEqual(
							Array.from({ length: frameCount }, (_, index) => index * 1024 - 1100),
						);
					}
				},
			),
			{ numRuns: 40 },
		);
	});

	it('has tracks side by side, half a second of each', () => {
		const { track, totalTicks } = video(
			Array.from({ length: 90 }, (_, index) => index * 3000),
			270_000,
		);
		const { chunks } = layoutMp4([track, sound(140)], totalTicks);
		const places = [0, 1].map((track) => chunks.flatMap((chunk, place) => (chunk.trackIndex === track ? [place] : [])));
		expect(places.map(({ length }) => length)).toEqual([6, 6]);
		places[0]!.forEach((place, index) => expect(Math.abs(place - places[1]![index]!)).toBe(1));
		expect(chunks.findLast(({ trackIndex }) => trackIndex === 0)).toMatchObject({ firstSample: 75, endSample: 90 });
	});

	it('has 64 bits for places in a large file', () => {
		const huge = { ...sound(3), samples: sound(3).samples.map((sample) => ({ ...sample, sizeBytes: 2 ** 31 })) };
		const { header, sizeBytes } = layoutMp4([huge], 90_000);
		expect(sizeBytes).toBe(header.length + 3 * 2 ** 31);
		const table = findBox(header.subarray(0, header.length - 16), 'moov/trak/mdia/minf/stbl')!;
		expect([...boxesIn(table).keys()]).toContain('co64');
		expect(Buffer.from(header.subarray(-16)).toString('hex')).toBe('000000016d6461740000000180000010');
	});
});
