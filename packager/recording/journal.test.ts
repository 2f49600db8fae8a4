/** The journal of a recording: nothing is lost while the database is away, and nothing is written by two owners. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { Journal, type JournalSink } from './journal.ts';
import type { JournalEntry, SegmentEntry } from './journal-entry.ts';
import { JournalFile, readJournalFile } from './journal-file.ts';

let folder: string;
let path: string;
let clock: FakeClock;
let file: JournalFile;

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'spillway-journal-'));
	path = join(folder, 'one.journal');
	clock = new FakeClock();
	file = await JournalFile.open(path);
});
afterEach(async () => {
	await file.close();
	await rm(folder, { recursive: true });
});

const segment = (mediaSequence: number): SegmentEntry => ({
	kind: 'segment',
	trackId: 'audio0',
	mediaSequence,
	run: 0,
	initName: 'init0.mp4',
	startSeconds: mediaSequence * 2,
	durationSeconds: 2,
	capturedAtMs: 0,
	gap: null,
	sizeBytes: 1,
	hash: '',
});

/** A database that can be away. */
class Sink implements JournalSink {
	readonly batches: JournalEntry[][] = [];
	answer: 'written' | 'refused' | 'away' = 'written';

	async append(entries: readonly JournalEntry[]): Promise<'written' | 'refused'> {
		if (this.answer === 'away') {
			throw new Error('the database is away');
		}
		if (this.answer === 'written') {
			this.batches.push([...entries]);
		}
		return this.answer;
	}
}

function open(sink: JournalSink): Journal {
	return new Journal({ file, sink, clock, logger: new RecordingLogger() });
}

describe('Journal', () => {
	it('writes once a second what came in it, and empties the file', async () => {
		const sink = new Sink();
		const journal = open(sink);
		await journal.add(segment(1));
		await journal.add(segment(2));
		expect((await readJournalFile(path)).entries).toHaveLength(2);
		await clock.advance(999);
		expect(sink.batches).toEqual([]);
		await clock.advance(1);
		await journal.flush();
		expect(sink.batches).toEqual([[segment(1), segment(2)]]);
		expect((await readJournalFile(path)).entries).toEqual([]);
		await journal.close();
	});

	it('keeps entries in the file while the database is away, and writes all of them in order when it is back', async () => {
		const sink = new Sink();
		sink.answer = 'away';
		const journal = open(sink);
		for (let index = 1; index <= 700; index++) {
			await journal.add(segment(index));
			await clock.advance(100);
		}
		expect(journal.waitingCount).toBe(700);
		expect((await readJournalFile(path)).entries).toHaveLength(700);
		sink.answer = 'written';
		await journal.flush();
		expect(sink.batches.flat()).toEqual(Array.from({ length: 700 }, (_, index) => segment(index + 1)));
		expect(Math.max(...sink.batches.map(({ length }) => length))).toBeLessThanOrEqual(500);
		expect((await readJournalFile(path)).entries).toEqual([]);
		await journal.close();
	});

	it('leaves what it could not write in the file when it is closed', async () => {
		const sink = new Sink();
		sink.answer = 'away';
		const journal = open(sink);
		await journal.add(segment(1));
		await journal.close();
		expect((await readJournalFile(path)).entries).toEqual([segment(1)]);
	});

	it('takes nothing more once another owner has the recording', async () => {
		const sink = new Sink();
		sink.answer = 'refused';
		const journal = open(sink);
		await journal.add(segment(1));
		await journal.flush();
		expect(journal.refusal).toContain('was deleted');
		expect(journal.waitingCount).toBe(0);
		await journal.close();
	});
});
