/** How playback continues after a short and a long pause, and when a seat is given up. */
import { describe, expect, it } from 'vitest';
import { duringPause, playOn, SEAT_KEPT_MS, SHORT_PAUSE_MS, type Pause, type PlayOn } from './pause-policy.ts';

const PAUSE: Pause = { sinceMs: 0, captureTimeMs: 1_000_000, wasBehindLive: false, isOfHiddenPage: false };
const [SHORT, LONG] = [SHORT_PAUSE_MS - 1, SHORT_PAUSE_MS + 1];

describe('playOn', () => {
	const FACTS = { nowMs: LONG, tier: 'webrtc', isResting: false, isReached: false, canRewind: true } as const;
	const HLS = { tier: 'll-hls', isReached: true } as const;

	it.each<[string, Partial<Pause>, Partial<Parameters<typeof playOn>[1]>, PlayOn]>([
		['a short pause of WebRTC', {}, { nowMs: SHORT }, 'go-live'],
		['a longer one', {}, {}, 'second-leg-from-pause'],
		['one of a hidden page', { isOfHiddenPage: true }, {}, 'go-live'],
		['a long one of a hidden page', { isOfHiddenPage: true }, { nowMs: SEAT_KEPT_MS + 1 }, 'second-leg-from-pause'],
		['one after which the seat is gone', {}, { isResting: true }, 'second-leg-from-pause'],
		['a short one during which the seat was taken away', {}, { nowMs: SHORT, isResting: true }, 'second-leg-live'],
		['sound without a clock', { captureTimeMs: undefined }, { isResting: true }, 'second-leg-live'],
		['a browser that cannot begin behind live', {}, { canRewind: false }, 'go-live'],
		['… where the seat is gone', {}, { canRewind: false, isResting: true }, 'second-leg-live'],
		['a short one of LL-HLS', {}, { ...HLS, nowMs: SHORT }, 'go-live'],
		['a longer one of LL-HLS', {}, HLS, 'continue'],
		['one that was longer than its window', {}, { ...HLS, isReached: false }, 'second-leg-from-pause'],
		['a short one of a viewer behind live', { wasBehindLive: true }, { ...HLS, nowMs: SHORT }, 'continue'],
	])('%s', (_what, change, facts, expected) => {
		expect(playOn({ ...PAUSE, ...change }, { ...FACTS, ...facts })).toBe(expected);
	});
});

describe('duringPause', () => {
	const LEG = { tier: 'webrtc', state: 'playing', isElsewhere: false } as const;
	const FACTS = { nowMs: SEAT_KEPT_MS + 1, canHls: true, isPageVisible: true };
	const HIDDEN = { ...PAUSE, isOfHiddenPage: true };

	it.each([
		['a long pause of WebRTC', PAUSE, LEG, FACTS, 'give-up-seat'],
		['a shorter one', PAUSE, LEG, { ...FACTS, nowMs: SEAT_KEPT_MS - 1 }, 'wait'],
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
