/**
 * What the browser remembers, over the storage of a happy-dom page.
 * @vitest-environment happy-dom
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
	readLine,
	readQuality,
	readSettings,
	readTier,
	writeLine,
	writeQuality,
	writeSettings,
	writeTier,
} from './viewer-memory.ts';

describe('the memory of a viewer', () => {
	beforeEach(() => localStorage.clear());
	afterEach(() => vi.unstubAllGlobals());

	it('has the volume, the quality and the line', () => {
		writeSettings({ isMuted: true, volume: 0.3, isPaused: true });
		writeQuality({ kind: 'sound-only', heightPixels: 0, frameRate: 0, isSource: false });
		writeLine(4_200_000.4);
		expect(readSettings()).toEqual({ isMuted: true, volume: 0.3 });
		expect(readQuality()?.kind).toBe('sound-only');
		expect(readLine()).toBe(4_200_000);
	});

	it('forgets a quality when the player chooses again', () => {
		writeQuality({ kind: 'picture', heightPixels: 480, frameRate: 30, isSource: false });
		writeQuality(undefined);
		expect(readQuality()).toBeUndefined();
	});

	it.each(['', 'null', '[]', '{"volume":7,"bps":"x"}', 'not JSON'])('has its defaults when it holds %s', (text) => {
		for (const key of ['spillway.watch', 'spillway.quality', 'spillway.line']) {
			localStorage.setItem(key, text);
		}
		expect(readSettings()).toEqual({ isMuted: false, volume: 1 });
		expect(readQuality()).toBeUndefined();
		expect(readLine()).toBeUndefined();
	});

	it('has the tier for this tab', () => {
		expect(readTier()).toBeUndefined();
		writeTier('ll-hls');
		expect(readTier()).toBe('ll-hls');
		sessionStorage.setItem('spillway.tier', 'carrier pigeon');
		expect(readTier()).toBeUndefined();
	});

	it('works where storage is off', () => {
		vi.stubGlobal('sessionStorage', undefined);
		writeTier('ll-hls');
		expect(readTier()).toBeUndefined();
		vi.stubGlobal('localStorage', undefined);
		writeLine(4e6);
		writeQuality(undefined);
		expect(readLine()).toBeUndefined();
		expect(readSettings()).toEqual({ isMuted: false, volume: 1 });
	});
});
