/** Figures become verdicts, and only measured ones. */
import { expect, it } from 'vitest';
import type { StreamHealth } from '../../signaling/own-channel-api.ts';
import { healthRows } from './health-words.ts';

const CLEAN: StreamHealth = {
	videoBitrateBps: 4_000_000,
	audioBitrateBps: 128_000,
	frameRate: 30,
	gopDurationMs: 2000,
	hasBFrames: false,
	videoUnitCount: 900,
	audioUnitCount: 1400,
	gapCount: 0,
	longestGapMs: 0,
};
const verdicts = (health: StreamHealth | null, protocol = 'rtmp') =>
	Object.fromEntries(healthRows(health, protocol).map(({ label, verdict }) => [label, verdict]));

it('finds nothing wrong with a clean stream', () => {
	expect(new Set(Object.values(verdicts(CLEAN)))).toEqual(new Set(['good']));
});

it('has the same rows when nothing is known, all of them dashes', () => {
	const rows = healthRows(null, undefined);
	expect(rows.map(({ label }) => label)).toEqual(healthRows(CLEAN, 'rtmp').map(({ label }) => label));
	expect(rows.every(({ value, verdict }) => value === '–' && verdict === 'unknown')).toBe(true);
});

it('warns of B-frames, long groups, slow pictures, gaps and silence, each with advice', () => {
	const bad = { ...CLEAN, hasBFrames: true, gopDurationMs: 8333, frameRate: 11, gapCount: 2, audioUnitCount: 0 };
	const warned = healthRows(bad, 'rtmp').filter(({ verdict }) => verdict === 'warning');
	expect(warned.map(({ label }) => label)).toEqual(['Sound', 'Frame rate', 'Key-frame interval', 'B-frames', 'Gaps']);
	expect(warned.every(({ advice }) => advice !== undefined)).toBe(true);
});

it('does not blame a WHIP publisher for an interval that the server asks for', () => {
	expect(verdicts({ ...CLEAN, gopDurationMs: 8000 }, 'whip')['Key-frame interval']).toBe('good');
});
