/** Tests of a live layer's switch points; its splices and its GOP are tested through video-stage-track.ts. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { createStream, SentPackets } from '../testing/sent-packets.ts';
import { LiveLayer, type PublisherPacket } from './live-layer.ts';

/** Two packets a picture; the first picture is a key frame. */
function packet(number: number, index: 0 | 1): PublisherPacket {
	return {
		payload: Uint8Array.of(number === 0 && index === 0 ? 0x67 : 0x41, number, index),
		hasMarker: index === 1,
		sequenceNumber: 2 * number + index,
		timelineTicks: number * 3000,
		captureTimeMs: number * 33,
	};
}

function setUp() {
	const clock = new FakeClock();
	const sent = new SentPackets();
	const options = { spatialLayer: 0, timestampBase: 0 };
	const layer = new LiveLayer({ clock, stream: createStream(1, clock, sent) }, options);
	const followed: boolean[] = [];
	layer.followers.add({
		liveKeyFrame: () => undefined,
		follow: (_packet, beginsPicture) => followed.push(beginsPicture),
	});
	const forward = (...packets: [number, 0 | 1][]): void => {
		packets.forEach(([number, index]) => layer.forward(packet(number, index)));
	};
	/** Picture and packet of each switch point. */
	const switchPoints = (): number[][] =>
		sent.packets
			.filter(({ descriptor }) => descriptor === 'switch-point')
			.map(({ payload }) => [...payload.subarray(1)]);
	return { layer, forward, followed, switchPoints };
}

describe('LiveLayer', () => {
	it('says which packets begin a picture', () => {
		const { forward, followed } = setUp();
		forward([0, 0], [0, 1], [1, 0], [1, 1], [2, 0]);
		expect(followed).toEqual([false, false, true, false, true]);
	});

	it('has switch points at key frames, and at the picture after a request', () => {
		const { layer, forward, switchPoints } = setUp();
		forward([0, 0], [0, 1]);
		layer.requestSwitchPoint();
		forward([1, 0], [1, 1], [2, 0]);
		expect(switchPoints()).toEqual([
			[0, 0],
			[1, 0],
		]);
	});

	it('has none while a packet is missing: a viewer who changes layers there never gets it', () => {
		const { layer, forward, switchPoints } = setUp();
		forward([0, 0], [0, 1], [1, 0]);
		layer.requestSwitchPoint();
		forward([2, 0], [2, 1], [1, 1], [4, 0], [3, 0], [3, 1], [4, 1]);
		expect(switchPoints()).toEqual([[0, 0]]);
		forward([5, 0]);
		expect(switchPoints().slice(1)).toEqual([[5, 0]]);
	});

	it('does not pass the request on: in a burst a switch point lets a viewer begin in the middle', () => {
		const { layer, forward } = setUp();
		forward([0, 0], [0, 1]);
		layer.requestSwitchPoint();
		forward([1, 0], [1, 1]);
		expect(layer.gop!.packets().map(({ descriptor }) => descriptor)).toEqual([
			'switch-point',
			undefined,
			undefined,
			undefined,
		]);
	});
});
