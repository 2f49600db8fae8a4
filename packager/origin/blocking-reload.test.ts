/** Waits: released by the event, by the deadline, by the client, by closing; nothing left behind. */
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

function setUp(): { clock: FakeClock; source: Source; reload: BlockingReload } {
	const clock = new FakeClock();
	const source = new Source();
	return { clock, source, reload: new BlockingReload(source, clock) };
}

describe('BlockingReload', () => {
	it('answers at once when there is nothing to wait for', async () => {
		const { clock, reload } = setUp();
		expect(await reload.wait(() => true, 1000)).toBe('ready');
		expect(clock.pendingCount).toBe(0);
	});

	it('releases those who are ready, and only those', async () => {
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

	it('leaves nothing behind when the client goes', async () => {
		const { clock, reload } = setUp();
		const client = new AbortController();
		const wait = reload.wait(() => false, 1000, [client.signal]);
		client.abort();
		expect(await wait).toBe('aborted');
		expect([reload.waiterCount, clock.pendingCount]).toEqual([0, 0]);
		expect(await reload.wait(() => false, 1000, [client.signal])).toBe('aborted');
	});

	it('ends all waits when it closes, and listens no longer', async () => {
		const { clock, source, reload } = setUp();
		const waits = [reload.wait(() => false, 1000), reload.wait(() => false, 1000)];
		reload.close();
		expect(await Promise.all(waits)).toEqual(['aborted', 'aborted']);
		expect([source.listeners.size, clock.pendingCount]).toEqual([0, 0]);
	});

	it('releases thousands in batches, so that others get a turn between', async () => {
		const { clock, source, reload } = setUp();
		let isReady = false;
		const results: string[] = [];
		for (let index = 0; index < 1000; index++) {
			void reload.wait(() => isReady, 60_000).then((result) => results.push(result));
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
});
