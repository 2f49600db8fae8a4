/** Unit tests of drain.ts, on a fake clock. */
import { EventEmitter } from 'node:events';
import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { Drain, OpenRequests } from './drain.ts';

/** Requests that a test opens and closes. */
class FakeRequests extends OpenRequests {
	open = 0;

	override get count(): number {
		return this.open;
	}

	override async whenNone(timeoutMs: number, signal: AbortSignal): Promise<void> {
		this.waits.push({ timeoutMs, isAborted: signal.aborted });
		await Promise.resolve();
	}

	readonly waits: { timeoutMs: number; isAborted: boolean }[] = [];
}

function watchEnd(promise: Promise<void>): { isOver: boolean } {
	const seen = { isOver: false };
	void promise.then(() => (seen.isOver = true));
	return seen;
}

describe('Drain', () => {
	it('is not ready from its beginning, and takes its time', async () => {
		const clock = new FakeClock();
		const drain = new Drain(clock, new FakeRequests(clock));
		expect(drain.hasBegun).toBe(false);
		const begun = watchEnd(drain.begin(2000));
		expect(drain.hasBegun).toBe(true);
		await clock.advance(1999);
		expect(begun.isOver).toBe(false);
		await clock.advance(1);
		expect(begun.isOver).toBe(true);
	});

	it('hurries: no wait is left, and none begins', async () => {
		const clock = new FakeClock();
		const requests = new FakeRequests(clock);
		const drain = new Drain(clock, requests);
		const begun = watchEnd(drain.begin(2000));
		drain.hurry();
		await clock.advance(0);
		expect(begun.isOver).toBe(true);
		await drain.finishAnswers(true);
		expect(requests.waits).toEqual([{ timeoutMs: 1500, isAborted: true }]);
		expect(clock.pendingCount).toBe(0);
	});

	it('gives players time for the end of the stream only when there was one and it was drained', async () => {
		const clock = new FakeClock();
		const drain = new Drain(clock, new FakeRequests(clock));
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
	it('counts requests until they are answered, and not sockets', async () => {
		const clock = new FakeClock();
		const requests = new OpenRequests(clock);
		const app = fastify();
		requests.watch(app);
		const release = new EventEmitter();
		const seen: number[] = [];
		app.get('/held', async () => {
			seen.push(requests.count);
			await new Promise((resolve) => release.once('now', resolve));
			return 'x';
		});
		app.get('/socket', async () => String(requests.count));
		const held = app.inject('/held');
		await expect.poll(() => seen).toEqual([1]);
		expect((await app.inject({ url: '/socket', headers: { upgrade: 'websocket' } })).body).toBe('1');
		const none = watchEnd(requests.whenNone(10_000, new AbortController().signal));
		await clock.advance(1000);
		expect(none.isOver).toBe(false);
		release.emit('now');
		await held;
		await expect.poll(() => requests.count).toBe(0);
		await clock.advance(20);
		expect(none.isOver).toBe(true);
		await app.close();
	});

	it('waits no longer than it was told', async () => {
		const clock = new FakeClock();
		const requests = new OpenRequests(clock);
		const app = fastify();
		requests.watch(app);
		const release = new EventEmitter();
		app.get('/held', () => new Promise((resolve) => release.once('now', () => resolve('x'))));
		const held = app.inject('/held');
		await expect.poll(() => requests.count).toBe(1);
		const none = watchEnd(requests.whenNone(100, new AbortController().signal));
		await clock.advance(99);
		expect(none.isOver).toBe(false);
		await clock.advance(21);
		expect(none.isOver).toBe(true);
		release.emit('now');
		await held;
		await app.close();
	});
});
