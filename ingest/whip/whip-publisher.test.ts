/** Tests of a WHIP publisher over a fake transport: its events, and that none is lost before its release. */
import { describe, expect, it } from 'vitest';
import type { PublisherId } from '../../core/ids.ts';
import { BroadcastBench } from '../testing/broadcast-bench.ts';
import { FakeWhipTransport } from '../testing/fake-whip-transport.ts';
import { WhipPublisher } from './whip-publisher.ts';

type Setup = { bench: BroadcastBench; transport: FakeWhipTransport; publisher: WhipPublisher; events: string[] };

async function setUp(): Promise<Setup> {
	const bench = await BroadcastBench.started();
	const transport = new FakeWhipTransport();
	const identity = { id: 'whip' as PublisherId, remoteAddress: '192.0.2.1', encoderName: undefined };
	const publisher = new WhipPublisher({ clock: bench.clock, logger: bench.logger, transport }, identity);
	const events: string[] = [];
	publisher.on('trackConfigured', ({ kind }) => events.push(`config ${kind}`));
	publisher.on('unit', ({ kind, isKeyFrame }) => events.push(`${kind}${kind === 'video' && isKeyFrame ? ' key' : ''}`));
	return { bench, transport, publisher, events };
}

/** Sends for a time, key frames a second apart. */
async function run({ bench, transport }: Setup, pictures: number, first = 0): Promise<void> {
	for (let index = first; index < first + pictures; index++) {
		transport.send(index % 30 === 0);
		await bench.clock.advance(1000 / 30);
	}
}

describe('WhipPublisher', () => {
	it('emits nothing before it is released, and then all events in order', async () => {
		const setup = await setUp();
		await run(setup, 2);
		expect(setup.events).toEqual([]);
		setup.publisher.release();
		// The first picture waits for the next packet, which proves that it is whole.
		const expected = ['config video', 'config audio', 'audio', 'video key', 'video', 'audio'];
		expect(setup.events).toEqual(expected);
		await run(setup, 1, 2);
		expect(setup.events).toEqual([...expected, 'video', 'audio']);
		await setup.publisher.close('unpublished');
	});

	it('makes its broadcast live with both tracks when its packets overtake the connected event', async () => {
		const setup = await setUp();
		await run(setup, 3);
		setup.bench.broadcast.attach(setup.publisher);
		setup.publisher.release();
		await run(setup, 60, 3);
		expect(setup.bench.states).toEqual(['live']);
		expect(setup.bench.modes).toEqual([
			'video webrtc: pass-through',
			'video ll-hls: pass-through',
			'audio webrtc: pass-through',
			'audio ll-hls: transcode',
		]);
		// The very first picture, sent before the release, is the first that is packaged.
		expect(setup.bench.sink.unitsOf('video0')[0]!.bytes.subarray(5, 9)).toEqual(Uint8Array.of(0, 0, 0, 0));
	});

	it('keeps a limited number of packets until it is released, and requests a key frame after it drops some', async () => {
		const setup = await setUp();
		setup.transport.send(true);
		for (let index = 1; index < 2000; index++) {
			setup.transport.send(false);
		}
		setup.publisher.release();
		expect(setup.events.filter((what) => what !== 'audio').length).toBeLessThan(1000);
		setup.transport.send(false);
		await setup.bench.clock.advance(200);
		expect(setup.transport.keyFrameRequestCount).toBe(1);
		await setup.publisher.close('unpublished');
	});

	it('emits the smaller layers of simulcast, early packets too, with the times of the picture', async () => {
		const { bench, transport, publisher } = await setUp();
		const pictures: number[] = [];
		const layers: string[] = [];
		publisher.on('unit', ({ kind, rtpTicks }) => void (kind === 'video' && pictures.push(rtpTicks!)));
		publisher.on('layerConfigured', (layer, { heightPixels }) => layers.push(`${layer} ${heightPixels}`));
		publisher.on('layerUnit', (layer, { rtpTicks, isKeyFrame }) =>
			layers.push(`${layer} ${rtpTicks}${isKeyFrame ? ' key' : ''}`),
		);
		for (const [index, isKeyFrame] of [true, false, false].entries()) {
			transport.send(isKeyFrame);
			transport.sendLayer(1, isKeyFrame);
			if (index === 1) {
				publisher.release();
			}
			await bench.clock.advance(1000 / 30);
		}
		transport.send(false);
		expect(layers).toEqual(['1 720', `1 ${pictures[0]} key`, `1 ${pictures[1]}`, `1 ${pictures[2]}`]);
		await publisher.close('unpublished');
	});

	it('waits for lost packets of a layer until it has shown that none is sent again', async () => {
		const { bench, transport, publisher } = await setUp();
		const atMs: number[] = [];
		publisher.release();
		publisher.on('layerUnit', () => atMs.push(bench.clock.monotonicMs()));
		const waits: number[] = [];
		for (let loss = 0; loss < 5; loss++) {
			// What is missing may belong to the next picture, so that one is left out.
			transport.send(loss === 0);
			transport.sendLayer(1, true, loss === 0 ? 0 : 1);
			transport.send(false);
			transport.sendLayer(1, true);
			const sentAtMs = bench.clock.monotonicMs();
			await bench.clock.advance(300);
			waits.push(Math.round(atMs.at(-1)! - sentAtMs));
		}
		expect(waits).toEqual([0, 150, 150, 150, 30]);
		expect(transport.keyFrameRequestCount).toBeGreaterThan(0);
		await publisher.close('unpublished');
	});
});
