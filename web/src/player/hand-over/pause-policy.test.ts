/**
 * What a pause costs: nothing when it is short, a place in the window when it is long, and never a second leg
 * meanwhile.
 */
import { describe, expect, it } from 'vitest';
import { givesUpSeat, playOn, SHORT_PAUSE_MS, type Pause, type PlayOn } from './pause-policy.ts';

const PAUSE: Pause = { sinceMs: 0, captureTimeMs: 1_000_000, wasBehindLive: false, isOfHiddenPage: false };
const [SHORT, LONG] = [SHORT_PAUSE_MS - 1, SHORT_PAUSE_MS + 1];

describe('playOn', () => {
	it.each<[string, Partial<Pause>, number, 'webrtc' | 'll-hls', boolean, PlayOn]>([
		['a short pause of WebRTC', {}, SHORT, 'webrtc', false, 'go-live'],
		['a long one in a window of its own, which kept the leg', {}, LONG, 'webrtc', false, 'go-live'],
		['a long one of WebRTC', {}, LONG, 'webrtc', true, 'second-leg-from-pause'],
		['one during which the seat was taken', {}, SHORT, 'webrtc', true, 'second-leg-live'],
		['a long one of sound without a clock', { captureTimeMs: undefined }, LONG, 'webrtc', true, 'second-leg-live'],
		['a short one of LL-HLS', {}, SHORT, 'll-hls', false, 'go-live'],
		['a long one of LL-HLS', {}, LONG, 'll-hls', false, 'go-on'],
		['a short one of somebody who is behind', { wasBehindLive: true }, SHORT, 'll-hls', false, 'go-on'],
	])('%s', (_what, change, pausedForMs, tier, isResting, expected) => {
		expect(playOn({ ...PAUSE, ...change }, pausedForMs, tier, isResting)).toBe(expected);
	});
});

describe('givesUpSeat', () => {
	const FACTS = { tier: 'webrtc', pausedForMs: LONG, canHls: true, isElsewhere: false } as const;

	it('gives up a seat of WebRTC after a while, where something can take its place', () => {
		expect(givesUpSeat(FACTS)).toBe(true);
		expect(givesUpSeat({ ...FACTS, pausedForMs: SHORT })).toBe(false);
		expect(givesUpSeat({ ...FACTS, tier: 'll-hls' })).toBe(false);
		expect(givesUpSeat({ ...FACTS, canHls: false })).toBe(false);
		expect(givesUpSeat({ ...FACTS, isElsewhere: true })).toBe(false);
	});
});
