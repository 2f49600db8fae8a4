/**
 * What the browser remembers, over the storage of a happy-dom page.
 * @vitest-environment happy-dom
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readLine, readQuality, readSettings, writeLine, writeQuality, writeSettings } from './viewer-memory.ts';

const NOW_MS = 1_800_000_000_000;

describe('the memory of a viewer', () => {
	beforeEach(() => localStorage.clear());
	afterEach(() => vi.unstubAllGlobals());

	it('has the volume, the quality and the line', () => {
		writeSettings({ isMuted: true, volume: 0.3, isPaused: true });
		writeQuality({ kind: 'sound-only', heightPixels: 0, frameRate: 0, isSource: false });
		writeLine(4_200_000.4, NOW_MS);
		expect(readSettings()).toEqual({ isMuted: true, volume: 0.3 });
		expect(readQuality()?.kind).toBe('sound-only');
		expect(readLine(NOW_MS + 3_600_000)).toBe(4_200_000);
	});

	it('forgets an old line, and a quality that is chosen automatically again', () => {
		writeLine(4e6, NOW_MS);
		expect(readLine(NOW_MS + 30 * 24 * 3_600_000)).toBeUndefined();
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
		expect(readLine(NOW_MS)).toBeUndefined();
	});

	it('works where storage is off', () => {
		vi.stubGlobal('localStorage', undefined);
		writeLine(4e6, NOW_MS);
		writeQuality(undefined);
		expect(readLine(NOW_MS)).toBeUndefined();
		expect(readSettings()).toEqual({ isMuted: false, volume: 1 });
	});
});
