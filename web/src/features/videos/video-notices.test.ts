/** Notices of the video pages. */
import { describe, expect, it } from 'vitest';
import type { VideoProblem } from '../../player/video/create-video-player.ts';
import { absenceWords, videoNotice } from './video-notices.ts';

const VIDEO = { playlistUrl: '/v.m3u8', state: 'ready' } as const;
const VIEW = { state: 'ready', problem: undefined, hasStarted: true } as const;
const FACTS = { video: VIDEO, absence: undefined, view: VIEW, isReloading: false, isSlow: false };
const failed = (kind: VideoProblem['kind']) => ({
	...VIEW,
	state: 'failed' as const,
	problem: { kind, detail: 'Why.' },
});

describe('videoNotice', () => {
	it('is silent while the video plays or loads', () => {
		expect(videoNotice(FACTS)).toBeUndefined();
		const loading = { ...FACTS, view: { ...VIEW, state: 'loading', hasStarted: false } } as const;
		expect(videoNotice(loading)).toBeUndefined();
		expect(videoNotice({ ...loading, isSlow: true })).toMatchObject({ form: 'cover', isBusy: true });
		expect(videoNotice({ ...FACTS, isSlow: true })).toMatchObject({ form: 'note', isBusy: true });
	});

	it('distinguishes nothing yet from nothing at all', () => {
		const view = { ...VIEW, state: 'idle', hasStarted: false } as const;
		const growing = videoNotice({ ...FACTS, view, video: { playlistUrl: null, state: 'recording' } });
		expect(growing).toMatchObject({ title: 'Nothing to play yet', isBusy: true, form: 'cover' });
		const early = videoNotice({
			...FACTS,
			view: { ...failed('gone'), hasStarted: false },
			video: { ...VIDEO, state: 'recording' },
		});
		expect(early).toMatchObject({ title: 'Nothing to play yet', canRetry: false });
		const empty = videoNotice({ ...FACTS, view, video: { playlistUrl: null, state: 'ready' } });
		expect(empty).toMatchObject({ title: 'There is nothing to play', isBusy: false, canRetry: false });
	});

	it('offers another try where it may help', () => {
		const kinds = ['unreachable', 'gone', 'undecodable', 'unsupported'] as const;
		expect(kinds.map((kind) => videoNotice({ ...FACTS, view: failed(kind) })?.canRetry)).toEqual([
			true,
			true,
			true,
			false,
		]);
		expect(videoNotice({ ...FACTS, view: failed('gone'), isReloading: true })).toMatchObject({
			isBusy: true,
			canRetry: false,
		});
	});

	it('lets a video that was deleted play on as far as it is loaded', () => {
		expect(videoNotice({ ...FACTS, absence: 'gone' })).toBeUndefined();
		expect(videoNotice({ ...FACTS, absence: 'gone', view: failed('gone') })).toMatchObject({
			form: 'cover',
			title: 'This video is gone',
		});
	});
});

describe('absenceWords', () => {
	it('offers the log-in where it may help, and another try while the server is away', () => {
		const absences = ['missing', 'private', 'gone', 'unreachable'] as const;
		const offers = absences.map((absence) => {
			const { offersLogIn, canRetry } = absenceWords(absence, false);
			return [offersLogIn, canRetry];
		});
		expect(offers).toEqual([
			[true, false],
			[true, false],
			[false, false],
			[false, true],
		]);
		expect(absences.map((absence) => absenceWords(absence, true).offersLogIn)).toEqual([false, false, false, false]);
	});
});
