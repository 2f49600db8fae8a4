/** Tests of a simulcast publisher's smaller layers on their way to the tiers: as rungs, with and without an encoder. */
import { describe, expect, it } from 'vitest';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import type { TrackId } from '../../core/media/access-unit.ts';
import { writeSps } from '../../core/media/testing/h264-writer.ts';
import type { LadderChoice } from '../../core/protocol/ladder-choice.ts';
import { BroadcastBench } from '../testing/broadcast-bench.ts';
import type { FakeEncoderSettings, FakePublisher } from '../testing/fake-publisher.ts';
import { B_FRAME_CONFIG, H264_CONFIG, OPUS_CONFIG, SMALL_H264_CONFIG } from '../testing/track-configs.ts';

const TINY_H264_CONFIG: VideoTrackConfig = {
	...H264_CONFIG,
	widthPixels: 320,
	heightPixels: 180,
	sps: [Uint8Array.from(Buffer.from('6742c00dda05067e7c0440000003004000000f23c50aa8', 'hex'))],
};
const LAYERS = new Map([
	[1, SMALL_H264_CONFIG],
	[2, TINY_H264_CONFIG],
]);
const WITH_LAYERS = 'run 0 video9+video10+video0+audio1+audio0';

async function onAir(
	settings: Partial<FakeEncoderSettings> = {},
	choice: LadderChoice = 'off',
): Promise<{ bench: BroadcastBench; publisher: FakePublisher }> {
	const bench = await BroadcastBench.started();
	bench.ladderChoice = choice;
	const publisher = bench.attach({ protocol: 'whip', audio: OPUS_CONFIG, layers: LAYERS, ...settings });
	await publisher.run(3000);
	return { bench, publisher };
}

const ticksOf = (bench: BroadcastBench, trackId: TrackId): number[] =>
	bench.sink.unitsOf(trackId).map(({ presentationTimeTicks }) => presentationTimeTicks);
const rungs = ({ broadcast }: BroadcastBench): string[] => broadcast.plan!.ladder.rungs.map(({ name }) => name);
const encoders = ({ transcoders }: BroadcastBench): string[] =>
	transcoders.running.filter((name) => name.startsWith('video'));

describe('a publisher of simulcast', () => {
	it('gives its layers as rungs to both tiers, with the source’s times and without an encoder', async () => {
		const { bench, publisher } = await onAir();
		expect(bench.sink.calls).toEqual([WITH_LAYERS]);
		expect(rungs(bench)).toEqual(['360p30', '160p30']);
		expect(bench.broadcast.plan!.ladder.reason).toBe(
			'The publisher sends 360p30 and 160p30. More smaller pictures are switched off in the settings of the server.',
		);
		expect(encoders(bench)).toEqual([]);
		await publisher.run(2000);
		for (const track of ['video9', 'video10'] as const) {
			expect(ticksOf(bench, track)).toEqual(ticksOf(bench, 'video0'));
		}
		const shown = bench.stage.rungs.filter((entry) => entry.startsWith('360p30'));
		expect(shown.length).toBeGreaterThan(50);
		expect(ticksOf(bench, 'video9')).toContain(Number(shown.at(-1)!.split(' ')[1]));
	});

	it('has an encoder for the other rungs only', async () => {
		const { bench } = await onAir({}, 'automatic');
		expect(bench.sink.calls).toEqual(['run 0 video9+video3+video10+video0+audio1+audio0']);
		expect(rungs(bench)).toEqual(['480p30', '360p30', '160p30']);
		expect(encoders(bench)).toEqual(['video → h264']);
		expect(bench.broadcast.plan!.ladder.leftOut).toEqual([
			{ name: '360p30', cause: 'publisher', reason: 'The publisher sends it.' },
			{ name: '160p30', cause: 'publisher', reason: 'The publisher sends it.' },
		]);
	});

	it('gives layers with other key frames to WebRTC only, as soon as that is known', async () => {
		const { bench, publisher } = await onAir({ layerKeyFramesLater: 5 });
		await publisher.run(2000);
		expect(bench.sink.calls).toEqual([WITH_LAYERS, 'pause video9', 'pause video10']);
		expect(rungs(bench)).toEqual(['360p30', '160p30']);
		expect(bench.stage.rungs.filter((entry) => entry.startsWith('160p30')).length).toBeGreaterThan(50);
	});

	it('takes layers off LL-HLS when their key frames part from the source’s, and puts them back', async () => {
		const { bench, publisher } = await onAir();
		publisher.settings.layerKeyFramesLater = 5;
		await publisher.run(4000);
		expect(bench.sink.calls).toEqual([WITH_LAYERS, 'pause video9', 'pause video10']);
		publisher.settings.layerKeyFramesLater = 0;
		await publisher.run(4000);
		expect(bench.sink.calls).toEqual([WITH_LAYERS, 'pause video9', 'pause video10']);
		expect(ticksOf(bench, 'video9').at(-1)).toBe(ticksOf(bench, 'video0').at(-1));
	});

	it('keeps the rungs when the source becomes a smaller layer, and when the largest is back', async () => {
		const { bench, publisher } = await onAir();
		publisher.reconfigure(SMALL_H264_CONFIG);
		await publisher.run(3000);
		expect(bench.sink.calls.at(-1)).toBe(WITH_LAYERS.replace('run 0', 'run 1'));
		expect(ticksOf(bench, 'video9')).toEqual(ticksOf(bench, 'video0'));
		expect(bench.stage.rungs.some((entry) => entry.endsWith('ends'))).toBe(false);
		publisher.reconfigure(H264_CONFIG);
		await publisher.run(3000);
		expect(bench.sink.calls).toHaveLength(3);
	});

	it('ends a rung whose layer is silent, in both tiers, and begins it again', async () => {
		const { bench, publisher } = await onAir();
		publisher.settings.layers = new Map([[1, SMALL_H264_CONFIG]]);
		await publisher.run(5000);
		expect(bench.sink.calls).toEqual([WITH_LAYERS, 'pause video10']);
		expect(bench.stage.rungs.filter((entry) => entry.endsWith('ends'))).toEqual(['160p30 ends']);
		publisher.settings.layers = LAYERS;
		await publisher.run(3000);
		expect(bench.sink.runs).toHaveLength(1);
		expect(ticksOf(bench, 'video10').at(-1)).toBe(ticksOf(bench, 'video0').at(-1));
	});

	it('begins another run when a layer’s picture changes its size', async () => {
		const { bench, publisher } = await onAir();
		const config = {
			...TINY_H264_CONFIG,
			sps: [writeSps({ widthMbs: 12, heightMbs: 7 })],
			widthPixels: 192,
			heightPixels: 112,
		};
		publisher.emitLayerConfig(2, config);
		await publisher.run(4000);
		expect(bench.sink.runs.at(-1)!.tracks.get('video10')).toEqual(config);
		expect(ticksOf(bench, 'video10').at(-1)).toBe(ticksOf(bench, 'video0').at(-1));
	});

	it.each([
		['B-frames', { video: B_FRAME_CONFIG }],
		['a long GOP', { gopPictures: 250 }],
	])('gives no layer beside a source with %s, which is encoded', async (_name, settings) => {
		const { bench, publisher } = await onAir(settings);
		await publisher.run(5000);
		expect(rungs(bench)).toEqual([]);
		expect([...bench.sink.runs.at(-1)!.tracks.keys()].toSorted()).toEqual(['audio0', 'video0']);
	});
});
