/** The video player's keys. */
import { describe, expect, it } from 'vitest';
import { videoAction } from './video-keys.ts';

const page = { isInPlayer: false, isOnVolume: false };
const player = { isInPlayer: true, isOnVolume: false };
const press = (key: string, isOnControl = false) => ({ key, isOnControl });

describe('videoAction', () => {
	it.each([
		[' ', { kind: 'toggle-pause' }],
		['K', { kind: 'toggle-pause' }],
		['j', { kind: 'seek-by', seconds: -10 }],
		['ArrowRight', { kind: 'seek-by', seconds: 5 }],
		['0', { kind: 'seek-to', share: 0 }],
		['7', { kind: 'seek-to', share: 0.7 }],
		['.', { kind: 'step-frame', direction: 1 }],
		['<', { kind: 'change-speed', direction: -1 }],
		['?', { kind: 'show-keys' }],
	])('"%s" works on the whole page', (key, action) => expect(videoAction(press(key), page)).toEqual(action));

	it.each(['x', 'Tab', 'Enter', 'Escape', 'F5', 'toString'])('"%s" has no meaning', (key) =>
		expect(videoAction(press(key), player)).toBeUndefined(),
	);

	it('leaves the keys that scroll to the page, unless the player has the focus', () => {
		for (const key of ['ArrowUp', 'ArrowDown', 'Home', 'End', 'PageUp', 'PageDown']) {
			expect(videoAction(press(key), page)).toBeUndefined();
			expect(videoAction(press(key), player)).toBeDefined();
		}
	});

	it('leaves space to the focused button, and the arrows to the volume slider', () => {
		expect(videoAction(press(' ', true), player)).toBeUndefined();
		expect(videoAction(press('k', true), player)).toEqual({ kind: 'toggle-pause' });
		const volume = { isInPlayer: true, isOnVolume: true };
		for (const key of ['ArrowUp', 'ArrowLeft', 'Home', 'PageDown']) {
			expect(videoAction(press(key, true), volume)).toBeUndefined();
		}
		expect(videoAction(press('m', true), volume)).toEqual({ kind: 'toggle-mute' });
	});
});
