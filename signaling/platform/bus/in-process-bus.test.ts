/** Tests of the in-process bus: the contract, and its own behaviour. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../core/logger.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { describeBusContract, Inbox } from './bus-contract.ts';
import { InProcessBus } from './in-process-bus.ts';
import { formatHistoryId, parseHistoryId } from './message-bus.ts';

const contractClock = new FakeClock();

describeBusContract({
	kind: 'in process',
	open: () => Promise.resolve(new InProcessBus({ clock: contractClock, logger: silentLogger })),
	pass: (ms) => contractClock.advance(ms),
});

describe('InProcessBus', () => {
	let clock: FakeClock;
	let logger: RecordingLogger;
	let bus: InProcessBus;

	beforeAll(() => {
		clock = new FakeClock();
		logger = new RecordingLogger();
		bus = new InProcessBus({ clock, logger });
	});

	afterAll(async () => {
		await bus.close();
		expect(clock.pendingCount).toBe(0);
	});

	it('logs a subscriber that throws', async () => {
		const inbox = new Inbox();
		await bus.subscribe('x', () => {
			throw new Error('broken');
		});
		await bus.subscribe('x', inbox.listener);
		await bus.publish('x', 1);
		await inbox.count(1);
		expect(logger.lines.map((line) => [line.level, line.message])).toEqual([['error', 'a bus subscriber failed']]);
	});

	it('delivers nothing after close()', async () => {
		const other = new InProcessBus({ clock, logger });
		const inbox = new Inbox();
		await other.subscribe('x', inbox.listener);
		await other.publish('x', 1);
		await other.close();
		await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
		expect(inbox.messages).toEqual([]);
	});

	it('gives rising history ids while the wall clock does not advance', async () => {
		const ids: string[] = [];
		for (let index = 0; index < 3; index++) {
			ids.push(await bus.appendToHistory('ids', index, 10, 1000));
		}
		expect(ids.map((id) => parseHistoryId(id).sequence)).toEqual([0, 1, 2]);
		expect(ids.map((id) => formatHistoryId(parseHistoryId(id)))).toEqual(ids);
	});

	it('accepts reconnect listeners and never calls them', () => {
		const end = bus.onReconnect(() => {
			throw new Error('never');
		});
		expect(end()).toBeUndefined();
	});
});
