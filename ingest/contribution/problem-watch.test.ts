/** Tests of problem-watch.ts. */
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { ProblemWatch } from './problem-watch.ts';
import { FakePublisher, type FakeEncoderSettings } from '../testing/fake-publisher.ts';
import { AAC_CONFIG, H264_CONFIG } from '../testing/track-configs.ts';
import { trackProblem } from '../publisher/track-problems.ts';

const benches: { publisher: FakePublisher; clock: FakeClock }[] = [];
afterEach(async () => {
	for (const { publisher, clock } of benches.splice(0)) {
		await publisher.close('unpublished');
		expect(clock.pendingCount).toBe(0);
	}
});

function setUp(settings: Partial<FakeEncoderSettings> = {}) {
	const clock = new FakeClock();
	const logger = new RecordingLogger();
	const publisher = new FakePublisher(clock, settings);
	const watch = new ProblemWatch({ clock, logger }, publisher);
	benches.push({ publisher, clock });
	return { clock, logger, publisher, watch, codes: () => watch.problems.map(({ code }) => code) };
}

describe('ProblemWatch', () => {
	it.each(['rtmp', 'whip'] as const)('reports nothing for a clean stream by %s', async (protocol) => {
		const { publisher, logger, codes } = setUp({ protocol });
		publisher.configure();
		await publisher.run(8000);
		expect(codes()).toEqual([]);
		expect(logger.lines).toEqual([]);
	});

	it('reports announced sound that does not come within 3 s, until it comes', async () => {
		const { publisher, logger, codes } = setUp({ audio: undefined });
		publisher.configure();
		publisher.announce(AAC_CONFIG);
		await publisher.run(2900);
		expect(codes()).toEqual([]);
		await publisher.run(1200);
		expect(codes()).toEqual(['audio-missing']);
		await publisher.run(20_000);
		expect(codes()).toEqual(['audio-missing']);
		expect(logger.lines).toHaveLength(1);
		publisher.settings.audio = AAC_CONFIG;
		await publisher.run(100);
		expect(codes()).toEqual([]);
	});

	it('reports tracks of a WHIP offer that do not come', async () => {
		const { publisher, clock, codes } = setUp({ protocol: 'whip' });
		await clock.advance(5000);
		expect(codes()).toEqual(['video-missing', 'audio-missing']);
		publisher.configure();
		await publisher.run(40);
		expect(codes()).toEqual([]);
	});

	it('does not count pictures before the first key frame', async () => {
		const { publisher, codes } = setUp({ skippedPictures: 1, gopPictures: 1000 });
		publisher.configure();
		await publisher.run(4500);
		expect(codes()).toEqual(['video-key-frame-missing']);
		publisher.reconfigure(H264_CONFIG);
		await publisher.run(40);
		expect(codes()).toEqual([]);
	});

	it('adds nothing to a reason that the publisher reports itself', async () => {
		const { publisher, codes } = setUp({ video: undefined });
		publisher.problems = [trackProblem('video-codec-unsupported', 'AV1')];
		publisher.configure();
		publisher.announce(H264_CONFIG);
		await publisher.run(5000);
		expect(codes()).toEqual(['video-codec-unsupported']);
	});

	it.each(['audio', 'video'] as const)(
		'reports %s that stops while the rest continues, until it returns',
		async (kind) => {
			const { publisher, codes } = setUp();
			const { [kind]: config } = publisher.settings;
			publisher.configure();
			await publisher.run(3000);
			publisher.settings[kind] = undefined;
			await publisher.run(4500);
			expect(codes()).toEqual([`${kind}-stopped`]);
			publisher.settings[kind] = config;
			await publisher.run(100);
			expect(codes()).toEqual([]);
		},
	);

	it('reports no problem of a track when both tracks are silent', async () => {
		const { publisher, clock, codes } = setUp();
		publisher.configure();
		await publisher.run(3000);
		await clock.advance(30_000);
		expect(codes()).toEqual([]);
	});

	it.each([1000, 5000, 10_000])('does not take a picture every %i ms for one that has stopped', async (intervalMs) => {
		const { publisher, codes } = setUp({ gopPictures: 1 });
		const { video } = publisher.settings;
		publisher.configure();
		for (let count = 0; count < 6; count++) {
			publisher.settings.video = video;
			await publisher.run(40);
			publisher.settings.video = undefined;
			await publisher.run(intervalMs - 40);
			// The first interval is not known before its end.
			expect(count > 0 ? codes() : []).toEqual([]);
		}
	});

	it.each(['rtmp', 'whip'] as const)(
		'reports times by %s that run at another pace, until they are right',
		async (protocol) => {
			for (const [pace, words] of [
				[0, 'stand still'],
				[0.5, 'run slower'],
				[30, 'run faster'],
			] as const) {
				for (const kinds of [['video'], ['audio'], ['video', 'audio']]) {
					const stateTime: FakeEncoderSettings['stateTime'] = (kind, timeMs) =>
						timeMs * (kinds.includes(kind) ? pace : 1);
					const { publisher, watch, codes } = setUp({ protocol, stateTime });
					publisher.configure();
					await publisher.run(10_000);
					expect(codes()).toEqual([]);
					await publisher.run(12_000);
					expect(codes()).toEqual(kinds.map((kind) => `${kind}-pace-wrong`));
					expect(watch.problems[0]!.message).toContain(words);
					publisher.settings.stateTime = (_kind, timeMs) => timeMs;
					await publisher.run(22_000);
					expect(codes()).toEqual([]);
				}
			}
		},
	);
});
