/** How often a video's description is requested, and what is reported. */
import { describe, expect, it } from 'vitest';
import type { OwnVideo } from '../../../core/protocol/api/video.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { ApiError } from './request.ts';
import { VideoWatch } from './video-watch.ts';

const READY = { id: 'v', state: 'ready', playlistUrl: '/v/index.m3u8' } as OwnVideo;
const GROWING: OwnVideo = { ...READY, state: 'recording' };
const EMPTY: OwnVideo = { ...GROWING, playlistUrl: null };

function setUp(...answers: readonly (OwnVideo | Error)[]) {
	const clock = new FakeClock();
	const left = [...answers];
	const askedAtMs: number[] = [];
	const reports: string[] = [];
	const watch = new VideoWatch({
		clock,
		fetchVideo: async () => {
			askedAtMs.push(clock.monotonicMs());
			const answer = left.length > 1 ? left.shift()! : left[0]!;
			if (answer instanceof Error) {
				throw answer;
			}
			return answer;
		},
	});
	watch.on('described', (video) => reports.push(video.state));
	watch.on('absent', (absence) => reports.push(absence));
	return { clock, askedAtMs, reports, watch };
}

describe('VideoWatch', () => {
	it('asks once for a complete video', async () => {
		const { clock, askedAtMs, reports, watch } = setUp(READY);
		void watch.askNow();
		void watch.askNow();
		await clock.advance(60_000);
		expect(askedAtMs).toEqual([0]);
		expect(reports).toEqual(['ready']);
		expect(clock.pendingCount).toBe(0);
	});

	it('asks again while it is recorded, more often while there is nothing to play', async () => {
		const { clock, askedAtMs, reports, watch } = setUp(EMPTY, EMPTY, GROWING, GROWING, READY);
		void watch.askNow();
		await clock.advance(60_000);
		expect(askedAtMs).toEqual([0, 3000, 6000, 16_000, 26_000]);
		expect(reports).toEqual(['recording', 'recording', 'recording', 'recording', 'ready']);
	});

	it.each([
		[404, 'missing'],
		[400, 'missing'],
		[401, 'private'],
		[403, 'private'],
		[410, 'gone'],
	])('takes %i as an answer: %s', async (status, absence) => {
		const { clock, askedAtMs, reports, watch } = setUp(new ApiError('X', '', status));
		void watch.askNow();
		await clock.advance(60_000);
		expect(reports).toEqual([absence]);
		expect(askedAtMs).toEqual([0]);
	});

	it('reports a video that was there before as gone', async () => {
		const { clock, reports, watch } = setUp(READY, new ApiError('VIDEO_NOT_FOUND', '', 404));
		await watch.askNow();
		await watch.askNow();
		await clock.advance(60_000);
		expect(reports).toEqual(['ready', 'gone']);
	});

	it('tries again while the server does not answer', async () => {
		const { clock, reports, watch } = setUp(new ApiError('UNREACHABLE', '', 0), new ApiError('X', '', 503), READY);
		void watch.askNow();
		await clock.advance(60_000);
		expect(reports).toEqual(['unreachable', 'unreachable', 'ready']);
	});

	it('reports nothing after stop(), and leaves no timer', async () => {
		const { clock, reports, watch } = setUp(GROWING);
		void watch.askNow();
		watch.stop();
		await clock.advance(60_000);
		expect(reports).toEqual([]);
		expect(clock.pendingCount).toBe(0);
	});
});
