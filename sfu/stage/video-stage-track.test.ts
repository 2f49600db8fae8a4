/** Tests of the stage's tracks: splicing of publishers at key frames, the newest GOP, and where newcomers begin. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/logger.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import type { Newcomer } from './join/cohort.ts';
import { startsH264KeyFrame } from '../rtp/h264-depacketizer.ts';
import { AudioStageTrack } from './audio-stage-track.ts';
import type { OwnPicture, PublisherPacket } from './layer/live-layer.ts';
import { VideoStageTrack } from './video-stage-track.ts';
import { createStream, SentPackets, sequenceSteps, timestampSteps } from './testing/sent-packets.ts';

const LIVE_SSRC = 900;
/** Of the join layers, whose spatial layers they are. */
const JOIN_SSRCS = [1, 2, 3];
const ACCESS_UNIT_DELIMITER = 0x09;
const FRAME_MS = 100 / 3;
const SPS = Uint8Array.of(0x67, 1);
const IDR = Uint8Array.of(0x65, 2);
const SLICE = Uint8Array.of(0x41, 3);

type SetUp = {
	clock: FakeClock;
	sent: SentPackets;
	live: () => SentPackets['packets'];
	/** What was sent on a layer, without what only keeps it awake. */
	pictures: (ssrc: number) => SentPackets['packets'];
	track: VideoStageTrack;
};

function setUp(): SetUp {
	const clock = new FakeClock();
	const sent = new SentPackets();
	const streams = [LIVE_SSRC, ...JOIN_SSRCS].map((ssrc) => createStream(ssrc, clock, sent));
	const track = new VideoStageTrack({ clock, logger: silentLogger, streams }, 1);
	const pictures = (ssrc: number): SentPackets['packets'] =>
		sent.of(ssrc).filter(({ payload }) => payload[0] !== ACCESS_UNIT_DELIMITER);
	return { clock, sent, live: () => sent.of(LIVE_SSRC), pictures, track };
}

/** The packets of one picture as a WHIP publisher sends them: SPS, IDR or a slice. */
function picture(number: number, firstSequence: number, isKeyFrame: boolean): PublisherPacket[] {
	const payloads = isKeyFrame ? [SPS, IDR] : [SLICE];
	return payloads.map((payload, index) => ({
		payload,
		hasMarker: index === payloads.length - 1,
		sequenceNumber: (firstSequence + index) % 65_536,
		timelineTicks: number * 3000,
		captureTimeMs: number * FRAME_MS,
	}));
}

/** A publisher's packets over some pictures, a key frame every `gop`. */
function publisherPackets(
	firstPicture: number,
	pictureCount: number,
	firstSequence: number,
	gop = 10,
): PublisherPacket[] {
	const packets: PublisherPacket[] = [];
	for (let index = 0; index < pictureCount; index++) {
		packets.push(...picture(firstPicture + index, firstSequence + packets.length, index % gop === 0));
	}
	return packets;
}

function ownPicture(number: number, isKeyFrame: boolean): OwnPicture {
	return {
		payloads: isKeyFrame ? [SPS, IDR] : [SLICE],
		isKeyFrame,
		timelineTicks: number * 3000,
		captureTimeMs: number * FRAME_MS,
	};
}

function forward(track: VideoStageTrack, packets: readonly PublisherPacket[]): void {
	packets.forEach((packet) => track.forward(packet));
}

/** Feeds pictures in real time, so that the track measures the length of a GOP. */
async function feed(
	track: VideoStageTrack,
	clock: FakeClock,
	firstPicture: number,
	pictureCount: number,
	gop = 30,
): Promise<void> {
	for (let number = firstPicture; number < firstPicture + pictureCount; number++) {
		track.writePicture(ownPicture(number, number % gop === 0));
		await clock.advance(FRAME_MS);
	}
}

async function setUpFed(pictureCount: number): Promise<SetUp> {
	const made = setUp();
	await feed(made.track, made.clock, 0, pictureCount);
	return made;
}

describe('startsH264KeyFrame', () => {
	it.each([
		['an SPS alone', [0x67, 1], true],
		['an SPS in a STAP-A, behind others', [0x78, 0, 2, 0x09, 0xf0, 0, 1, 0x67], true],
		['a STAP-A without SPS', [0x78, 0, 1, 0x68, 0, 1, 0x06], false],
		['an IDR slice alone', [0x65, 1], false],
		['a fragment of an IDR slice', [0x7c, 0x85, 1], false],
		['another slice', [0x41, 1], false],
		['nothing', [], false],
		['a STAP-A whose unit lies past the end', [0x78, 0, 9, 0x68], false],
	])('is right for %s', (_what, bytes, expected) => {
		expect(startsH264KeyFrame(Uint8Array.from(bytes))).toBe(expected);
	});

	it('never throws and never loops', () => {
		const payload = fc.tuple(fc.constantFrom(0x78, 0x18, 0x67, 0x7c), fc.uint8Array({ maxLength: 200 }));
		fc.assert(
			fc.property(payload, ([head, rest]) => typeof startsH264KeyFrame(Uint8Array.of(head, ...rest)) === 'boolean'),
			{ numRuns: 1000 },
		);
	});
});

describe('VideoStageTrack', () => {
	it('drops all before the first key frame', () => {
		const { live, track } = setUp();
		track.forward(picture(0, 10, false)[0]!);
		track.writePicture(ownPicture(1, false));
		expect(live()).toEqual([]);
		forward(track, picture(2, 11, true));
		expect(live().map(({ payload }) => payload[0])).toEqual([0x67, 0x65]);
		expect(track.statistics).toEqual({ pictureCount: 1, keyFrameCount: 1, packetCount: 2, octetCount: 4 });
	});

	it('keeps numbers without a gap and timestamps ascending over take-overs of both kinds', () => {
		const { live, track } = setUp();
		forward(track, publisherPackets(0, 25, 65_530));
		track.beginRun();
		// The second publisher's rest of a GOP is dropped.
		forward(track, [...picture(25, 39_999, false), ...publisherPackets(26, 15, 40_000)]);
		track.beginRun();
		track.writePicture(ownPicture(41, false));
		for (let number = 42; number < 60; number++) {
			track.writePicture(ownPicture(number, number === 42));
		}
		track.beginRun();
		forward(track, publisherPackets(60, 5, 3));
		const packets = live();
		expect(track.statistics.pictureCount).toBe(25 + 15 + 18 + 5);
		expect(track.statistics.keyFrameCount).toBe(3 + 2 + 1 + 1);
		expect(new Set(sequenceSteps(packets))).toEqual(new Set([1]));
		expect(Math.min(...timestampSteps(packets))).toBe(0);
		expect(timestampSteps(packets).filter((step) => step > 0)).toHaveLength(track.statistics.pictureCount - 1);
		expect(packets.every((packet) => packet.captureTimeMs !== undefined)).toBe(true);
	});

	it.each(['forwarded', 'our own'])(
		'leaves one number out when the last picture is not complete and the next is %s',
		(kind) => {
			const { live, track } = setUp();
			track.forward(picture(0, 10, true)[0]!);
			track.beginRun();
			if (kind === 'forwarded') {
				forward(track, picture(1, 500, true));
			} else {
				track.writePicture(ownPicture(1, true));
			}
			expect(sequenceSteps(live())).toEqual([2, 1]);
		},
	);

	it('puts a packet that was sent again into its place, and drops one from before the splice', () => {
		const { live, track } = setUp();
		const packets = publisherPackets(0, 5, 100);
		const [late] = packets.splice(3, 1);
		forward(track, packets);
		track.forward(late!);
		track.forward({ ...late!, sequenceNumber: 99 });
		const numbers = live().map(({ sequenceNumber }) => sequenceNumber);
		expect(numbers).toHaveLength(6);
		expect((numbers.at(-1)! - numbers[0]! + 65_536) % 65_536).toBe(3);
	});

	it('reports at once after a take-over, because capture time and timestamps may relate differently', async () => {
		const { sent, track } = await setUpFed(30);
		const before = sent.reports.filter(({ ssrc }) => ssrc === LIVE_SSRC).length;
		track.beginRun();
		track.writePicture(ownPicture(30, true));
		expect(sent.reports.filter(({ ssrc }) => ssrc === LIVE_SSRC)).toHaveLength(before + 1);
	});

	it('makes every layer known to mediasoup with a packet and a report, and continues behind it', () => {
		const { sent, live, track } = setUp();
		track.prime();
		expect([...JOIN_SSRCS, LIVE_SSRC].map((ssrc) => sent.of(ssrc).length)).toEqual([1, 1, 1, 1]);
		expect(new Set(sent.reports.map(({ ssrc }) => ssrc))).toEqual(new Set([...JOIN_SSRCS, LIVE_SSRC]));
		expect(sent.packets.some(({ payload }) => startsH264KeyFrame(payload))).toBe(false);
		track.writePicture(ownPicture(300, true));
		expect(sequenceSteps(live())).toEqual([1, 1]);
		expect(timestampSteps(live())).toEqual([900_000, 0]);
	});
});

describe('VideoStageTrack.join', () => {
	type Joined = Newcomer & { isMovedOn: () => boolean };

	/** Joins with a Consumer that runs at once, or not yet. */
	function join(track: VideoStageTrack, isReady = true): Joined {
		let isMovedOn = false;
		const newcomer = track.join(() => {
			isMovedOn = true;
			return Promise.resolve();
		});
		if (isReady) {
			newcomer.ready();
		}
		return { ...newcomer, isMovedOn: () => isMovedOn };
	}

	it('begins on the live layer while there is no GOP', () => {
		const { clock, track } = setUp();
		expect(join(track).spatialLayer).toBe(track.liveSpatialLayer);
		expect(track.liveSpatialLayer).toBe(0);
		expect(clock.pendingCount).toBe(0);
	});

	it('bursts the whole GOP onto an idle layer, moves the newcomer on, and follows until they have moved', async () => {
		const { clock, pictures, track } = await setUpFed(10);
		const newcomer = join(track);
		expect(newcomer.spatialLayer).toBe(1);
		await clock.advance(7);
		expect(pictures(1)).toEqual([]);
		await clock.advance(2);
		const burst = pictures(1);
		expect(burst).toHaveLength(11);
		expect(startsH264KeyFrame(burst[0]!.payload)).toBe(true);
		expect(timestampSteps(burst).filter((step) => step !== 0)).toEqual(new Array(9).fill(90));
		// The newest picture of the burst and of the live layer have the same timestamp, so that the move needs no jump.
		expect(burst.at(-1)!.timestampTicks).toBe(pictures(LIVE_SSRC).at(-1)!.timestampTicks);
		track.writePicture(ownPicture(10, false));
		track.writePicture(ownPicture(30, true));
		expect(pictures(1)).toHaveLength(14);
		newcomer.finished();
		track.writePicture(ownPicture(31, false));
		expect(pictures(1)).toHaveLength(14);
	});

	it('serves as many cohorts as there are layers, each gathering longer, and then the live layer', async () => {
		const { clock, pictures, track } = await setUpFed(5);
		const first = [join(track), join(track)];
		await clock.advance(14);
		const second = join(track);
		await clock.advance(20);
		const secondToo = join(track);
		const burstCount = (): number[] => JOIN_SSRCS.map((ssrc) => pictures(ssrc).length);
		expect(burstCount()).toEqual([6, 0, 0]);
		await clock.advance(8);
		expect(burstCount()).toEqual([6, 6, 0]);
		const third = join(track);
		await clock.advance(47);
		expect(burstCount()).toEqual([6, 6, 0]);
		await clock.advance(1);
		expect(burstCount()).toEqual([6, 6, 6]);
		const late = join(track);
		expect([...first, second, secondToo, third, late].map(({ spatialLayer }) => spatialLayer)).toEqual([
			1, 1, 2, 2, 3, 0,
		]);
		await clock.advance(500);
		expect([...first, second, secondToo, third].every((newcomer) => newcomer.isMovedOn())).toBe(true);
	});

	it('bursts when all who gathered can receive it, and waits 250 ms for the slowest', async () => {
		const { clock, pictures, track } = await setUpFed(5);
		const [quick, slow] = [join(track), join(track, false)];
		await clock.advance(100);
		expect(pictures(1)).toEqual([]);
		// A newcomer now makes them wait longer, and so begins the next cohort.
		const next = join(track, false);
		expect(next.spatialLayer).toBe(2);
		await clock.advance(157);
		expect(pictures(1)).toEqual([]);
		await clock.advance(1);
		expect(pictures(1)).toHaveLength(6);
		expect([quick, slow, next].map((newcomer) => newcomer.isMovedOn())).toEqual([false, false, false]);
		slow.ready();
		expect(slow.isMovedOn()).toBe(true);
	});

	it('does not wait for viewers who leave, and sends no burst when all have left', async () => {
		const { clock, pictures, track } = await setUpFed(5);
		const [first, leaving] = [join(track), join(track, false)];
		await clock.advance(9);
		leaving.finished();
		expect(pictures(1)).toHaveLength(6);
		first.finished();
		const alone = join(track, false);
		alone.finished();
		await clock.advance(300);
		expect(join(track).spatialLayer).toBe(1);
		expect(pictures(1)).toHaveLength(6);
	});

	it('moves on a newcomer that is not on the live layer half a second after the burst', async () => {
		const { clock, track } = await setUpFed(5);
		const [missed, reached] = [join(track), join(track)];
		await clock.advance(8);
		reached.finished();
		await clock.advance(499);
		expect(missed.isMovedOn()).toBe(false);
		await clock.advance(1);
		expect([missed.isMovedOn(), reached.isMovedOn()]).toEqual([true, false]);
	});

	it('gives a second cohort on a layer that is free again its own burst', async () => {
		const { clock, pictures, track } = await setUpFed(5);
		const first = join(track);
		await clock.advance(20);
		first.finished();
		expect(join(track).spatialLayer).toBe(1);
		await clock.advance(20);
		expect(pictures(1)).toHaveLength(12);
	});

	it('keeps idle layers alive from the first picture on, with the times of the newest, hidden from viewers', async () => {
		const { clock, sent, pictures, track } = setUp();
		track.prime();
		await clock.advance(3000);
		const countOf = (): number[] => JOIN_SSRCS.map((ssrc) => sent.of(ssrc).length);
		expect(countOf()).toEqual([1, 1, 1]);
		await feed(track, clock, 90, 61);
		expect(countOf()).toEqual([3, 3, 3]);
		const awake = sent.of(1).at(-1)!;
		const newest = sent.of(LIVE_SSRC).at(-1)!;
		expect(awake.descriptor).toBe('hidden');
		expect(newest.timestampTicks - awake.timestampTicks).toBeLessThanOrEqual(3000);
		expect(newest.captureTimeMs! - awake.captureTimeMs!).toBeLessThanOrEqual(FRAME_MS + 1);
		join(track);
		await clock.advance(2000);
		expect(countOf()[0]! - pictures(1).length).toBe(3);
		expect(countOf().slice(1)).toEqual([4, 4]);
		await track.close();
		expect(clock.pendingCount).toBe(0);
	});

	it('keeps the live layer alive while the publisher is away, with the newest number', async () => {
		const { clock, live } = await setUpFed(5);
		const newest = live().at(-1)!;
		const count = live().length;
		await clock.advance(9000);
		const { sequenceNumber, timestampTicks } = newest;
		const hidden = { descriptor: 'hidden', sequenceNumber, timestampTicks };
		expect(live().slice(count)).toMatchObject([hidden, hidden, hidden, hidden]);
	});

	it('counts a newcomer once, however often it finishes', async () => {
		const { clock, pictures, track } = await setUpFed(5);
		const [leaving, staying] = [join(track), join(track)];
		await clock.advance(20);
		leaving.finished();
		leaving.finished();
		track.writePicture(ownPicture(30, true));
		track.writePicture(ownPicture(31, false));
		expect(pictures(1)).toHaveLength(6 + 3);
		staying.finished();
		track.writePicture(ownPicture(60, true));
		expect(pictures(1)).toHaveLength(6 + 3);
	});

	it('waits on the live layer when the next key frame is near', async () => {
		const { track } = await setUpFed(57);
		// The GOP lasts 1000 ms; 27 pictures of the second have passed.
		expect(join(track).spatialLayer).toBe(track.liveSpatialLayer);
	});

	it('bursts when the key frame that was near does not come', async () => {
		const { clock, track } = await setUpFed(59);
		await clock.advance(200);
		expect(join(track).spatialLayer).toBe(1);
	});

	it('does not rely on the GOP length of a publisher that is gone', async () => {
		const { clock, track } = await setUpFed(31);
		track.beginRun();
		track.writePicture(ownPicture(31, true));
		await clock.advance(930);
		expect(join(track).spatialLayer).toBe(1);
	});

	it('has the whole key frame in its burst when packets of it overtook the first', async () => {
		const { clock, pictures, track } = setUp();
		forward(track, publisherPackets(0, 3, 100));
		const [sps, idr] = picture(3, 104, true);
		forward(track, [idr!, sps!]);
		join(track);
		await clock.advance(9);
		expect(pictures(1).map(({ payload }) => payload[0])).toEqual([0x67, 0x65]);
	});

	it('keeps the GOP when a packet of the key frame before is sent again', async () => {
		const { clock, pictures, track } = setUp();
		const packets = publisherPackets(0, 13, 100);
		forward(track, [...packets, packets[0]!]);
		join(track);
		await clock.advance(9);
		expect(pictures(1)).toHaveLength(4);
		expect(track.statistics.keyFrameCount).toBe(2);
	});

	it('leaves no timer when closed', async () => {
		const { clock, pictures, track } = await setUpFed(5);
		const newcomer = join(track);
		await track.close();
		expect(clock.pendingCount).toBe(0);
		await clock.advance(1000);
		expect(pictures(1)).toEqual([]);
		expect(newcomer.isMovedOn()).toBe(false);
	});
});

describe('AudioStageTrack', () => {
	it('keeps numbers without a gap and timestamps ascending over a take-over', () => {
		const clock = new FakeClock();
		const sent = new SentPackets();
		const track = new AudioStageTrack(createStream(1, clock, sent));
		const frame = (number: number): Omit<PublisherPacket, 'sequenceNumber'> => ({
			hasMarker: true,
			payload: Uint8Array.of(0xfc, number),
			timelineTicks: number * 960,
			captureTimeMs: number * 20,
		});
		for (const number of [0, 1, 3, 2, 4]) {
			track.forward({ ...frame(number), sequenceNumber: (65_534 + number) % 65_536 });
		}
		track.beginRun();
		for (const number of [5, 6]) {
			track.writeFrame({ bytes: frame(number).payload, timelineTicks: number * 960, captureTimeMs: number * 20 });
		}
		track.beginRun();
		track.forward({ ...frame(7), sequenceNumber: 1234 });
		const inOrder = sent.packets.toSorted((one, other) => one.payload[1]! - other.payload[1]!);
		expect(sequenceSteps(inOrder)).toEqual([1, 1, 1, 1, 1, 1, 1]);
		expect(timestampSteps(inOrder)).toEqual([960, 960, 960, 960, 960, 960, 960]);
		expect(track.statistics).toEqual({ packetCount: 8, octetCount: 16 });
	});
});
