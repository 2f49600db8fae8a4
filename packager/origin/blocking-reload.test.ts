/** Waits end by the event, the deadline, the client or by closing, and leave nothing behind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { BlockingReload } from './blocking-reload.ts';

class Source {
	readonly listeners = new Set<() => void>();
	on(_name: 'advanced', listener: () => void): () => void {
		this.listeners.add(listener);
		return () => this.listeners.delete(listener);
	}
	advance(): void {
		this.listeners.forEach((listener) => listener());
	}
}

/** A signal that counts its listeners: one that many waits share may not carry a listener for each. */
class CountingSignal {
	readonly controller = new AbortController();
	readonly signal = this.controller.signal;
	addCount = 0;
	listenerCount = 0;

	constructor() {
		const { signal } = this;
		const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
		const live = new Set<unknown>();
		signal.addEventListener = (...args: Parameters<typeof add>) => {
			this.addCount++;
			live.add(args[1]);
			this.listenerCount = live.size;
			add(...args);
		};
		signal.removeEventListener = (...args: Parameters<typeof remove>) => {
			live.delete(args[1]);
			this.listenerCount = live.size;
			remove(...args);
		};
	}
}

function setUp(): { clock: FakeClock; source: Source; reload: BlockingReload } {
	const clock = new FakeClock();
	const source = new Source();
	return { clock, source, reload: new BlockingReload({ source, clock }) };
}

describe('BlockingReload', () => {
	it('answers at once when there is nothing to wait for', async () => {
		const { clock, reload } = setUp();
		expect(await reload.wait(() => true, 1000)).toBe('ready');
		expect(clock.pendingCount).toBe(0);
	});

	it('releases a crowd after all others, in any order of arrival and for any key', async () => {
		const { clock, source, reload } = setUp();
		let isReady = false;
		const released: string[] = [];
		const wait = (who: string, key: string, isOfCrowd: boolean): Promise<unknown> =>
			reload.wait(() => isReady, 60_000, [], key, isOfCrowd).then(() => released.push(who));
		const waits = Array.from({ length: 3000 }, (_, index) => wait('crowd', `segment ${index % 3}`, true));
		waits.push(wait('viewer', 'part', false), wait('viewer', 'segment 1', false));
		isReady = true;
		source.advance();
		await clock.advance(100);
		await Promise.all(waits);
		expect(released.slice(0, 2)).toEqual(['viewer', 'viewer']);
		expect([released.length, reload.waiterCount]).toEqual([3002, 0]);
	});

	it('gives clients that ask too often their turn after all others, in any order of arrival', async () => {
		const { clock, source, reload } = setUp();
		let isReady = false;
		const released: string[] = [];
		const turns = Array.from({ length: 500 }, () => reload.turn(60_000).then(() => released.push('crowd')));
		const viewer = reload.wait(() => isReady, 60_000, [], 'part').then(() => released.push('viewer'));
		expect(released).toEqual([]);
		isReady = true;
		source.advance();
		await clock.advance(500);
		await Promise.all([viewer, ...turns]);
		expect(released.indexOf('viewer')).toBeLessThan(40);
		expect([released.length, reload.waiterCount, clock.pendingCount]).toEqual([501, 0, 0]);
	});

	it('gives turns while nothing changes, ends them on close, and gives none to an aborted request', async () => {
		const { clock, reload } = setUp();
		const abort = new AbortController();
		const [first, second] = [reload.turn(1000), reload.turn(1000, [abort.signal])];
		abort.abort();
		await clock.advance(100);
		expect(await Promise.all([first, second])).toEqual(['ready', 'aborted']);
		expect(await reload.turn(1000, [abort.signal])).toBe('aborted');
		const last = reload.turn(1000);
		reload.close();
		expect(await last).toBe('aborted');
		expect([reload.waiterCount, clock.pendingCount]).toEqual([0, 0]);
	});

	it('answers a crowd whose time is over after all others, as timed out', async () => {
		const { clock, source, reload } = setUp();
		let isReady = false;
		const released: string[] = [];
		const crowd = Array.from({ length: 300 }, () =>
			reload.wait(() => false, 1000, [], 'far', true).then((result) => released.push(result)),
		);
		const viewer = reload.wait(() => isReady, 2000, [], 'part').then((result) => released.push(result));
		await clock.advance(999);
		isReady = true;
		source.advance();
		await clock.advance(500);
		await Promise.all([viewer, ...crowd]);
		expect([released[0], new Set(released.slice(1))]).toEqual(['ready', new Set(['timed-out'])]);
		expect([reload.waiterCount, clock.pendingCount]).toEqual([0, 0]);
	});

	it('releases only the waits that are ready', async () => {
		const { clock, source, reload } = setUp();
		let version = 0;
		const first = reload.wait(() => version >= 1, 1000);
		const second = reload.wait(() => version >= 2, 1000);
		version = 1;
		source.advance();
		expect(await first).toBe('ready');
		expect(reload.waiterCount).toBe(1);
		version = 2;
		source.advance();
		expect(await second).toBe('ready');
		expect(clock.pendingCount).toBe(0);
	});

	it('gives up at the deadline', async () => {
		const { clock, reload } = setUp();
		const wait = reload.wait(() => false, 1000);
		await clock.advance(999);
		expect(reload.waiterCount).toBe(1);
		await clock.advance(1);
		expect(await wait).toBe('timed-out');
		expect(reload.waiterCount).toBe(0);
	});

	it('leaves nothing behind when the client leaves', async () => {
		const { clock, reload } = setUp();
		const client = new AbortController();
		const wait = reload.wait(() => false, 1000, [client.signal]);
		client.abort();
		expect(await wait).toBe('aborted');
		expect([reload.waiterCount, clock.pendingCount]).toEqual([0, 0]);
		expect(await reload.wait(() => false, 1000, [client.signal])).toBe('aborted');
	});

	it('ends all waits when it closes, of a crowd or not, and stops listening', async () => {
		const { clock, source, reload } = setUp();
		const waits = [reload.wait(() => false, 1000, [], 'a', true), reload.wait(() => false, 1000, [], 'a', false)];
		reload.close();
		expect(await Promise.all(waits)).toEqual(['aborted', 'aborted']);
		expect([source.listeners.size, reload.waiterCount, clock.pendingCount]).toEqual([0, 0, 0]);
	});

	it('releases thousands in batches, so that others get a turn between', async () => {
		const { clock, source, reload } = setUp();
		const broadcast = new AbortController().signal;
		let isReady = false;
		const results: string[] = [];
		for (let index = 0; index < 1000; index++) {
			const signals = [new AbortController().signal, broadcast];
			void reload.wait(() => isReady, 60_000, signals, 'part').then((result) => results.push(result));
		}
		isReady = true;
		source.advance();
		expect(reload.waiterCount).toBe(1000 - 256);
		source.advance();
		await clock.advance(1);
		expect(reload.waiterCount).toBe(0);
		expect(new Set(results)).toEqual(new Set(['ready']));
		expect([results.length, clock.pendingCount]).toEqual([1000, 0]);
	});

	it('checks once for all waits of a key, and puts one listener on a signal that they share', async () => {
		const { source, reload } = setUp();
		const broadcast = new CountingSignal();
		const clients = Array.from({ length: 500 }, () => new CountingSignal());
		let askedCount = 0;
		let version = 0;
		const waits = clients.map((client, index) => {
			const wanted = 1 + (index % 2);
			const isReady = (): boolean => {
				askedCount++;
				return version >= wanted;
			};
			return reload.wait(isReady, 1000, [client.signal, broadcast.signal], wanted);
		});
		expect([broadcast.addCount, broadcast.listenerCount]).toEqual([1, 1]);
		expect(clients.every(({ addCount }) => addCount === 1)).toBe(true);
		expect(askedCount).toBe(500);
		// Clients that leave touch nothing that is shared.
		clients.slice(0, 100).forEach(({ controller }) => controller.abort());
		expect([reload.waiterCount, broadcast.listenerCount]).toEqual([400, 1]);
		source.advance();
		expect(askedCount).toBe(502);
		version = 1;
		source.advance();
		expect([reload.waiterCount, askedCount]).toEqual([200, 504]);
		broadcast.controller.abort();
		expect([reload.waiterCount, broadcast.listenerCount, broadcast.addCount]).toEqual([0, 0, 1]);
		const results = await Promise.all(waits);
		expect([
			results.filter((result) => result === 'ready').length,
			results.filter((r) => r === 'aborted').length,
		]).toEqual([200, 300]);
		expect(clients.every(({ listenerCount }) => listenerCount === 0)).toBe(true);
	});

	it('keeps its counts through any order of waits, changes, aborts and deadlines', async () => {
		const step = fc.oneof(
			fc.record({ kind: fc.constant('wait'), wanted: fc.integer({ min: 0, max: 6 }), client: fc.nat(9) }),
			fc.record({ kind: fc.constant('advance') }),
			fc.record({ kind: fc.constant('abort'), client: fc.nat(9) }),
			fc.record({ kind: fc.constant('time'), ms: fc.integer({ min: 1, max: 400 }) }),
		);
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
				const { clock, source, reload } = setUp();
				const broadcast = new CountingSignal();
				const clients = Array.from({ length: 10 }, () => new CountingSignal());
				const waits: Promise<string>[] = [];
				let version = 0;
				for (const next of steps) {
					if ('wanted' in next) {
						const signals = [clients[next.client]!.signal, broadcast.signal];
						waits.push(reload.wait(() => version >= next.wanted, 500, signals, next.wanted));
					} else if ('client' in next) {
						clients[next.client]!.controller.abort();
					} else if ('ms' in next) {
						await clock.advance(next.ms);
					} else {
						version++;
						source.advance();
					}
					expect(broadcast.listenerCount).toBe(reload.waiterCount === 0 ? 0 : 1);
				}
				reload.close();
				await Promise.all(waits);
				expect([reload.waiterCount, clock.pendingCount, source.listeners.size]).toEqual([0, 0, 0]);
				expect([broadcast, ...clients].every(({ listenerCount }) => listenerCount === 0)).toBe(true);
			}),
			{ numRuns: 60 },
		);
	});
});
