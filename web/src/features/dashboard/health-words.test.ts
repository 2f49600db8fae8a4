/** Verdicts on measured figures. */
import { expect, it } from 'vitest';
import type { ChannelHealth, StreamHealth } from '../../../../core/protocol/api/channel-health.ts';
import { endWords, healthRows, sourceWords } from './health-words.ts';

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

it('has no warning for a clean stream', () => {
	expect(new Set(Object.values(verdicts(CLEAN)))).toEqual(new Set(['good']));
});

it('has the same rows without figures, all of them dashes', () => {
	const rows = healthRows(null, undefined);
	expect(rows.map(({ label }) => label)).toEqual(healthRows(CLEAN, 'rtmp').map(({ label }) => label));
	expect(rows.every(({ value, verdict }) => value === '–' && verdict === 'unknown')).toBe(true);
});

it('warns of B-frames, long GOPs, a low frame rate, gaps and missing sound, each with advice', () => {
	const bad = { ...CLEAN, hasBFrames: true, gopDurationMs: 8333, frameRate: 11, gapCount: 2, audioUnitCount: 0 };
	const warned = healthRows(bad, 'rtmp').filter(({ verdict }) => verdict === 'warning');
	expect(warned.map(({ label }) => label)).toEqual(['Sound', 'Frame rate', 'Key-frame interval', 'B-frames', 'Gaps']);
	expect(warned.every(({ advice }) => advice !== undefined)).toBe(true);
});

it('leaves out advice on a missing track when a problem explains it', () => {
	const problem = { kind: 'audio', code: 'audio-codec-unsupported', message: 'The sound comes as MP3.' } as const;
	const rows = healthRows({ ...CLEAN, audioUnitCount: 0, videoUnitCount: 0 }, 'rtmp', [problem]);
	const find = (label: string) => rows.find((row) => row.label === label);
	expect(find('Sound')).toEqual({ label: 'Sound', value: 'none', verdict: 'warning' });
	expect(find('Video')?.advice).toMatch(/No pictures/);
});

it('describes the publisher, and when and why it ended', () => {
	const report: NonNullable<ChannelHealth['lastPublisher']> = {
		at: '2026-01-01T12:00:00.000Z',
		protocol: 'rtmp',
		encoderName: 'OBS',
		remoteAddress: '192.0.2.1',
		code: 'connection-lost',
		message: 'The connection to the encoder was lost.',
		problems: [],
	};
	expect(sourceWords(report)).toBe('OBS, by RTMP from 192.0.2.1');
	expect(sourceWords({ ...report, encoderName: null })).toBe('An encoder, by RTMP from 192.0.2.1');
	const words = (agoMs: number) => endWords(report, Date.parse(report.at) + agoMs);
	expect(words(12 * 60_000)).toBe('12 min ago: The connection to the encoder was lost.');
	expect(endWords(report, undefined)).toBe('The connection to the encoder was lost.');
	expect(words(-5000)).toBe('less than a minute ago: The connection to the encoder was lost.');
});

it('accepts any key-frame interval of a WHIP publisher', () => {
	expect(verdicts({ ...CLEAN, gopDurationMs: 8000 }, 'whip')['Key-frame interval']).toBe('good');
});
