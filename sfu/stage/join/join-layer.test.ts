/** Tests of a join layer: the burst of the newest GOP, then live packets until its newcomers have moved on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { compressTimestamps, JoinLayer, type BurstSource } from './join-layer.ts';
import type { KeptPacket } from '../layer/newest-gop.ts';
import { createStream, SentPackets, sequenceSteps } from '../testing/sent-packets.ts';

function packet(liveSequence: number, timestampTicks: number): KeptPacket {
	return {
		payload: Uint8Array.of(liveSequence % 256),
		hasMarker: true,
		timestampTicks,
		captureTimeMs: timestampTicks / 90,
		liveSequence,
	};
}

/** A GOP of pictures 33 ms apart, this many packets each. */
function gopOf(pictureCount: number, packetsPerPicture = 1, firstSequence = 500): KeptPacket[] {
	return Array.from({ length: pictureCount * packetsPerPicture }, (_, index) =>
		packet(firstSequence + index, 900_000 + Math.floor(index / packetsPerPicture) * 3000),
	);
}

/** A live layer with this GOP. */
function source(packets: KeptPacket[], highestSequence: number): BurstSource {
	const gop = { packetCount: packets.length, packets: () => packets };
	return { gop: packets.length === 0 ? undefined : gop, highestSequence, followers: new Set() };
}

function setUp(): { clock: FakeClock; sent: SentPackets; layer: JoinLayer } {
	const clock = new FakeClock();
	const sent = new SentPackets();
	return {
		clock,
		sent,
		layer: new JoinLayer({ clock, stream: createStream(5, clock, sent) }, { spatialLayer: 1, firstSequence: 100 }),
	};
}

describe('compressTimestamps', () => {
	it('leaves the newest picture its own timestamp and puts the others 90 ticks apart before it', () => {
		expect([...compressTimestamps(gopOf(3, 2))]).toEqual([
			[900_000, 905_820],
			[903_000, 905_910],
			[906_000, 906_000],
		]);
		expect([...compressTimestamps([])]).toEqual([]);
	});

	it('keeps the order and never moves a picture into the past', () => {
		const ascending = fc.array(fc.integer({ min: 90, max: 10_000 }), { minLength: 1, maxLength: 150 });
		fc.assert(
			fc.property(ascending, (steps) => {
				let ticks = 1_000_000;
				const gop = steps.map((step, index) => packet(index, (ticks += step)));
				const compressed = [...compressTimestamps(gop)];
				return compressed.every(
					([original, moved], index) => moved >= original && (index === 0 || moved - compressed[index - 1]![1] === 90),
				);
			}),
		);
	});
});

describe('JoinLayer', () => {
	it('sends nothing while idle or filling', () => {
		const { sent, layer } = setUp();
		layer.follow(packet(1, 0), false);
		layer.addNewcomer();
		expect(layer.state).toBe('filling');
		layer.follow(packet(2, 0), false);
		expect(sent.packets).toEqual([]);
	});

	it('makes itself known with one packet and a report', () => {
		const { sent, layer } = setUp();
		layer.prime(packet(1, 9000));
		expect(sent.packets.map(({ sequenceNumber, timestampTicks }) => [sequenceNumber, timestampTicks])).toEqual([
			[101, 9000],
		]);
		expect(sent.reports.length).toBeGreaterThan(0);
		expect(layer.state).toBe('idle');
	});

	it('sends the GOP compressed, its capture times as they were, with a report', () => {
		const { sent, layer } = setUp();
		layer.addNewcomer();
		layer.burst(source(gopOf(3), 502));
		expect(layer.state).toBe('following');
		expect(sent.order.slice(0, 2)).toEqual(['packet', 'report']);
		expect(sent.packets.map(({ timestampTicks }) => timestampTicks)).toEqual([905_820, 905_910, 906_000]);
		expect(sent.packets.map(({ captureTimeMs }) => Math.round(captureTimeMs!))).toEqual([10_000, 10_033, 10_067]);
		expect(sequenceSteps(sent.packets)).toEqual([1, 1]);
	});

	it('sends a long GOP in groups of 24 a millisecond, and live packets behind it', async () => {
		const { clock, sent, layer } = setUp();
		layer.addNewcomer();
		layer.burst(source(gopOf(60), 559));
		expect(sent.packets).toHaveLength(24);
		layer.follow(packet(560, 1_080_000), false);
		expect(sent.packets).toHaveLength(24);
		await clock.advance(1);
		expect(sent.packets).toHaveLength(48);
		await clock.advance(1);
		expect(sent.packets).toHaveLength(61);
		expect(new Set(sequenceSteps(sent.packets))).toEqual(new Set([1]));
		expect(sent.packets.at(-1)!.timestampTicks).toBe(1_080_000);
		expect(clock.pendingCount).toBe(0);
		layer.follow(packet(561, 1_083_000), false);
		expect(sent.packets).toHaveLength(62);
	});

	it('gives a late packet of the GOP the place and the time of its picture here', () => {
		const { sent, layer } = setUp();
		layer.addNewcomer();
		layer.burst(source([packet(500, 900_000), packet(502, 903_000)], 502));
		layer.follow(packet(501, 900_000), false);
		const [first, second, late] = sent.packets;
		expect(sequenceSteps([first!, second!])).toEqual([2]);
		expect(late!.sequenceNumber - first!.sequenceNumber).toBe(1);
		expect(late!.timestampTicks).toBe(first!.timestampTicks);
	});

	it('just follows when there is no GOP', () => {
		const { sent, layer } = setUp();
		layer.addNewcomer();
		layer.burst(source([], 700));
		layer.follow(packet(701, 900_000), false);
		layer.follow(packet(702, 903_000), false);
		expect(sequenceSteps(sent.packets)).toEqual([1]);
	});

	it('stays over live key frames until all newcomers have moved, then is idle', () => {
		const { sent, layer } = setUp();
		layer.addNewcomer();
		layer.addNewcomer();
		layer.burst(source(gopOf(2), 501));
		layer.removeNewcomer();
		layer.liveKeyFrame();
		layer.follow(packet(502, 960_000), false);
		expect([layer.state, sent.packets.length]).toEqual(['following', 3]);
		layer.removeNewcomer();
		expect(layer.state).toBe('idle');
		layer.follow(packet(503, 963_000), false);
		expect(sent.packets).toHaveLength(3);
	});

	it('is idle at the next live key frame when its newcomers have left before the burst', () => {
		const { layer } = setUp();
		layer.addNewcomer();
		layer.removeNewcomer();
		layer.burst(source(gopOf(2), 501));
		expect(layer.state).toBe('following');
		layer.liveKeyFrame();
		expect(layer.state).toBe('idle');
	});

	it('continues its numbers when it is used again, with a gap between the two bursts', () => {
		const { sent, layer } = setUp();
		for (const firstSequence of [500, 2000]) {
			layer.addNewcomer();
			layer.burst(source(gopOf(2, 1, firstSequence), firstSequence + 1));
			layer.removeNewcomer();
			layer.liveKeyFrame();
		}
		expect(sequenceSteps(sent.packets)).toEqual([1, 2, 1]);
	});

	it('stops in the middle of a burst when reset, without a timer left', async () => {
		const { clock, sent, layer } = setUp();
		layer.addNewcomer();
		layer.burst(source(gopOf(100), 599));
		layer.reset();
		expect(clock.pendingCount).toBe(0);
		await clock.advance(100);
		expect(sent.packets).toHaveLength(24);
		expect(layer.state).toBe('idle');
	});
});
