/** Finds key frames in what our writers wrote, compared with an independent reader; any other bytes are harmless. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SIMULATED_VIDEO, simulateRun } from '../testing/simulated-source.ts';
import { readMp4 } from '../testing/mp4-reader.ts';
import { writeFragment, type FragmentSample } from '../cmaf/fragment-writer.ts';
import { recordedObjectName } from '../recording/journal-entry.ts';
import { locateKeyFrame } from './key-frame.ts';
import { recordRuns, TEST_VIDEO_ID } from './testing/recorded-video.ts';

function fragment(samples: readonly FragmentSample[]): Buffer {
	return writeFragment({ sequenceNumber: 1, baseMediaDecodeTimeTicks: 90_000, captureTimeMs: 0, samples });
}

function sample(byte: number, isSync: boolean, compositionOffsetTicks = 0): FragmentSample {
	return { bytes: new Uint8Array(byte + 5).fill(byte), durationTicks: 3000, compositionOffsetTicks, isSync };
}

describe('locateKeyFrame', () => {
	it.each([
		['the only sample', [sample(7, true)], 7],
		['the first of several', [sample(7, true), sample(8, false)], 7],
		['with B-frames', [sample(7, true, 3000), sample(8, false, -3000)], 7],
		['behind others', [sample(8, false), sample(9, false), sample(7, true)], 7],
		['the first of two', [sample(7, true), sample(9, true)], 7],
	])('finds the key frame: %s', (_what, samples, byte) => {
		const bytes = fragment(samples);
		const { startByte, endByte } = locateKeyFrame(bytes)!;
		expect([...new Set(bytes.subarray(startByte, endByte))]).toEqual([byte]);
		expect(endByte - startByte).toBe(byte + 5);
	});

	it('says where it is when only the begin of the fragment is there', () => {
		const bytes = fragment([sample(200, true), sample(8, false)]);
		const whole = locateKeyFrame(bytes)!;
		expect(locateKeyFrame(bytes.subarray(0, whole.startByte + 10))).toEqual(whole);
	});

	it.each([
		['without a key frame', [sample(8, false), sample(9, false)]],
		['without samples', []],
	])('finds none in a fragment %s', (_what, samples) => {
		expect(locateKeyFrame(fragment(samples))).toBeUndefined();
	});

	it('never throws, and never finds what is before the fragment, whatever the bytes', () => {
		const good = fragment([sample(20, true), sample(8, false)]);
		const damaged = fc.tuple(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length));
		fc.assert(
			fc.property(damaged, ([at, value, length]) => {
				const bytes = Uint8Array.from(good.subarray(0, length));
				bytes[Math.min(at, length)] = value;
				const found = locateKeyFrame(bytes);
				expect(found === undefined || (found.startByte >= 0 && found.endByte > found.startByte)).toBe(true);
			}),
			{ numRuns: 2000 },
		);
	});

	it('finds the first picture of every recorded segment', async () => {
		const units = simulateRun({
			startSeconds: 100,
			durationSeconds: 20,
			video: { frameRate: 30, gopFrames: 60, bFrames: 2 },
		});
		const { store, tracks } = await recordRuns([{ tracks: new Map([['video0', SIMULATED_VIDEO]]), units }]);
		const { segments } = tracks[0]!;
		expect(segments.length).toBeGreaterThan(8);
		for (const { mediaSequence, initName } of segments) {
			const [init, bytes] = [initName!, `segment${mediaSequence}.m4s`].map((file) =>
				store.objects.get(recordedObjectName(TEST_VIDEO_ID, 'video0', file))!,
			) as [Uint8Array, Uint8Array];
			const { startByte, endByte } = locateKeyFrame(bytes)!;
			const [first] = (await readMp4(init, bytes)).packets;
			expect(first!.isKey).toBe(true);
			expect(Buffer.compare(bytes.subarray(startByte, endByte), first!.bytes)).toBe(0);
		}
	});
});
