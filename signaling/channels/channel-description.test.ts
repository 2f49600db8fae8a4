/** Tests of a channel's description: the ladder of its broadcast. */
import { Value } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import { channelDescriptionSchema, type LadderDescription } from '../../core/protocol/api/channel-description.ts';
import { OPUS_CONFIG, SMALL_H264_CONFIG } from '../../ingest/testing/track-configs.ts';
import { BroadcastBench } from '../../ingest/testing/broadcast-bench.ts';
import { describeChannel } from './channel-description.ts';
import type { Channel } from './channel-store.ts';

const CHANNEL: Channel = {
	id: 'channel' as ChannelId,
	name: 'demo' as ChannelName,
	title: '',
	category: undefined,
	graceWindowSeconds: undefined,
	ladderChoice: undefined,
	policy: { mode: 'automatic', interactiveSeats: null },
	ownerId: undefined,
	ownerName: undefined,
	createdAt: new Date(0),
};

function ladderOf(bench: BroadcastBench): LadderDescription | null {
	const description = describeChannel(CHANNEL, bench.broadcast);
	expect(Value.Errors(channelDescriptionSchema, description)).toEqual([]);
	return description.ladder;
}

it('has the id of the running broadcast', async () => {
	expect(describeChannel(CHANNEL, undefined).broadcastId).toBeNull();
	const { broadcast } = await BroadcastBench.started();
	expect(describeChannel(CHANNEL, broadcast).broadcastId).toBe(broadcast.id);
	await broadcast.close('unpublished');
	expect(describeChannel(CHANNEL, broadcast).broadcastId).toBeNull();
});

describe('the ladder of a channel', () => {
	it('is null while offline, and until the stream is planned', async () => {
		expect(describeChannel(CHANNEL, undefined).ladder).toBeNull();
		const bench = await BroadcastBench.started();
		bench.attach();
		expect(ladderOf(bench)).toBeNull();
	});

	it('has the rungs as they are shown, why there are so many, and the encoder', async () => {
		const bench = await BroadcastBench.started();
		bench.ladderChoice = 'automatic';
		const publisher = bench.attach();
		await publisher.run(5000);
		expect(ladderOf(bench)).toEqual({
			rungs: [
				{
					name: '480p30',
					widthPixels: 854,
					heightPixels: 480,
					frameRate: 25,
					maxBitrateBps: 100_000,
					from: 'server',
					state: 'running',
				},
				{
					name: '360p30',
					widthPixels: 640,
					heightPixels: 360,
					frameRate: 25,
					maxBitrateBps: 100_000,
					from: 'server',
					state: 'running',
				},
				{
					name: '160p30',
					widthPixels: 284,
					heightPixels: 160,
					frameRate: 25,
					maxBitrateBps: 100_000,
					from: 'server',
					state: 'running',
				},
			],
			leftOut: [],
			reason: 'The server has room for every size below the source that saves enough bits.',
			encoder: 'libx264',
		});
	});

	it('has the layers of a publisher’s simulcast', async () => {
		const bench = await BroadcastBench.started();
		const layers = new Map([[1, SMALL_H264_CONFIG]]);
		await bench.attach({ protocol: 'whip', audio: OPUS_CONFIG, layers }).run(5000);
		expect(ladderOf(bench)).toMatchObject({
			rungs: [{ name: '360p30', widthPixels: 640, heightPixels: 360, from: 'publisher', state: 'running' }],
			leftOut: [],
			encoder: null,
		});
	});

	it('names what is left out, and has no encoder when nothing is encoded', async () => {
		const bench = await BroadcastBench.started();
		bench.ladderChoice = ['1080p60'];
		await bench.attach().run(5000);
		expect(ladderOf(bench)).toEqual({
			rungs: [],
			leftOut: [{ name: '1080p60', reason: 'The source is no larger.' }],
			reason: 'The settings of the server ask for 1080p60. The source is no larger.',
			encoder: null,
		});
	});

	it('shows rungs as starting until their first picture comes out', async () => {
		const bench = await BroadcastBench.started();
		bench.ladderChoice = ['360p30'];
		bench.transcoders.deadKind = 'video';
		await bench.attach().run(5000);
		expect(ladderOf(bench)?.rungs).toMatchObject([{ name: '360p30', state: 'starting' }]);
	});
});
