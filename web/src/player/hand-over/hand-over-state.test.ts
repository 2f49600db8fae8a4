/** States of a change, and when to swap. */
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
	const near = { alignedForMs: 100, pictureAheadMs: 10, soundAheadMs: 20, isSteady: true };

	it('waits for picture and sound', () => {
		expect(shouldSwap({ kind: 'to-webrtc', ...near })).toBe(true);
		expect(shouldSwap({ kind: 'to-webrtc', ...near, soundAheadMs: undefined })).toBe(true);
		expect(shouldSwap({ kind: 'to-webrtc', ...near, pictureAheadMs: 60 })).toBe(false);
		expect(shouldSwap({ kind: 'to-webrtc', ...near, soundAheadMs: -200 })).toBe(false);
		expect(shouldSwap({ kind: 'to-webrtc', ...near, pictureAheadMs: undefined })).toBe(false);
		expect(shouldSwap({ kind: 'to-webrtc', ...near, isSteady: false })).toBe(false);
	});

	it('has an end to its patience, and to WebRTC a shorter one with the sound', () => {
		const far = { pictureAheadMs: -700, soundAheadMs: -700, isSteady: false };
		const late = { pictureAheadMs: 10, soundAheadMs: -700, isSteady: true };
		for (const kind of ['to-webrtc', 'to-hls'] as const) {
			expect(shouldSwap({ kind, alignedForMs: 9000, ...far })).toBe(false);
			expect(shouldSwap({ kind, alignedForMs: 46_000, ...far })).toBe(true);
			expect(shouldSwap({ kind, alignedForMs: 7000, ...late })).toBe(false);
			expect(shouldSwap({ kind, alignedForMs: 9000, ...late })).toBe(kind === 'to-webrtc');
		}
	});

	it('takes what is less near the longer the watched leg has slid, up to a jump that few notice', () => {
		const swaps = (alignedForMs: number, aheadMs: number): boolean =>
			shouldSwap({ kind: 'to-hls', alignedForMs, pictureAheadMs: aheadMs, soundAheadMs: aheadMs, isSteady: true });
		expect([swaps(15_000, 45), swaps(25_000, -135), swaps(25_000, -145)]).toEqual([false, true, false]);
		expect([swaps(44_000, 235), swaps(44_000, 245)]).toEqual([true, false]);
		const unsteady = {
			kind: 'to-hls',
			alignedForMs: 44_000,
			pictureAheadMs: 0,
			soundAheadMs: 0,
			isSteady: false,
		} as const;
		expect(shouldSwap(unsteady)).toBe(false);
	});

	it('in an emergency takes only what was not seen yet, so that a lost publisher repeats nothing', () => {
		const lost = { kind: 'emergency', soundAheadMs: undefined, isSteady: false } as const;
		expect(shouldSwap({ ...lost, alignedForMs: 60_000, pictureAheadMs: -100 })).toBe(false);
		expect(shouldSwap({ ...lost, alignedForMs: 0, pictureAheadMs: 90 })).toBe(true);
		expect(shouldSwap({ ...lost, alignedForMs: 600, pictureAheadMs: undefined })).toBe(true);
	});

	it('after a pause waits for the frame where it was paused', () => {
		const resume = { kind: 'resume', soundAheadMs: undefined, isSteady: false } as const;
		expect(shouldSwap({ ...resume, alignedForMs: 50, pictureAheadMs: 8000 })).toBe(false);
		expect(shouldSwap({ ...resume, alignedForMs: 50, pictureAheadMs: 33 })).toBe(true);
		expect(shouldSwap({ ...resume, alignedForMs: 5000, pictureAheadMs: 8000 })).toBe(true);
	});
});
