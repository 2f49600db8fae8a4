/** Times by the browser's network process. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { ResourceTimings } from './resource-timing.ts';

const URL_OF_PART = 'https://a.test/part1.m4s';
const MEASURED = { startMs: 120, endMs: 260, bytes: 20_000 };
const ENTRY = { name: URL_OF_PART, startTime: 100, responseStart: 118, responseEnd: 150, transferSize: 20_300 };

class FakeObserver {
	static readonly supportedEntryTypes = ['resource'];
	observe(): void {}
	disconnect(): void {}
}

function setUp() {
	const clock = new FakeClock();
	return { clock, timings: new ResourceTimings(clock) };
}

describe('ResourceTimings', () => {
	beforeEach(() => vi.stubGlobal('PerformanceObserver', FakeObserver));
	afterEach(() => vi.unstubAllGlobals());

	it('has the times of an entry that comes before or after the request ends', async () => {
		const { timings } = setUp();
		const better = { startMs: 118, endMs: 150, bytes: 20_300 };
		const waiting = timings.transferOf(URL_OF_PART, 100, MEASURED);
		timings.add([ENTRY]);
		expect(await waiting).toEqual(better);
		expect(await timings.transferOf(URL_OF_PART, 100, MEASURED)).toEqual(better);
	});

	it('uses what the page has measured when no entry comes', async () => {
		const { clock, timings } = setUp();
		const waiting = timings.transferOf(URL_OF_PART, 100, MEASURED);
		await clock.advance(1000);
		expect(await waiting).toBe(MEASURED);
		expect(clock.pendingCount).toBe(0);
	});

	it.each([
		['of another origin, whose times are hidden', { ...ENTRY, responseStart: 0 }, MEASURED],
		['of a cached answer', { ...ENTRY, transferSize: 0 }, undefined],
	])('knows an entry %s', async (_name, entry, expected) => {
		const { timings } = setUp();
		timings.add([entry]);
		expect(await timings.transferOf(URL_OF_PART, 100, MEASURED)).toEqual(expected);
	});

	it('does not take an earlier request of the same address', async () => {
		const { clock, timings } = setUp();
		timings.add([{ ...ENTRY, startTime: 20 }]);
		const waiting = timings.transferOf(URL_OF_PART, 100, MEASURED);
		await clock.advance(1000);
		expect(await waiting).toBe(MEASURED);
	});

	it('ends waits when it is closed', async () => {
		const { timings } = setUp();
		const waiting = timings.transferOf(URL_OF_PART, 100, MEASURED);
		timings.close();
		expect(await waiting).toBe(MEASURED);
	});

	it('works in a browser without it', async () => {
		vi.stubGlobal('PerformanceObserver', undefined);
		expect(await setUp().timings.transferOf(URL_OF_PART, 100, MEASURED)).toBe(MEASURED);
	});
});
