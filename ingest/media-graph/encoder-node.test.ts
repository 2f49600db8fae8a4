/** Tests of an encoder that is begun, replaced and ended: its output has no gap and no repetition. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/logger.ts';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { MediaTranscoder } from '../../core/media/transcoder.ts';
import { FakeTranscoderFactory } from '../testing/fake-transcoders.ts';
import { H264_CONFIG, unitAt } from '../testing/track-configs.ts';
import { EncoderNode } from './encoder-node.ts';

/** A picture each 100 ms, a key frame each second. */
const picture = (index: number): AccessUnit => unitAt('video0', index * 9000, index % 10 === 0);

function setUp(): {
	node: EncoderNode;
	factory: FakeTranscoderFactory;
	create: (...trackIds: TrackId[]) => () => MediaTranscoder;
	feed: (from: number, to: number) => Promise<void>;
	outputs: string[];
} {
	const outputs: string[] = [];
	const factory = new FakeTranscoderFactory();
	const node = new EncoderNode({
		onConfigured: (_config, trackId) => outputs.push(`${trackId} configured`),
		onUnit: ({ trackId, presentationTimeTicks }) => outputs.push(`${trackId} ${presentationTimeTicks / 9000}`),
	});
	return {
		node,
		factory,
		outputs,
		create:
			(...trackIds) =>
			() =>
				factory.createVideo({
					input: H264_CONFIG,
					run: 0,
					logger: silentLogger,
					outputs: trackIds.map((trackId) => ({
						trackId,
						codec: 'h264',
						keyFrames: 'source',
						gopDurationSeconds: 1,
						maxBitrateBps: 1e6,
					})),
				}),
		feed: async (from, to) => {
			for (let index = from; index < to; index++) {
				node.write(picture(index));
				await Promise.resolve();
			}
		},
	};
}

describe('EncoderNode', () => {
	it('is begun once, and writes nothing before', async () => {
		const { node, factory, create, feed, outputs } = setUp();
		expect(node.write(picture(0))).toBe(false);
		expect([node.begin(create('video1')), node.begin(create('video1'))]).toEqual([true, false]);
		await feed(0, 3);
		expect(factory.all).toHaveLength(1);
		expect(outputs).toEqual(['video1 configured', 'video1 0', 'video1 1', 'video1 2']);
		expect(node.config('video1')).toBe(H264_CONFIG);
	});

	it('is replaced at a key frame, and each picture of a track comes out once and in order', async () => {
		const { node, factory, create, feed, outputs } = setUp();
		node.begin(create('video1', 'video2'));
		await feed(0, 5);
		node.replace(create('video2'));
		await feed(5, 10);
		expect(factory.all).toHaveLength(1);
		await feed(10, 13);
		expect(factory.all.map(({ closeReason }) => closeReason)).toEqual(['finished', undefined]);
		const ofTrack = (trackId: TrackId): string => outputs.filter((line) => line.startsWith(`${trackId} `)).join();
		expect(
			ofTrack('video2')
				.match(/\d+(?=,|$)/g)!
				.map(Number),
		).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
		expect(ofTrack('video1').endsWith('video1 9')).toBe(true);
	});

	it('takes only the newest of several replacements', async () => {
		const { node, factory, create, feed } = setUp();
		node.begin(create('video1'));
		await feed(0, 2);
		node.replace(create('video2'));
		node.replace(create('video3'));
		await feed(10, 12);
		expect(factory.all.map(({ trackIds }) => trackIds)).toEqual([['video1'], ['video3']]);
	});

	it('is overtaken in the middle of a GOP, each track at a key frame that is newer than what came out', async () => {
		const { node, factory, create, feed, outputs } = setUp();
		node.begin(create('video1'));
		await feed(0, 15);
		node.overtake(
			create('video1', 'video2'),
			Array.from({ length: 5 }, (_, index) => picture(10 + index)),
		);
		await Promise.resolve();
		expect(factory.running).toHaveLength(2);
		await feed(15, 35);
		expect(factory.all.map(({ closeReason }) => closeReason)).toEqual(['run-ended', undefined]);
		const numbers = (trackId: TrackId): number[] =>
			outputs.filter((line) => new RegExp(`^${trackId} \\d`).test(line)).map((line) => Number(line.split(' ')[1]));
		expect(numbers('video1')).toEqual(Array.from({ length: 35 }, (_, index) => index));
		expect(numbers('video2')).toEqual(Array.from({ length: 25 }, (_, index) => 10 + index));
	});

	it('ends, and begins again', async () => {
		const { node, factory, create, feed, outputs } = setUp();
		node.begin(create('video1'));
		await feed(0, 2);
		node.end();
		await feed(2, 4);
		expect([node.state, factory.running]).toEqual([undefined, []]);
		node.begin(create('video1'));
		await feed(10, 12);
		expect(outputs.slice(-2)).toEqual(['video1 10', 'video1 11']);
	});

	it('leaves no encoder running after close(), also in the middle of a replacement', async () => {
		const { node, factory, create, feed } = setUp();
		node.begin(create('video1'));
		await feed(0, 2);
		node.replace(create('video2'));
		node.write(picture(10));
		await node.close();
		expect(factory.running).toEqual([]);
	});
});
