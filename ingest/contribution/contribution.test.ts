/** Tests of a stream on its way into both tiers: what passes through, what is encoded, and when a run begins. */
import { describe, expect, it } from 'vitest';
import { BroadcastBench } from '../testing/broadcast-bench.ts';
import {
	AAC_CONFIG,
	B_FRAME_CONFIG,
	H264_CONFIG,
	OPUS_CONFIG,
	SMALL_H264_CONFIG,
	VP8_CONFIG,
} from '../testing/track-configs.ts';

const AUDIO_OF_AAC = ['audio webrtc: transcode', 'audio ll-hls: pass-through'];
const AUDIO_OF_OPUS = ['audio webrtc: pass-through', 'audio ll-hls: transcode'];
const PASSES = ['video webrtc: pass-through', 'video ll-hls: pass-through'];
const FOR_BOTH = ['video webrtc: re-encode', 'video ll-hls: re-encode'];

const WHIP = { protocol: 'whip', audio: OPUS_CONFIG } as const;

/** Milliseconds from picture to picture. */
const stepsOf = (ticks: readonly number[]): number[] => ticks.slice(1).map((at, index) => (at - ticks[index]!) / 90);
/** The same for the pictures that viewers get. */
const stepsMs = (bench: BroadcastBench): number[] =>
	stepsOf(bench.stage.shown('video').map(({ timelineTicks }) => timelineTicks));

describe('a clean RTMP stream', () => {
	it('passes through to both tiers in one run with both tracks, once the first GOP has ended', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(960);
		expect(bench.sink.calls).toEqual([]);
		await publisher.run(2000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.modes).toEqual([...PASSES, ...AUDIO_OF_AAC]);
		expect(bench.transcoders.running).toEqual(['audio → opus']);
		const [first] = bench.sink.unitsOf('video0');
		expect([first!.isKeyFrame, first!.run, first!.codec]).toEqual([true, 0, 'h264']);
		// The units that were held before the plan are there as well.
		expect(bench.sink.unitsOf('video0')).toHaveLength(2960 / 40);
		expect(bench.sink.unitsOf('audio0')).toHaveLength(2960 / 20);
	});

	it('shows its first picture in the WebRTC tier at once, without waiting for the plan', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(400);
		expect(bench.plans).toEqual([]);
		expect(bench.stage.shown('video')).toHaveLength(10);
		// The pacer may hold the newest.
		expect(bench.stage.shown('audio').length).toBeGreaterThanOrEqual(19);
		expect(bench.broadcast.state).toBe('live');
	});

	it('has the same times and capture times in both tiers', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ firstTimeMs: 3_600_000 });
		await publisher.run(3000);
		const shown = bench.stage.shown('video');
		const packaged = bench.sink.unitsOf('video0');
		expect(packaged.map(({ presentationTimeTicks }) => presentationTimeTicks)).toEqual(
			shown.map(({ timelineTicks }) => timelineTicks),
		);
		expect(packaged.map(({ captureTimeMs }) => captureTimeMs)).toEqual(shown.map(({ captureTimeMs }) => captureTimeMs));
		expect(new Set(stepsMs(bench))).toEqual(new Set([40]));
		expect(shown[0]!.timelineTicks).toBe(10_000 * 90);
	});

	it('gets stereo AAC for LL-HLS when browsers do not play its own', async () => {
		// 5.1(side) as FFmpeg writes it: channel configuration 0, and a program config element.
		const audioSpecificConfig = new Uint8Array(Buffer.from('118004c844002000c400', 'hex'));
		const audio = { ...AAC_CONFIG, channelCount: 6, audioSpecificConfig };
		const { bench, publisher } = await BroadcastBench.withPublisher({ audio });
		await publisher.run(4000);
		expect(bench.modes).toEqual([...PASSES, 'audio webrtc: transcode', 'audio ll-hls: transcode']);
		expect(bench.transcoders.running.toSorted()).toEqual(['audio → aac', 'audio → opus']);
		expect(bench.sink.runs.at(-1)!.tracks.get('audio0')).toEqual(AAC_CONFIG);
		expect(bench.sink.unitsOf('audio0').length).toBeGreaterThan(100);
	});

	it('is dropped up to its first key frame', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ skippedPictures: 5 });
		await publisher.run(4000);
		expect(bench.stage.shown('video')[0]!.isKeyFrame).toBe(true);
	});

	it('goes with the picture alone when there is no sound', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ audio: undefined });
		await publisher.run(1400);
		expect(bench.sink.calls).toEqual([]);
		await publisher.run(1000);
		expect(bench.sink.calls).toEqual(['run 0 video0']);
		expect(bench.modes).toEqual(PASSES);
	});

	it('goes with the sound alone when there is no picture', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ video: undefined });
		await publisher.run(1400);
		expect(bench.sink.calls).toEqual([]);
		await publisher.run(1000);
		expect(bench.sink.calls).toEqual(['run 0 audio0']);
		expect(bench.modes).toEqual(AUDIO_OF_AAC);
		expect(bench.broadcast.state).toBe('live');
	});

	it('begins another run when a missing track comes after all', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ audio: undefined });
		await publisher.run(3000);
		publisher.settings.audio = { ...OPUS_CONFIG, codec: 'aac' };
		publisher.configure();
		await publisher.run(3000);
		expect(bench.sink.calls).toEqual(['run 0 video0', 'run 1 video0+audio0']);
	});

	it('begins another run when the configuration of a track changes, with a key frame of the new one', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(3000);
		publisher.reconfigure(SMALL_H264_CONFIG);
		await publisher.run(3000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'run 1 video0+audio0']);
		expect(bench.sink.runs.map(({ tracks }) => tracks.get('video0'))).toEqual([H264_CONFIG, SMALL_H264_CONFIG]);
		expect(bench.sink.unitsOf('video0')[0]!.isKeyFrame).toBe(true);
		expect(new Set(stepsMs(bench))).toEqual(new Set([40]));
	});

	it('continues its run when it repeats its configuration', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(2000);
		publisher.configure();
		await publisher.run(1000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
	});

	it.each([
		['back', -1000],
		['ahead', 3_600_000],
	])('begins another run, later on the timeline, when its timestamps jump %s', async (_direction, byMs) => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ firstTimeMs: 50_000 });
		await publisher.run(3000);
		publisher.jump(byMs);
		await publisher.run(3000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'run 1 video0+audio0']);
		const [before, after] = bench.sink.runs.map((run) => bench.sink.unitsOf('video0', run));
		const gapMs = (after![0]!.decodeTimeTicks - before!.at(-1)!.decodeTimeTicks) / 90;
		expect(gapMs).toBeGreaterThan(0);
		expect(gapMs).toBeLessThan(1000);
		expect(Math.min(...stepsMs(bench))).toBeGreaterThan(0);
	});
});

describe('a stream that has to be re-encoded', () => {
	it('gets one encoder for both tiers when its GOP is longer than 2.5 s', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ gopPictures: 250 });
		await publisher.run(2400);
		expect(bench.sink.calls).toEqual([]);
		await publisher.run(3600);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.modes).toEqual([...FOR_BOTH, ...AUDIO_OF_AAC]);
		expect(bench.transcoders.running).toEqual(['audio → opus', 'video → h264']);
		// The encoder began in the middle of the GOP, and got it from its beginning.
		const encoder = bench.transcoders.all.find(({ output }) => output.kind === 'video')!;
		expect(encoder.written[0]!.isKeyFrame).toBe(true);
		const packaged = bench.sink.unitsOf('video0');
		expect(packaged.filter(({ isKeyFrame }) => isKeyFrame).length).toBeGreaterThanOrEqual(5);
		expect(new Set(stepsOf(packaged.map(({ decodeTimeTicks }) => decodeTimeTicks)))).toEqual(new Set([40]));
	});

	it('does not show a picture twice or an older one when the stage changes from source to encoder', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ gopPictures: 250 });
		await publisher.run(6000);
		expect(Math.min(...stepsMs(bench))).toBeGreaterThan(0);
		expect(Math.max(...stepsMs(bench))).toBeLessThanOrEqual(1000);
		// The encoder's pictures have key frames every second.
		expect(bench.stage.shown('video').filter(({ isKeyFrame }) => isKeyFrame).length).toBeGreaterThanOrEqual(3);
	});

	it('gets an encoder for the WebRTC tier only when it has B-frames', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ video: B_FRAME_CONFIG, compositionMs: 80 });
		await publisher.run(3000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.modes).toEqual(['video webrtc: re-encode', 'video ll-hls: pass-through', ...AUDIO_OF_AAC]);
		expect(bench.sink.runs[0]!.tracks.get('video0')).toBe(B_FRAME_CONFIG);
		expect(bench.sink.unitsOf('video0').some((unit) => unit.presentationTimeTicks > unit.decodeTimeTicks)).toBe(true);
		expect(bench.sink.unitsOf('video0')).toHaveLength(3000 / 40);
		expect(stepsMs(bench)).toEqual(Array(3000 / 40 - 1).fill(40));
	});

	it('begins with an encoder without waiting for a GOP when it is VP8, in one run although its size changes', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ ...WHIP, video: VP8_CONFIG });
		await publisher.run(400);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.modes).toEqual([...FOR_BOTH, ...AUDIO_OF_OPUS]);
		expect(bench.transcoders.running.toSorted()).toEqual(['audio → aac', 'video → h264']);
		publisher.reconfigure({ ...VP8_CONFIG, widthPixels: 320, heightPixels: 180 });
		await publisher.run(2000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.stage.entries.some(({ track, how }) => track === 'video' && how === 'forwarded')).toBe(false);
		expect(bench.stage.shown('video')).toHaveLength(2400 / 40);
	});

	it('goes without the picture in LL-HLS when the encoder gives nothing within 3 s', async () => {
		const bench = await BroadcastBench.started();
		bench.transcoders.deadKind = 'video';
		const publisher = bench.attach({ ...WHIP, video: VP8_CONFIG });
		await publisher.run(2800);
		expect(bench.sink.calls).toEqual([]);
		await publisher.run(600);
		expect(bench.sink.calls).toEqual(['run 0 audio0']);
		expect(bench.broadcast.state).toBe('live');
	});

	it('gives its encoder every unit once, in order', async () => {
		for (const settings of [{ gopPictures: 250 }, { video: B_FRAME_CONFIG, compositionMs: 80 }] as const) {
			const { bench, publisher } = await BroadcastBench.withPublisher(settings);
			await publisher.run(4000);
			const encoder = bench.transcoders.all.find(({ output }) => output.kind === 'video')!;
			expect(new Set(stepsOf(encoder.written.map(({ decodeTimeTicks }) => decodeTimeTicks)))).toEqual(new Set([40]));
		}
	});
});

describe('a WHIP stream', () => {
	it('goes to the stage as RTP and to the packager as units, at the same times', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ ...WHIP, firstTimeMs: 777_777 });
		await publisher.run(3000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.modes).toEqual([...PASSES, ...AUDIO_OF_OPUS]);
		expect(bench.transcoders.running).toEqual(['audio → aac']);
		const shown = bench.stage.shown('video');
		expect(new Set(shown.map(({ how }) => how))).toEqual(new Set(['forwarded']));
		expect([...new Set(shown.map(({ timelineTicks }) => timelineTicks))]).toEqual(
			bench.sink.unitsOf('video0').map(({ presentationTimeTicks }) => presentationTimeTicks),
		);
		expect(bench.stage.shown('audio').map(({ timelineTicks }) => timelineTicks)).toEqual(
			bench.sink.unitsOf('audio0').map(({ presentationTimeTicks }) => presentationTimeTicks),
		);
	});

	it('does not wait for a track that was not announced', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ ...WHIP, video: undefined });
		await publisher.run(400);
		expect(bench.sink.calls).toEqual(['run 0 audio0']);
	});

	it('is asked for a key frame every two seconds, the first time early', async () => {
		const { publisher } = await BroadcastBench.withPublisher(WHIP);
		await publisher.run(800);
		expect(publisher.keyFrameRequestCount).toBe(0);
		await publisher.run(200);
		expect(publisher.keyFrameRequestCount).toBe(1);
		await publisher.run(9100);
		expect(publisher.keyFrameRequestCount).toBe(1 + 5);
	});

	it('passes through although its GOP has no end, when it answers requests for key frames', async () => {
		const settings = { ...WHIP, gopPictures: 100_000, answersKeyFrameRequests: true };
		const { bench, publisher } = await BroadcastBench.withPublisher(settings);
		await publisher.run(8000);
		expect(bench.modes).toEqual([...PASSES, ...AUDIO_OF_OPUS]);
	});

	it('is re-encoded for both tiers when its GOP is long and it answers no request, as OBS', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ ...WHIP, gopPictures: 250 });
		await publisher.run(6000);
		expect(bench.modes).toEqual([...FOR_BOTH, ...AUDIO_OF_OPUS]);
		expect(Math.min(...stepsMs(bench))).toBeGreaterThanOrEqual(0);
		expect(bench.stage.shown('video').at(-1)!.how).toBe('written');
	});
});

describe('the end of a contribution', () => {
	it('ends its encoders and leaves no timer', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({ gopPictures: 250 });
		await publisher.run(4000);
		expect(bench.transcoders.running).toHaveLength(2);
		await bench.broadcast.close('unpublished');
		expect(bench.transcoders.running).toEqual([]);
		expect(bench.clock.pendingCount).toBe(0);
		expect(bench.sink.calls.at(-1)).toBe('end');
	});
});
