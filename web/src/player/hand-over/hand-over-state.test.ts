/** The states of a hand-over, and when to swap. */
import { describe, expect, it } from 'vitest';
import { reachableStates } from '../../../../core/lifecycle/state-machine.ts';
import { HAND_OVER_TRANSITIONS, shouldSwap, type HandOverState } from './hand-over-state.ts';

describe('the table', () => {
	it('can end, and can settle, from every state but the end', () => {
		for (const state of Object.keys(HAND_OVER_TRANSITIONS) as HandOverState[]) {
			const reachable = reachableStates<HandOverState, string>(HAND_OVER_TRANSITIONS, state);
			expect(reachable.has('closed')).toBe(true);
			expect(reachable.has('settled')).toBe(state !== 'closed');
		}
	});
});

describe('shouldSwap', () => {
	const near = { kind: 'to-webrtc', alignedForMs: 100, pictureAheadMs: 10, soundAheadMs: 20, isSteady: true } as const;

	it.each([
		[{}, true],
		[{ soundAheadMs: undefined }, true],
		[{ pictureAheadMs: 60 }, false],
		[{ soundAheadMs: -200 }, false],
		[{ pictureAheadMs: undefined }, false],
		[{ isSteady: false }, false],
	])('waits for picture and sound: %o', (change, swaps) => {
		expect(shouldSwap({ ...near, ...change })).toBe(swaps);
	});

	it('waits 45 s at most, and to WebRTC less long for the sound', () => {
		const far = { pictureAheadMs: -700, soundAheadMs: -700, isSteady: false };
		const late = { pictureAheadMs: 10, soundAheadMs: -700, isSteady: true };
		for (const kind of ['to-webrtc', 'to-hls'] as const) {
			expect(shouldSwap({ kind, alignedForMs: 9000, ...far })).toBe(false);
			expect(shouldSwap({ kind, alignedForMs: 46_000, ...far })).toBe(true);
			expect(shouldSwap({ kind, alignedForMs: 7000, ...late })).toBe(false);
			expect(shouldSwap({ kind, alignedForMs: 9000, ...late })).toBe(kind === 'to-webrtc');
		}
	});

	it('tolerates more the longer the watched leg has slid, up to a limit', () => {
		const swaps = (alignedForMs: number, aheadMs: number): boolean =>
			shouldSwap({ kind: 'to-hls', alignedForMs, pictureAheadMs: aheadMs, soundAheadMs: aheadMs, isSteady: true });
		expect([swaps(15_000, 45), swaps(25_000, -135), swaps(25_000, -145)]).toEqual([false, true, false]);
		expect([swaps(44_000, 235), swaps(44_000, 245)]).toEqual([true, false]);
		expect(shouldSwap({ ...near, kind: 'to-hls', alignedForMs: 44_000, isSteady: false })).toBe(false);
	});

	it('swaps in an emergency only to new content, so that a lost publisher repeats nothing', () => {
		const lost = { kind: 'emergency', soundAheadMs: undefined, isSteady: false } as const;
		expect(shouldSwap({ ...lost, alignedForMs: 60_000, pictureAheadMs: -100 })).toBe(false);
		expect(shouldSwap({ ...lost, alignedForMs: 0, pictureAheadMs: 90 })).toBe(true);
		expect(shouldSwap({ ...lost, alignedForMs: 600, pictureAheadMs: undefined })).toBe(true);
	});

	it('waits after a pause for the paused frame', () => {
		const resume = { kind: 'resume', soundAheadMs: undefined, isSteady: false } as const;
		expect(shouldSwap({ ...resume, alignedForMs: 50, pictureAheadMs: 8000 })).toBe(false);
		expect(shouldSwap({ ...resume, alignedForMs: 50, pictureAheadMs: 33 })).toBe(true);
		expect(shouldSwap({ ...resume, alignedForMs: 5000, pictureAheadMs: 8000 })).toBe(true);
	});
});
