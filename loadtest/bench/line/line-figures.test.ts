/** Tests of what is read from pictures and samples of a line. */
import { describe, expect, it } from 'vitest';
import type { ShownFrame } from '../../clients/chromium/bench-page.ts';
import { describeLine, PERFECT_LINE, tokenBucketOptions } from './line.ts';
import {
	busySecondsReasons,
	changesOf,
	findFreezes,
	freshPictures,
	lineRows,
	type LineSample,
	overlapMs,
	stallBoundMs,
	usualIntervalMs,
} from './line-figures.ts';

/** A picture shown at that time, 100 ms after its capture. */
function picture(shownAtMs: number, change: Partial<ShownFrame> = {}): ShownFrame {
	return {
		frameNumber: Math.round(shownAtMs),
		captureTimeMs: shownAtMs - 100,
		shownAtMs,
		presentedCount: 0,
		elementIndex: 0,
		widthPixels: 1280,
		heightPixels: 720,
		...change,
	};
}

/** Every 40 ms, from and to. */
function pictures(fromMs: number, toMs: number, change: Partial<ShownFrame> = {}): ShownFrame[] {
	return Array.from({ length: Math.floor((toMs - fromMs) / 40) + 1 }, (_, index) =>
		picture(fromMs + index * 40, change),
	);
}

function sample(atMs: number, bytes: number, change: Partial<LineSample> = {}): LineSample {
	const none = { downPackets: 0, lostPackets: 0, overtakenPackets: 0, resentBytes: 0, upPackets: 0, upBytes: 0 };
	return {
		atMs,
		line: PERFECT_LINE,
		counts: { ...none, atMs, downBytes: bytes * 2, receivedBytes: bytes, droppedPackets: bytes / 1000 },
		reason: 'fits',
		said: '',
		busyRatio: 0.5,
		...change,
	};
}

const context = { usualMs: 40, boundMs: 500 };

describe('freshPictures', () => {
	it('leaves out a picture that is shown again, and counts one that cannot be read', () => {
		const again = picture(60, { frameNumber: 40 });
		const unreadable = picture(70, { frameNumber: -1 });
		const fresh = freshPictures([picture(0), picture(40), again, picture(80)], [unreadable]);
		expect(fresh.map(({ shownAtMs }) => shownAtMs)).toEqual([0, 40, 70, 80]);
	});
});

describe('findFreezes', () => {
	const window = { fromMs: 0, toMs: 4000 };

	it('finds none while pictures come at their usual interval', () => {
		expect(findFreezes(pictures(0, 4000), window, context)).toEqual([]);
	});

	it('counts a gap above the bound beyond the usual interval', () => {
		const shown = [...pictures(0, 1000), ...pictures(2000, 4000)];
		expect(findFreezes(shown, window, context)).toEqual([{ fromMs: 1000, durationMs: 960, isOver: true, said: [] }]);
	});

	it('counts both ends of the window as pictures, and says when the picture still stands', () => {
		const shown = pictures(1000, 2000);
		expect(findFreezes(shown, window, context)).toEqual([
			{ fromMs: 0, durationMs: 960, isOver: true, said: [] },
			{ fromMs: 2000, durationMs: 1960, isOver: false, said: [] },
		]);
		expect(findFreezes([], window, context)).toMatchObject([{ durationMs: 3960, isOver: false }]);
	});

	it('names what the page said meanwhile', () => {
		const samples = [500, 1500, 2500, 3500].map((atMs) => sample(atMs, 0, { said: `at ${Math.floor(atMs / 2000)}` }));
		const [freeze] = findFreezes([...pictures(0, 1000), ...pictures(3000, 4000)], window, { ...context, samples });
		expect(freeze!.said).toEqual(['at 0', 'at 1']);
	});
});

describe('usualIntervalMs and stallBoundMs', () => {
	it('take the median, and the bound of the W3C', () => {
		expect(usualIntervalMs([...pictures(0, 1000), picture(3000)], { fromMs: 0, toMs: 4000 })).toBe(40);
		expect([stallBoundMs(33), stallBoundMs(100)]).toEqual([183, 300]);
	});
});

describe('lineRows', () => {
	it('has a row for each two samples', () => {
		const player = { tier: 'webrtc', state: 'playing', latencyMs: 90 };
		const samples = [sample(1000, 0), sample(2000, 100_000, { player }), sample(3000, 150_000, { reason: 'priority' })];
		const shown = [...pictures(1000, 2000), ...pictures(2500, 3000, { widthPixels: 640, heightPixels: 360 })];
		const freezes = [{ fromMs: 2000, durationMs: 460, isOver: true, said: [] }];
		const rows = lineRows(samples, shown, { freezes, quiet: [{ fromMs: 1900, durationMs: 200 }], startMs: 1000 });
		expect(rows).toMatchObject([
			{ atSeconds: 1, pictureCount: 25, size: '1280x720', frozenMs: 0, quietMs: 100, latencyMs: 100, tier: 'webrtc' },
			{ atSeconds: 2, pictureCount: 13, size: '640x360', frozenMs: 460, quietMs: 100, reason: 'priority' },
		]);
		expect(rows.map(({ sentBps, receivedBps, droppedPackets }) => [sentBps, receivedBps, droppedPackets])).toEqual([
			[1_600_000, 800_000, 100],
			[800_000, 400_000, 50],
		]);
	});

	it('has no latency and no silence where nothing was measured', () => {
		const [row] = lineRows([sample(0, 0), sample(1000, 0)], [], { freezes: [], quiet: undefined, startMs: 0 });
		expect(row).toMatchObject({ latencyMs: undefined, quietMs: undefined, size: undefined });
	});
});

describe('busySecondsReasons', () => {
	it('gives a reason when more than a tenth of the seconds had no idle time', () => {
		const rows = (busyCount: number) =>
			Array.from({ length: 20 }, (_, index) => ({ busyRatio: index < busyCount ? 0.99 : 0.5 }));
		expect(busySecondsReasons(rows(2))).toEqual([]);
		expect(busySecondsReasons(rows(3))).toEqual(['3 of 20 seconds busier than 0.97']);
		expect(busySecondsReasons([])).toEqual([]);
	});
});

describe('changesOf and overlapMs', () => {
	it('keep what differs from the entry before, and what lies in the window', () => {
		const entries = ['a', 'a', 'b', 'a'].map((value, index) => ({ atMs: index * 10, value }));
		expect(changesOf(entries, 0).map(({ atMs, value }) => `${value}${atMs}`)).toEqual(['a0', 'b20', 'a30']);
		const stretches = [
			{ fromMs: 0, durationMs: 10 },
			{ fromMs: 15, durationMs: 100 },
		];
		expect(overlapMs(stretches, { fromMs: 5, toMs: 20 })).toBe(10);
	});
});

describe('a line', () => {
	it('becomes the options of a token bucket', () => {
		const options = (downBps: number | undefined): string => tokenBucketOptions({ downBps, queueMs: 200 }).join(' ');
		expect(options(1_200_000)).toBe('rate 1200000bit burst 2000 latency 200ms');
		expect(options(50_000_000)).toBe('rate 50000000bit burst 6250 latency 200ms');
		expect(options(undefined)).toBe('rate 1000000000bit burst 125000 latency 200ms');
	});

	it('is described in words', () => {
		expect(describeLine(PERFECT_LINE)).toBe('unlimited, 0 ms of round trip, 0 % lost');
		const poor = { downBps: 1.2e6, queueMs: 200, lossRatio: 0.05, lossBurst: 3, roundTripMs: 40, reorderRatio: 0.01 };
		expect(describeLine(poor)).toBe(
			'1.2 Mbit/s with a queue of 200 ms, 40 ms of round trip, 5 % lost in bursts of 3, 1 % overtaken',
		);
	});
});
