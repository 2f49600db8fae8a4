/** How playback continues after a short and a long pause, and when a seat is given up. */
import { describe, expect, it } from 'vitest';
import { duringPause, playOn, SHORT_PAUSE_MS, type Pause, type PlayOn } from './pause-policy.ts';

const PAUSE: Pause = { sinceMs: 0, captureTimeMs: 1_000_000, wasBehindLive: false, isOfHiddenPage: false };
const [SHORT, LONG] = [SHORT_PAUSE_MS - 1, SHORT_PAUSE_MS + 1];

describe('playOn', () => {
	it.each<[string, Partial<Pause>, number, 'webrtc' | 'll-hls', boolean, PlayOn]>([
		['a short pause of WebRTC', {}, SHORT, 'webrtc', false, 'go-live'],
		['a long one in picture-in-picture, which kept the leg', {}, LONG, 'webrtc', false, 'go-live'],
		['a long one of WebRTC', {}, LONG, 'webrtc', true, 'second-leg-from-pause'],
		['one during which the seat was taken away', {}, SHORT, 'webrtc', true, 'second-leg-live'],
		['a long one of sound without a clock', { captureTimeMs: undefined }, LONG, 'webrtc', true, 'second-leg-live'],
		['a short one of LL-HLS', {}, SHORT, 'll-hls', false, 'go-live'],
		['a long one of LL-HLS', {}, LONG, 'll-hls', false, 'continue'],
		['a short one of a viewer behind live', { wasBehindLive: true }, SHORT, 'll-hls', false, 'continue'],
	])('%s', (_what, change, pausedForMs, tier, isResting, expected) => {
		expect(playOn({ ...PAUSE, ...change }, pausedForMs, tier, isResting)).toBe(expected);
	});
});

describe('duringPause', () => {
	const LEG = { tier: 'webrtc', state: 'playing', isElsewhere: false } as const;
	const FACTS = { nowMs: LONG, canHls: true, isPageVisible: true };
	const HIDDEN = { ...PAUSE, isOfHiddenPage: true };

	it.each([
		['a long pause of WebRTC', PAUSE, LEG, FACTS, 'give-up-seat'],
		['a short one', PAUSE, LEG, { ...FACTS, nowMs: SHORT }, 'wait'],
		['one of LL-HLS', PAUSE, { ...LEG, tier: 'll-hls' }, FACTS, 'wait'],
		['one without LL-HLS to replace it', PAUSE, LEG, { ...FACTS, canHls: false }, 'wait'],
		['one in picture-in-picture', PAUSE, { ...LEG, isElsewhere: true }, FACTS, 'wait'],
		['one whose seat was given up', PAUSE, { ...LEG, state: 'stopped' }, FACTS, 'wait'],
		['one of a hidden page', HIDDEN, LEG, { ...FACTS, nowMs: SHORT, isPageVisible: false }, 'wait'],
		['one of a page that is visible again', HIDDEN, LEG, FACTS, 'play'],
		['no pause', undefined, LEG, FACTS, 'wait'],
	] as const)('%s', (_what, pause, leg, facts, expected) => {
		expect(duringPause(pause, leg, facts)).toBe(expected);
	});
});
