/** Tests of a crowd of newcomers on the stage's picture, with Consumers modelled as mediasoup's change layers. */
import { describe, expect, it } from 'vitest';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { silentLogger } from '../../core/logger.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { startsH264KeyFrame } from '../rtp/h264-depacketizer.ts';
import type { Newcomer } from './join/cohort.ts';
import { StageStream } from './layer/stage-stream.ts';
import { SentPackets, type SentPacket } from './testing/sent-packets.ts';
import { VIDEO_LAYER_COUNT, VideoStageTrack } from './video-stage-track.ts';

const FRAME_MS = 1000 / 30;
const GOP_PICTURES = 60;
/** From Node to the worker and back. */
const CHANNEL_MS = 3;

/** A Consumer that changes to the layer that it prefers at a key frame or a switch point, and reports it later. */
class ModelViewer {
	readonly joinedAtMs: number;
	firstPictureAtMs = Infinity;
	readonly pictures: number[] = [];
	/** Layers in the order of its changes. */
	readonly layers: number[] = [];
	readonly #clock: FakeClock;
	readonly #newcomer: Newcomer;
	#preferred: number;

	constructor(clock: FakeClock, track: VideoStageTrack) {
		this.#clock = clock;
		this.joinedAtMs = clock.monotonicMs();
		this.#newcomer = track.join(
			(layer) =>
				new Promise((resolve) =>
					clock.setTimeout(() => {
						this.#preferred = layer;
						resolve();
					}, CHANNEL_MS),
				),
		);
		this.#preferred = -1;
		clock.setTimeout(() => {
			this.#preferred = this.#newcomer.spatialLayer;
			this.#newcomer.ready();
		}, CHANNEL_MS);
	}

	receive(layer: number, { payload, descriptor, captureTimeMs }: SentPacket): void {
		const isKey = descriptor === 'switch-point' || startsH264KeyFrame(payload);
		if (layer === this.#preferred && layer !== this.layers.at(-1) && isKey) {
			this.layers.push(layer);
			this.#clock.setTimeout(() => this.#newcomer.onLayer(layer), CHANNEL_MS);
		}
		if (layer === this.layers.at(-1) && descriptor !== 'hidden') {
			this.firstPictureAtMs = Math.min(this.firstPictureAtMs, this.#clock.monotonicMs());
			this.pictures.push(Math.round(captureTimeMs! / FRAME_MS));
		}
	}
}

/** A live stream of pictures of one packet each, and the viewers who join it. */
function goLive() {
	const clock = new FakeClock();
	const viewers: ModelViewer[] = [];
	const sentCount = new Array<number>(VIDEO_LAYER_COUNT).fill(0);
	const streams = sentCount.map((_, layer) => {
		const send = (datagram: Buffer): void => {
			const sent = new SentPackets();
			sent.add(datagram);
			for (const packet of sent.packets) {
				sentCount[layer]!++;
				viewers.forEach((viewer) => viewer.receive(layer, packet));
			}
		};
		const options = { ssrc: 1 + layer, payloadType: 108, clockRate: VIDEO_CLOCK_RATE, cname: 'stage' };
		return new StageStream({ clock, send }, options);
	});
	const track = new VideoStageTrack({ clock, logger: silentLogger, streams });
	let next = 0;
	const feed = async (pictureCount: number, between: () => void = () => undefined): Promise<void> => {
		for (const end = next + pictureCount; next < end; next++) {
			const isKeyFrame = next % GOP_PICTURES === 0;
			const payloads = isKeyFrame ? [Uint8Array.of(0x67, 1), Uint8Array.of(0x65, 2)] : [Uint8Array.of(0x41, 3)];
			track.writePicture({ payloads, isKeyFrame, timelineTicks: next * 3000, captureTimeMs: next * FRAME_MS });
			for (let step = 0; step < 3; step++) {
				between();
				await clock.advance(FRAME_MS / 3);
			}
		}
	};
	const join = (): void => void viewers.push(new ModelViewer(clock, track));
	return { clock, track, viewers, sentCount, feed, join };
}

describe('a crowd over a whole GOP', () => {
	it('waits 130 ms at most, each viewer for a GOP of its own without a gap or a repetition', async () => {
		const { viewers, feed, join } = goLive();
		await feed(GOP_PICTURES + 1);
		await feed(GOP_PICTURES - 5, join);
		await feed(GOP_PICTURES);
		expect(viewers).toHaveLength(165);
		for (const { joinedAtMs, firstPictureAtMs, pictures } of viewers) {
			expect(firstPictureAtMs - joinedAtMs).toBeLessThan(130);
			const numbers = pictures.filter((number, index) => number !== pictures[index - 1]);
			expect(numbers[0]! % GOP_PICTURES).toBe(0);
			expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
			expect(numbers.at(-1)).toBe(3 * GOP_PICTURES - 5);
		}
	});

	it('uses few layers: only the leading one is copied all the time', async () => {
		const { track, viewers, sentCount, feed, join } = goLive();
		await feed(GOP_PICTURES + 1);
		const before = [...sentCount];
		await feed(GOP_PICTURES - 5, join);
		const packetCounts = sentCount.map((count, layer) => count - before[layer]!);
		expect(packetCounts.filter((count) => count > 10).length).toBeLessThanOrEqual(5);
		const leading = viewers[0]!.layers[0];
		const settled = viewers.slice(0, -40);
		expect(new Set(settled.map(({ layers }) => layers.at(-1)))).toEqual(new Set([leading]));
		await feed(GOP_PICTURES);
		expect(new Set(viewers.map(({ layers }) => layers.at(-1)))).toEqual(new Set([track.liveSpatialLayer]));
	});

	it('leaves nothing behind: all layers are free again after the next key frame', async () => {
		const { clock, track, sentCount, feed, join } = goLive();
		await feed(GOP_PICTURES + 1);
		await feed(30, join);
		await feed(GOP_PICTURES);
		const before = [...sentCount];
		await feed(30);
		// One packet in a second or two keeps each one alive.
		const sent = sentCount.map((count, layer) => count - before[layer]!).toSpliced(track.liveSpatialLayer, 1);
		expect(Math.max(...sent)).toBeLessThanOrEqual(1);
		await track.close();
		expect(clock.pendingCount).toBe(0);
	});
});
