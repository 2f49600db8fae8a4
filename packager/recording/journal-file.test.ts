/** The file of a journal: what was written is read again, whatever happened to its end. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JournalEntry, SegmentEntry } from './journal-entry.ts';
import { JournalFile, readJournalFile } from './journal-file.ts';

let folder: string;
let path: string;

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'spillway-journal-'));
	path = join(folder, 'one.journal');
});
afterEach(() => rm(folder, { recursive: true }));

const segment = (mediaSequence: number): SegmentEntry => ({
	kind: 'segment',
	trackId: 'video0',
	mediaSequence,
	run: 0,
	initName: 'init0.mp4',
	startSeconds: mediaSequence * 2,
	durationSeconds: 2.0000002,
	capturedAtMs: Date.UTC(2026, 0, 1) + mediaSequence * 2000,
	gap: null,
	sizeBytes: 1000 + mediaSequence,
	hash: 'ab'.repeat(32),
});
const init: JournalEntry = {
	kind: 'init',
	trackId: 'video0',
	name: 'init0.mp4',
	facts: { kind: 'video', codecs: ['avc1.4d400d'], widthPixels: 320, heightPixels: 180, rung: null, frameRate: 29.97 },
};

async function written(entries: readonly JournalEntry[]): Promise<Buffer> {
	const file = await JournalFile.open(path);
	for (const entry of entries) {
		await file.append([entry]);
	}
	await file.close();
	return readFile(path);
}

describe('JournalFile', () => {
	it('reads what it wrote, also after it was opened again', async () => {
		await written([init, segment(1)]);
		await written([segment(2)]);
		expect(await readJournalFile(path)).toEqual({ entries: [init, segment(1), segment(2)], brokenCount: 0 });
	});

	it('is empty after clear(), and takes entries afterwards', async () => {
		const file = await JournalFile.open(path);
		await file.append([segment(1), segment(2)]);
		await file.clear();
		await file.append([segment(3)]);
		await file.close();
		expect(await readJournalFile(path)).toEqual({ entries: [segment(3)], brokenCount: 0 });
	});

	it('drops a torn last line, at whatever byte it is cut', async () => {
		const bytes = await written([segment(1), segment(2), segment(3)]);
		const lineEnds = [...bytes].flatMap((byte, index) => (byte === 0x0a ? [index] : []));
		for (let length = 0; length <= bytes.length; length++) {
			await writeFile(path, bytes.subarray(0, length));
			const { entries, brokenCount } = await readJournalFile(path);
			// A line without its line feed is whole.
			const wholeCount = lineEnds.filter((end) => end <= length).length;
			expect(entries).toEqual([segment(1), segment(2), segment(3)].slice(0, wholeCount));
			expect(brokenCount).toBeLessThanOrEqual(1);
		}
	});

	it('returns no entry that was not written, whatever bytes change', async () => {
		const all = [init, segment(1), segment(2)];
		const bytes = await written(all);
		const changed = fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { minLength: 1, maxLength: 6 });
		await fc.assert(
			fc.asyncProperty(changed, async (changes) => {
				const damaged = Uint8Array.from(bytes);
				changes.forEach(([at, value]) => (damaged[at % damaged.length] = value));
				await writeFile(path, damaged);
				for (const entry of (await readJournalFile(path)).entries) {
					expect(all).toContainEqual(entry);
				}
			}),
			{ numRuns: 200 },
		);
	});
});
