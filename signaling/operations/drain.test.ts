/** Tests of the graceful stop on a fake clock. */
import { EventEmitter } from 'node:events';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { Drain, OpenRequests } from './drain.ts';

class FakeRequests extends OpenRequests {
	readonly waits: { timeoutMs: number; isAborted: boolean }[] = [];

	override async whenNone(timeoutMs: number, signal: AbortSignal): Promise<void> {
		this.waits.push({ timeoutMs, isAborted: signal.aborted });
	}
}

function watchEnd(promise: Promise<void>): { isOver: boolean } {
	const seen = { isOver: false };
	void promise.then(() => (seen.isOver = true));
	return seen;
}

let clock: FakeClock;

beforeEach(() => {
	clock = new FakeClock();
});

describe('Drain', () => {
	let requests: FakeRequests;
	let drain: Drain;

	beforeEach(() => {
		requests = new FakeRequests(clock);
		drain = new Drain(clock, requests);
	});

	it('is not ready from begin() on, and waits as long as configured', async () => {
		expect(drain.hasBegun).toBe(false);
		const begun = watchEnd(drain.begin(2000));
		expect(drain.hasBegun).toBe(true);
		await clock.advance(1999);
		expect(begun.isOver).toBe(false);
		await clock.advance(1);
		expect(begun.isOver).toBe(true);
	});

	it('ends every wait and starts none after hurry()', async () => {
		const begun = watchEnd(drain.begin(2000));
		drain.hurry();
		await clock.advance(0);
		expect(begun.isOver).toBe(true);
		await drain.finishAnswers(true);
		expect(requests.waits).toEqual([{ timeoutMs: 1500, isAborted: true }]);
		expect(clock.pendingCount).toBe(0);
	});

	it('waits for the last fetches only after begin() and with broadcasts', async () => {
		await drain.finishAnswers(true);
		await drain.begin(0);
		await drain.finishAnswers(false);
		const last = watchEnd(drain.finishAnswers(true));
		await clock.advance(399);
		expect(last.isOver).toBe(false);
		await clock.advance(1);
		expect(last.isOver).toBe(true);
	});
});

describe('OpenRequests', () => {
	let requests: OpenRequests;
	let app: FastifyInstance;
	let release: EventEmitter;

	beforeEach(() => {
		requests = new OpenRequests(clock);
		app = fastify();
		requests.watch(app);
		release = new EventEmitter();
		app.get('/held', () => new Promise((resolve) => release.once('now', () => resolve('x'))));
	});

	afterEach(() => app.close());

	it('counts requests until they are answered, and not sockets', async () => {
		app.get('/socket', async () => String(requests.count));
		const held = app.inject('/held');
		await expect.poll(() => requests.count).toBe(1);
		expect((await app.inject({ url: '/socket', headers: { upgrade: 'websocket' } })).body).toBe('1');
		const none = watchEnd(requests.whenNone(10_000, new AbortController().signal));
		await clock.advance(1000);
		expect(none.isOver).toBe(false);
		release.emit('now');
		await held;
		await expect.poll(() => requests.count).toBe(0);
		await clock.advance(20);
		expect(none.isOver).toBe(true);
	});

	it('waits no longer than the timeout', async () => {
		const held = app.inject('/held');
		await expect.poll(() => requests.count).toBe(1);
		const none = watchEnd(requests.whenNone(100, new AbortController().signal));
		await clock.advance(99);
		expect(none.isOver).toBe(false);
		await clock.advance(21);
		expect(none.isOver).toBe(true);
		release.emit('now');
		await held;
	});
});
