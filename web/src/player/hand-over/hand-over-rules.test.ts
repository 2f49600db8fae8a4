/** The rules of a hand-over, row by row. */
import { describe, expect, it } from 'vitest';
import { judgeChoice, judgePending, type ChoiceFacts, type PendingFacts } from './hand-over-rules.ts';

type ShownLeg = NonNullable<ChoiceFacts['shown']>;

const WEBRTC: ShownLeg = { tier: 'webrtc', state: 'playing', timeShift: undefined, fillsScreen: false };
const HLS: ShownLeg = {
	tier: 'll-hls',
	state: 'playing',
	timeShift: { isShifted: false, isStarved: false },
	fillsScreen: false,
};
const STARVED: ShownLeg = { ...HLS, timeShift: { isShifted: false, isStarved: true } };
const TO_HLS: ChoiceFacts = {
	tier: 'll-hls',
	isEmergency: false,
	isPaused: false,
	isResting: false,
	shown: WEBRTC,
	pending: undefined,
};

describe('judgeChoice', () => {
	it.each<[string, Partial<ChoiceFacts>, ReturnType<typeof judgeChoice>]>([
		['nothing is shown', { shown: undefined }, 'show'],
		['nothing is shown in a pause', { shown: undefined, isPaused: true }, 'show'],
		['the shown leg does not play', { shown: { ...WEBRTC, state: 'stalled' } }, 'show'],
		[
			'the shown leg does not play, in an emergency',
			{ shown: { ...WEBRTC, state: 'error' }, isEmergency: true },
			'open',
		],
		['another tier plays', {}, 'open'],
		['it plays already', { shown: HLS }, 'stay'],
		['it was closed, and its last picture is left', { shown: { ...HLS, state: 'stopped' }, isResting: true }, 'open'],
		['the viewer has paused WebRTC', { isPaused: true }, 'rest'],
		['its seat was given up already', { isPaused: true, isResting: true }, 'ignore'],
		['the viewer has paused LL-HLS', { isPaused: true, shown: HLS, tier: 'webrtc' }, 'ignore'],
		['it is opening already', { pending: { tier: 'll-hls', kind: 'to-hls' } }, 'raise'],
		['another one is opening', { pending: { tier: 'webrtc', kind: 'to-webrtc' } }, 'open'],
		['LL-HLS from a pause is opening', { tier: 'webrtc', pending: { tier: 'll-hls', kind: 'resume' } }, 'ignore'],
		['the line starves LL-HLS', { tier: 'webrtc', shown: STARVED }, 'refuse'],
		['the element fills the screen', { shown: { ...WEBRTC, fillsScreen: true } }, 'hold'],
		['… in an emergency', { shown: { ...WEBRTC, fillsScreen: true }, isEmergency: true }, 'open'],
	])('when %s', (_situation, change, choice) => {
		expect(judgeChoice({ ...TO_HLS, ...change })).toBe(choice);
	});
});

const PLANNED: PendingFacts = {
	kind: 'to-hls',
	alignedForMs: 1000,
	pictureAheadMs: 300,
	soundAheadMs: 300,
	isSteady: true,
	isTrialFailing: false,
	hasPlayed: true,
	openForMs: 2000,
	isAwaited: false,
	hasFirstStopped: false,
};

describe('judgePending', () => {
	it.each<[string, Partial<PendingFacts>, ReturnType<typeof judgePending>]>([
		['both differ', {}, 'align'],
		['both show the same', { pictureAheadMs: 10, soundAheadMs: 10 }, 'swap'],
		['the first has stopped', { hasFirstStopped: true }, 'swap'],
		['it has not played yet', { hasPlayed: false }, 'wait'],
		['it has not played for too long', { hasPlayed: false, openForMs: 12_100 }, 'give-up'],
		[
			'it has not played, and there is nothing better',
			{ hasPlayed: false, openForMs: 60_000, isAwaited: true },
			'wait',
		],
		['the line is too poor for it', { isTrialFailing: true, pictureAheadMs: 10, soundAheadMs: 10 }, 'end-trial'],
		['it shows nothing newer in an emergency', { kind: 'emergency', pictureAheadMs: 0 }, 'wait'],
		['it shows something newer in an emergency', { kind: 'emergency', pictureAheadMs: 60 }, 'swap'],
		[
			'the first has stopped, and it plays on from a pause',
			{ kind: 'resume', hasFirstStopped: true, pictureAheadMs: 900 },
			'wait',
		],
	])('when %s', (_situation, change, verdict) => {
		expect(judgePending({ ...PLANNED, ...change })).toBe(verdict);
	});
});
