/** What hls.js is set to load. hls.js needs a browser, so it is faked. */
import type { Events } from 'hls.js';
import { describe, expect, it } from 'vitest';
import { HlsLoading, hlsConfigFor, type LoadingHls } from './hls-loading.ts';

type Listener = (event: string, data: object) => void;

function setUp(loadsWholeSegments: boolean) {
	const listeners: Listener[] = [];
	const calls: string[] = [];
	const segments: number[][] = [];
	const inFlight = { frag: { loader: null as { stats: { loaded: number } | null } | null }, state: 'IDLE' };
	const hls = {
		on: (_name: string, listener: Listener) => void listeners.push(listener),
		config: { ...hlsConfigFor(loadsWholeSegments) },
		inFlightFragments: { main: inFlight },
		media: { currentTime: 20 },
		liveSyncPosition: 57,
		lowLatencyMode: !loadsWholeSegments,
		targetLatency: null as number | null,
		startLoad: (from: number) => void calls.push(`start ${from}`),
		stopLoad: () => void calls.push('stop'),
	};
	const library = { Events: { FRAG_LOADED: 'hlsFragLoaded' } as unknown as typeof Events };
	const loading = new HlsLoading(
		{ hls: hls as unknown as LoadingHls, library, onSegment: (...segment) => segments.push(segment) },
		loadsWholeSegments,
	);
	const loaded = (data: object): void => listeners.forEach((listener) => listener('hlsFragLoaded', data));
	return { hls, loading, inFlight, calls, segments, loaded };
}

describe('HlsLoading', () => {
	it('starts behind the edge with whole segments, and at the edge with parts', () => {
		expect(hlsConfigFor(true)).toMatchObject({ lowLatencyMode: false, liveSyncDuration: 3, maxBufferLength: 12 });
		expect(hlsConfigFor(false)).toMatchObject({ lowLatencyMode: true, maxBufferLength: 8 });
	});

	it('restores the buffer length that hls.js has reduced', () => {
		const { hls, loading } = setUp(true);
		hls.config.maxMaxBufferLength = 1;
		loading.watch(0, 0);
		expect(hls.config.maxMaxBufferLength).toBe(12);
	});

	it('restarts loading when nothing loads although media is missing, but not when it is only slow', () => {
		const { loading, inFlight, calls } = setUp(true);
		const stats = { loaded: 0 };
		inFlight.frag.loader = { stats };
		for (let nowMs = 0; nowMs <= 10_000; nowMs += 100) {
			stats.loaded += 10;
			loading.watch(nowMs, 4);
		}
		expect([calls, loading.progressAtMs]).toEqual([[], 10_000]);
		// hls.js leaves an ended loader like this.
		inFlight.frag.loader = { stats: null };
		for (let nowMs = 10_100; nowMs <= 12_900; nowMs += 100) {
			loading.watch(nowMs, 4);
		}
		expect(calls).toEqual([]);
		loading.watch(13_100, 4);
		expect(calls).toEqual(['stop', 'start -1']);
		loading.watch(20_000, 0.1);
		expect(calls).toHaveLength(2);
	});

	it('switches once, from the playhead, or from the edge before the start', () => {
		const { hls, loading, calls } = setUp(false);
		expect(loading.setWholeSegments(0, false)).toBe(false);
		expect(loading.setWholeSegments(0, true)).toBe(true);
		expect([hls.lowLatencyMode, hls.config.maxBufferLength, calls]).toEqual([false, 12, ['stop', 'start -1']]);
		hls.media.currentTime = 0;
		expect(loading.setWholeSegments(0, false)).toBe(true);
		expect([hls.lowLatencyMode, hls.config.maxBufferLength, calls.at(-1)]).toEqual([true, 8, 'start 57']);
	});

	it('reports only whole segments of the picture, and counts all bytes', () => {
		const { loading, segments, loaded } = setUp(true);
		const stats = { loaded: 100, loading: { start: 1000, first: 1100, end: 4300 } };
		loaded({ frag: { type: 'main', sn: 7, duration: 2, stats }, part: null });
		loaded({ frag: { type: 'main', sn: 8, duration: 2, stats }, part: { stats } });
		loaded({ frag: { type: 'audio', sn: 7, duration: 2, stats }, part: null });
		loaded({ frag: { type: 'main', sn: 'initSegment', duration: 0, stats }, part: null });
		expect([segments, loading.completedBytes]).toEqual([[[2, 3300]], 400]);
	});
});
