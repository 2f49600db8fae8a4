/** Tests of problem-list.ts. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { ProblemList } from './problem-list.ts';

function setUp() {
	const clock = new FakeClock();
	const logger = new RecordingLogger();
	const list = new ProblemList({ clock, logger });
	return { clock, logger, list, codes: () => list.current.map(({ code }) => code) };
}

describe('ProblemList', () => {
	it('logs a problem once, however often it is seen', async () => {
		const { clock, logger, list, codes } = setUp();
		for (let count = 0; count < 100; count++) {
			list.record('audio-codec-unsupported', 'MP3');
			await clock.advance(1000);
		}
		expect(codes()).toEqual(['audio-codec-unsupported']);
		expect(logger.lines).toHaveLength(1);
		expect(logger.lines[0]).toMatchObject({ level: 'warn', fields: { code: 'audio-codec-unsupported' } });
	});

	it('evicts problems that no longer occur, but no configuration problem of a track', async () => {
		const { clock, list, codes } = setUp();
		list.record('video-damaged', 'x');
		list.record('audio-config-unreadable', 'y');
		await clock.advance(10_000);
		expect(codes()).toEqual(['video-damaged', 'audio-config-unreadable']);
		await clock.advance(1);
		expect(codes()).toEqual(['audio-config-unreadable']);
		list.configured('video');
		expect(codes()).toEqual(['audio-config-unreadable']);
		list.configured('audio');
		expect(codes()).toEqual([]);
	});

	it('evicts a configuration problem once the track is configured', async () => {
		const { clock, list, codes } = setUp();
		list.configured('video');
		list.record('video-codec-unsupported', 'AV1');
		expect(codes()).toEqual(['video-codec-unsupported']);
		await clock.advance(10_001);
		expect(codes()).toEqual([]);
	});

	it('omits a missing configuration when its reason is listed', () => {
		const { list, codes } = setUp();
		list.record('video-config-missing');
		list.record('audio-codec-unsupported', 'MP3');
		expect(codes()).toEqual(['video-config-missing', 'audio-codec-unsupported']);
		list.record('video-config-unreadable', 'x');
		expect(codes()).toEqual(['audio-codec-unsupported', 'video-config-unreadable']);
	});

	it('is bounded in memory and in log lines, for any codec names', async () => {
		const { clock, logger, list, codes } = setUp();
		for (let count = 0; count < 1000; count++) {
			list.record('video-codec-unsupported', `codec "x${count}"`);
			await clock.advance(100);
		}
		expect(codes().length).toBeLessThanOrEqual(16);
		expect(logger.lines.length).toBeLessThanOrEqual(16);
	});
});
