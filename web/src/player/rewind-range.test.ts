/** The playlist of what is kept, read now and then. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { HttpStatusError, type HttpRequest } from './ladder/http-request.ts';
import { rangeOf, RewindRangeWatch } from './rewind-range.ts';

const DATE_MS = Date.parse('2026-05-01T12:00:00Z');

function playlist(firstSequence: number, ...gaps: boolean[]): string {
	const segments = gaps.map(
		(isGap, index) =>
			`#EXT-X-PROGRAM-DATE-TIME:${new Date(DATE_MS + index * 2000).toISOString()}\n` +
			`${isGap ? '#EXT-X-GAP\n' : ''}#EXTINF:2.00000000,\nsegment${firstSequence + index}.m4s\n`,
	);
	return `#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:${firstSequence}\n${segments.join('')}`;
}

describe('rangeOf', () => {
	it('knows both ends, the gaps, and whether the start moves', () => {
		expect(rangeOf(playlist(1, false, true, true, false))).toEqual({
			startMs: DATE_MS,
			endMs: DATE_MS + 8000,
			gaps: [{ startMs: DATE_MS + 2000, endMs: DATE_MS + 6000 }],
			isSliding: false,
		});
		expect(rangeOf(playlist(7, false))!.isSliding).toBe(true);
		expect(rangeOf('#EXTM3U\n')).toBeUndefined();
	});
});

function setUp(firstSequence = 1) {
	const clock = new FakeClock();
	const requested: string[] = [];
	let isAway = false;
	const request = (async (url: string) => {
		requested.push(new URL(url).pathname);
		if (isAway) {
			throw new HttpStatusError(503, url);
		}
		const text = url.endsWith('/0/dvr.m3u8')
			? playlist(firstSequence, false, false)
			: '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\none/0/dvr.m3u8\n';
		return { url, bytes: new TextEncoder().encode(text) };
	}) as unknown as HttpRequest;
	let changeCount = 0;
	const page = { isVisible: true };
	const watch = new RewindRangeWatch(
		{ clock, request, isPageVisible: () => page.isVisible },
		{ dvrUrl: 'http://localhost/hls/a/dvr.m3u8', onChanged: () => changeCount++ },
	);
	const setAway = (next: boolean): void => void (isAway = next);
	return { clock, watch, requested, page, setAway, changes: () => changeCount };
}

describe('a watch of the range', () => {
	it('reads once a minute while a broadcast runs', async () => {
		const { clock, watch, requested, changes } = setUp();
		await clock.advance(10_000);
		expect(requested).toEqual([]);
		watch.broadcastReported('one');
		await clock.advance(3000);
		expect(requested).toEqual(['/hls/a/dvr.m3u8', '/hls/a/one/0/dvr.m3u8']);
		await clock.advance(120_000);
		expect([requested.length, changes()]).toEqual([6, 3]);
		watch.broadcastReported(undefined);
		expect(watch.range).toBeUndefined();
		await clock.advance(120_000);
		expect([requested.length, clock.pendingCount]).toEqual([6, 0]);
	});

	it.each([
		[1, 0],
		[9, 10_000],
	])('lets its end move with the clock, and its start where it slides (from segment %i)', async (first, movedMs) => {
		const { clock, watch } = setUp(first);
		watch.broadcastReported('one');
		await clock.advance(2500);
		const before = watch.range!;
		await clock.advance(10_000);
		expect(watch.range!.endMs - before.endMs).toBe(10_000);
		expect(watch.range!.startMs - before.startMs).toBe(movedMs);
	});

	it('tries again soon after a failure, and waits for the page to be visible', async () => {
		const { clock, watch, requested, page, setAway } = setUp();
		page.isVisible = false;
		watch.broadcastReported('one');
		await clock.advance(30_000);
		expect(requested).toEqual([]);
		page.isVisible = true;
		setAway(true);
		await clock.advance(10_000);
		expect([requested.length, watch.range]).toEqual([2, undefined]);
		setAway(false);
		await clock.advance(5000);
		expect(watch.range).toBeDefined();
	});
});
