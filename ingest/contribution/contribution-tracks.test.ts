/** Tests of tracks that pause, come late, stop or never come, and of encoders' clocks, for both tiers and protocols. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BroadcastBench } from '../testing/broadcast-bench.ts';
import type { FakeEncoderSettings, FakePublisher } from '../testing/fake-publisher.ts';
import { AAC_CONFIG, H264_CONFIG, OPUS_CONFIG } from '../testing/track-configs.ts';

const PROTOCOLS = [
	['RTMP', { protocol: 'rtmp', audio: AAC_CONFIG }],
	['WHIP', { protocol: 'whip', audio: OPUS_CONFIG, announced: ['audio', 'video'] }],
] as const satisfies [string, Partial<FakeEncoderSettings>][];

const HOUR_MS = 3_600_000;

/** Times of the LL-HLS tier's pictures, through all runs, in milliseconds. */
const packagedMs = (bench: BroadcastBench): number[] =>
	bench.sink.runs.flatMap((run) =>
		bench.sink.unitsOf('video0', run).map((unit) => Math.round(unit.presentationTimeTicks / 90)),
	);
/** The same for the WebRTC tier. */
const shownMs = (bench: BroadcastBench): number[] => [
	...new Set(bench.stage.shown('video').map(({ timelineTicks }) => Math.round(timelineTicks / 90))),
];
const stepsOf = (times: readonly number[]): Set<number> =>
	new Set(times.slice(1).map((timeMs, index) => timeMs - times[index]!));
/** How often the WebRTC tier took another source, after the first. */
const stageRuns = (bench: BroadcastBench): number =>
	bench.stage.entries.filter(({ track, how }) => track === 'video' && how === 'run').length - 1;

/** Every picture is in both tiers, in step. */
function expectEveryPicture(bench: BroadcastBench, count: number, stepMs = 40): void {
	expect(packagedMs(bench)).toHaveLength(count);
	expect(stepsOf(packagedMs(bench))).toEqual(new Set([stepMs]));
	expect(shownMs(bench)).toEqual(packagedMs(bench));
	expect(stageRuns(bench)).toBe(0);
}

async function pauseSound(publisher: FakePublisher, durationMs: number): Promise<void> {
	const { audio } = publisher.settings;
	publisher.settings.audio = undefined;
	await publisher.run(durationMs);
	publisher.settings.audio = audio;
}

describe.each(PROTOCOLS)('a track by %s', (_name, protocol) => {
	it('may pause: sound that stops for five seconds does not change the picture and the run', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher(protocol);
		await publisher.run(4200);
		await pauseSound(publisher, 5000);
		await publisher.run(3000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expectEveryPicture(bench, 12_200 / 40);
		const sound = bench.sink.unitsOf('audio0').map((unit) => unit.presentationTimeTicks / 48);
		// AAC is counted in samples, so that its times are off by up to 60 ms.
		expect(Math.abs(Math.max(...stepsOf(sound)) - 5020)).toBeLessThanOrEqual(60);
	});

	it('may pause: a picture that stops for eight seconds does not change the sound, the plan and the run', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher(protocol);
		await publisher.run(4200);
		publisher.settings.video = undefined;
		await publisher.run(8000);
		publisher.settings.video = H264_CONFIG;
		await publisher.run(3000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.states).toEqual(['live']);
		expect(bench.modes.filter((mode) => mode.startsWith('video'))).toEqual([
			'video webrtc: pass-through',
			'video ll-hls: pass-through',
		]);
		expect(packagedMs(bench)).toHaveLength((4200 + 3000) / 40);
		expect(shownMs(bench)).toEqual(packagedMs(bench));
		expect(bench.sink.unitsOf('audio0')).toHaveLength(15_200 / 20);
	});

	it('may come nine seconds late: sound joins at a key frame, and no picture is lost', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ ...protocol, audio: undefined });
		await publisher.run(9300);
		expect(bench.sink.calls).toEqual(['run 0 video0']);
		publisher.settings.audio = protocol.audio;
		publisher.configure();
		await publisher.run(3700);
		expect(bench.sink.calls).toEqual(['run 0 video0', 'run 1 video0+audio0']);
		expectEveryPicture(bench, 13_000 / 40);
		const [first] = bench.sink.unitsOf('video0');
		expect(first!.isKeyFrame).toBe(true);
		// Both begin together, and the WebRTC tier has it from the first frame on.
		const soundMs = bench.sink.unitsOf('audio0')[0]!.presentationTimeTicks / 48;
		expect(Math.abs(soundMs - first!.presentationTimeTicks / 90)).toBeLessThan(40);
		expect(bench.stage.shown('audio')[0]!.timelineTicks / 48).toBeCloseTo(19_300, -2);
	});

	it('may be announced and never come: after three seconds sound is on air alone, the picture joins it', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ ...protocol, skippedPictures: 250 });
		await publisher.run(2800);
		expect(bench.sink.calls).toEqual([]);
		await publisher.run(600);
		expect(bench.sink.calls).toEqual(['run 0 audio0']);
		expect(bench.broadcast.state).toBe('live');
		expect(bench.stage.shown('audio').length).toBeGreaterThan(100);
		const soundBefore = bench.sink.unitsOf('audio0').length;
		await publisher.run(8600);
		expect(bench.sink.calls).toEqual(['run 0 audio0', 'run 1 video0+audio0']);
		expect(packagedMs(bench)).toHaveLength((12_000 - 10_000) / 40);
		expect(bench.sink.unitsOf('video0')[0]!.isKeyFrame).toBe(true);
		expect(soundBefore).toBeGreaterThan(100);
	});

	it('may be announced and never come: the picture is on air alone', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ ...protocol, audio: undefined });
		await publisher.run(6000);
		expect(bench.sink.calls).toEqual(['run 0 video0']);
		expectEveryPicture(bench, 6000 / 40);
	});

	it('may be slow: a picture every ten seconds with sound is one run', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ ...protocol, pictureMs: 10_000, gopPictures: 2 });
		await publisher.run(60_020);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.states).toEqual(['live']);
		expectEveryPicture(bench, 7, 10_000);
	});

	it('may be slow without another: a picture every ten seconds is one run and no interruption', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({
			...protocol,
			audio: undefined,
			announced: ['video'],
			pictureMs: 10_000,
			gopPictures: 1,
		});
		await publisher.run(60_020);
		expect(bench.sink.calls).toEqual(['run 0 video0']);
		expect(bench.states).toEqual(['live']);
		expectEveryPicture(bench, 7, 10_000);
	});

	it.each([
		['an hour ahead', HOUR_MS],
		['an hour back', -HOUR_MS],
		['three seconds ahead', 3000],
	])(
		'begins one run at its next key frame when the clock jumps %s, and continues until then',
		async (_what, jumpMs) => {
			const { bench, publisher } = await BroadcastBench.withPublisher({
				...protocol,
				firstTimeMs: 2 * HOUR_MS,
				stateTime: (_kind, timeMs) => timeMs + (timeMs >= 2 * HOUR_MS + 4400 ? jumpMs : 0),
			});
			await publisher.run(9000);
			expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'run 1 video0+audio0']);
			expect(packagedMs(bench)).toHaveLength(9000 / 40);
			expect(Math.max(...stepsOf(packagedMs(bench)))).toBeLessThan(70);
			expect(Math.min(...stepsOf(packagedMs(bench)))).toBeGreaterThan(0);
			expect(shownMs(bench)).toEqual(packagedMs(bench));
			expect(stageRuns(bench)).toBe(0);
			const [first] = bench.sink.unitsOf('video0');
			expect(first!.isKeyFrame).toBe(true);
			expect(Math.round(first!.presentationTimeTicks / 90)).toBeGreaterThanOrEqual(15_000);
		},
	);

	it('is one run at any cadence, with jitter of stamps, small steps back and pauses of one track', async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.record({
					pictureMs: fc.constantFrom(20, 40, 100, 500, 1000, 3000),
					// In RTP such steps are B-frames; only in RTMP they are faults.
					stepBackMs: fc.integer({ min: 0, max: protocol.protocol === 'rtmp' ? 60 : 0 }),
					stepBackEvery: fc.integer({ min: 3, max: 20 }),
					jitterMs: fc.integer({ min: 0, max: 3 }),
					paused: fc.constantFrom('audio', 'video', undefined),
					pauseMs: fc.integer({ min: 0, max: 8 }).map((seconds) => seconds * 1000),
				}),
				async ({ paused, pauseMs, ...input }) => {
					let count = 0;
					const { bench, publisher } = await BroadcastBench.withPublisher({
						...protocol,
						pictureMs: input.pictureMs,
						gopPictures: Math.max(1, Math.round(1000 / input.pictureMs)),
						stateTime: (kind, timeMs) =>
							kind === 'video'
								? timeMs +
									[0, 1, -1, 1, -1][count % 5]! * input.jitterMs -
									(count++ % input.stepBackEvery === 2 ? input.stepBackMs : 0)
								: timeMs,
					});
					await publisher.run(6000);
					if (paused !== undefined) {
						const config = publisher.settings[paused];
						publisher.settings[paused] = undefined;
						await publisher.run(pauseMs);
						publisher.settings[paused] = config;
					}
					await publisher.run(6000);
					expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
					const times = bench.sink.unitsOf('video0').map(({ decodeTimeTicks }) => decodeTimeTicks);
					expect(times.every((ticks, index) => index === 0 || ticks > times[index - 1]!)).toBe(true);
					expect(times.length).toBeGreaterThanOrEqual(Math.floor(12_000 / input.pictureMs) - 1);
					expect(new Set(bench.stage.shown('video').map(({ timelineTicks }) => timelineTicks)).size).toBe(times.length);
				},
			),
			{ numRuns: 15 },
		);
	});
});

describe('B-frames that show late', () => {
	it('change the WebRTC leg and not the run of the other tier', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(3000);
		publisher.settings.compositionMs = 80;
		await publisher.run(3000);
		expect(bench.modes.slice(0, 2)).toEqual(['video webrtc: re-encode', 'video ll-hls: pass-through']);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.sink.unitsOf('video0')).toHaveLength(6000 / 40);
	});
});

describe('sound of another configuration', () => {
	it('joins at the next key frame, and no picture is lost', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(4200);
		publisher.settings.audio = { ...AAC_CONFIG, sampleRate: 44_100, audioSpecificConfig: Uint8Array.of(0x12, 0x10) };
		publisher.configure();
		await publisher.run(3000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'run 1 video0+audio0']);
		expectEveryPicture(bench, 7200 / 40);
		expect(bench.sink.unitsOf('audio0').every(({ clockRate }) => clockRate === 44_100)).toBe(true);
		expect(bench.sink.unitsOf('audio0', bench.sink.runs[0]).every(({ clockRate }) => clockRate === 48_000)).toBe(true);
	});
});
