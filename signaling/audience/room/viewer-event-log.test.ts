/** Tests of the event log's batches and bounds. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { ChannelId, ViewerId } from '../../../core/ids.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import type { Queryable } from '../../platform/database/database.ts';
import { MAX_WAITING_EVENTS, ViewerEventLog, type ViewerEvent } from './viewer-event-log.ts';

class FakeDatabase implements Queryable {
	readonly batches: { viewer_id: string }[][] = [];
	isLost = false;

	async query<Row extends object>(_sql: string, params: readonly unknown[] = []): Promise<Row[]> {
		if (this.isLost) {
			throw new SpillwayError('DATABASE_UNAVAILABLE');
		}
		this.batches.push(JSON.parse(String(params[0])) as { viewer_id: string }[]);
		return [];
	}

	async runScript(): Promise<object[]> {
		return [];
	}

	afterCommit(): void {}
}

function event(viewerId: string): ViewerEvent {
	return { viewerId: viewerId as ViewerId, channelId: 'c' as ChannelId, kind: 'join', payload: {} };
}

describe('ViewerEventLog', () => {
	let clock: FakeClock;
	let logger: RecordingLogger;
	let database: FakeDatabase;
	let log: ViewerEventLog;

	beforeEach(() => {
		[clock, logger, database] = [new FakeClock(), new RecordingLogger(), new FakeDatabase()];
		log = new ViewerEventLog({ database, clock, logger });
	});

	afterEach(() => log.close());

	it('writes in batches, once a second and on close', async () => {
		log.write(event('a'));
		log.write(event('b'));
		await clock.advance(1000);
		expect(database.batches.map((batch) => batch.map(({ viewer_id }) => viewer_id))).toEqual([['a', 'b']]);
		log.write(event('c'));
		await log.close();
		await log.close();
		expect([database.batches.length, clock.pendingCount]).toEqual([2, 0]);
	});

	it('keeps events in order while the database is away', async () => {
		database.isLost = true;
		log.write(event('a'));
		await clock.advance(60_000);
		log.write(event('b'));
		database.isLost = false;
		await clock.advance(31_000);
		expect(database.batches.flat().map(({ viewer_id }) => viewer_id)).toEqual(['a', 'b']);
		expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
	});

	it('drops and counts the oldest beyond its bound', async () => {
		database.isLost = true;
		for (let index = 0; index < MAX_WAITING_EVENTS + 7; index++) {
			log.write(event(String(index)));
		}
		await clock.advance(3000);
		expect(log.droppedCount).toBe(7);
		database.isLost = false;
		await clock.advance(60_000);
		const written = database.batches.flat();
		expect([written.length, written[0]!.viewer_id]).toEqual([MAX_WAITING_EVENTS, '7']);
		expect(logger.lines.some(({ message }) => message === 'viewer events were dropped')).toBe(true);
	});
});
