/** Live stills: when they are made, of which picture, and that nothing remains of a broadcast that has ended. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BroadcastId, ChannelName } from '../../core/ids.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { defaultPackagerConfig } from '../config/packager-config.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import type { ArchivedSegment } from '../live/archive.ts';
import { BroadcastPackager } from '../live/broadcast-packager.ts';
import type { PictureSize } from '../recording/storyboard.ts';
import { SIMULATED_LADDER, SIMULATED_VIDEO, simulateRun, simulateRung } from '../testing/simulated-source.ts';
import { LADDER_TRACKS } from '../testing/watched-broadcast.ts';
import { LiveStills, LOOK_INTERVAL_MS, STILL_INTERVAL_MS } from './live-stills.ts';
import type { PlacedKeyFrame } from './picture-maker.ts';

type Asked = {
	sizes: readonly PictureSize[];
	frames: PlacedKeyFrame[];
	finish: (bytes: Uint8Array) => void;
	fail: (error: Error) => void;
};

let clock: FakeClock;
let logger: RecordingLogger;
let asked: Asked[];
let isGreen: boolean;
let stills: LiveStills;

beforeEach(() => {
	[clock, logger, asked, isGreen] = [new FakeClock(), new RecordingLogger(), [], true];
	const maker = {
		stills: (
			frames: Iterable<PlacedKeyFrame> | AsyncIterable<PlacedKeyFrame>,
			sizes: readonly PictureSize[],
			signal: AbortSignal,
		) =>
			new Promise<ReadonlyMap<number, Uint8Array>[]>((resolve, reject) => {
				const finish = (bytes: Uint8Array): void => resolve(sizes.map(() => new Map([[0, bytes]])));
				asked.push({ sizes, frames: [...(frames as Iterable<PlacedKeyFrame>)], finish, fail: reject });
				signal.addEventListener('abort', () => reject(signal.reason as Error));
			}),
	};
	stills = new LiveStills({ maker, clock, logger, mayRun: () => isGreen });
});
afterEach(() => stills.close());

function open(name: string): BroadcastPackager {
	const config = defaultPackagerConfig();
	const ids = { broadcastId: name as BroadcastId, channelName: name as ChannelName };
	const broadcast = new BroadcastPackager({ config, clock, logger }, ids);
	broadcast.beginRun(0, new Map([['video0', SIMULATED_VIDEO]]));
	stills.watch(broadcast);
	return broadcast;
}

function feed(broadcast: BroadcastPackager, startSeconds = 100, durationSeconds = 4): void {
	media(startSeconds, durationSeconds).forEach((unit) => broadcast.write(unit));
}

function media(startSeconds: number, durationSeconds: number): AccessUnit[] {
	return simulateRun({ startSeconds, durationSeconds, video: { frameRate: 30, gopFrames: 60 } });
}

describe('LiveStills', () => {
	it('makes the first one soon after the first key frame, and the next ten seconds later', async () => {
		const broadcast = open('one');
		await clock.advance(3 * LOOK_INTERVAL_MS);
		expect(asked.length).toBe(0);
		feed(broadcast);
		await clock.advance(LOOK_INTERVAL_MS);
		expect(asked.length).toBe(1);
		expect(stills.still(broadcast.broadcastId)).toBeUndefined();
		asked[0]!.finish(Uint8Array.of(1));
		await clock.advance(0);
		const first = stills.still(broadcast.broadcastId)!;
		expect(first.bytes).toEqual(Uint8Array.of(1));
		feed(broadcast, 104);
		await clock.advance(STILL_INTERVAL_MS - 2 * LOOK_INTERVAL_MS);
		expect(asked.length).toBe(1);
		await clock.advance(2 * LOOK_INTERVAL_MS);
		expect(asked.length).toBe(2);
		asked[1]!.finish(Uint8Array.of(2));
		await clock.advance(0);
		expect(stills.still(broadcast.broadcastId)!.etag).not.toBe(first.etag);
	});

	it('makes none of a picture that it has', async () => {
		const broadcast = open('one');
		feed(broadcast);
		await clock.advance(LOOK_INTERVAL_MS);
		asked[0]!.finish(Uint8Array.of(1));
		await clock.advance(5 * STILL_INTERVAL_MS);
		expect(asked.length).toBe(1);
	});

	it('keeps a small copy of each with the time of its picture, as long as that can be rewound', async () => {
		const broadcast = open('one');
		const { broadcastId } = broadcast;
		const times = (): number[] => stills.strip(broadcastId).map(({ capturedAtMs }) => capturedAtMs);
		const units = media(100, 48);
		const feedUntil = (seconds: number): void => {
			const end = units.findIndex(({ decodeTimeTicks }) => decodeTimeTicks >= seconds * VIDEO_CLOCK_RATE);
			units.splice(0, end < 0 ? units.length : end).forEach((unit) => broadcast.write(unit));
		};
		for (let round = 0; round < 3; round++) {
			feedUntil(112 + 12 * round);
			await clock.advance(round === 0 ? LOOK_INTERVAL_MS : STILL_INTERVAL_MS + LOOK_INTERVAL_MS);
			asked[round]!.finish(Uint8Array.of(round));
			await clock.advance(0);
		}
		expect(asked[0]!.sizes).toEqual([
			{ widthPixels: 320, heightPixels: 180 },
			{ widthPixels: 160, heightPixels: 90 },
		]);
		expect(stills.strip(broadcastId).map(({ bytes }) => bytes[0])).toEqual([0, 1, 2]);
		const [first, second, third] = times();
		expect([second! - first!, third! - second!]).toEqual([12_000, 12_000]);
		// GOPs of two seconds: the newest complete one begins ten seconds after the first.
		const { rendition } = broadcast.offered[0]!;
		expect(first! - rendition.segments[0]!.programDateTimeMs).toBeCloseTo(10_000, -1);
		const kept = { capturedAtMs: second! + 1000 } as ArchivedSegment;
		broadcast.archive = { segments: () => [kept], get: () => Promise.reject(new Error('none')) };
		feedUntil(148);
		await clock.advance(STILL_INTERVAL_MS + LOOK_INTERVAL_MS);
		asked[3]!.finish(Uint8Array.of(3));
		await clock.advance(0);
		// The second shows the oldest moment.
		expect(times().slice(0, 2)).toEqual([second, third]);
		broadcast.end();
		expect(times()).toEqual([]);
	});

	it('takes the newest key frame of the smallest picture', async () => {
		const ladder = new Map([...SIMULATED_LADDER].filter(([trackId]) => trackId === 'video0' || trackId === 'video4'));
		const source = media(100, 5);
		const broadcast = new BroadcastPackager(
			{ config: defaultPackagerConfig(), clock, logger },
			{ broadcastId: 'one' as BroadcastId, channelName: 'one' as ChannelName },
		);
		const tracks = new Map([...LADDER_TRACKS].filter(([trackId]) => trackId === 'video0' || trackId === 'video4'));
		// All simulated pictures have one size; a source that is larger by its configuration alone is as good.
		tracks.set('video0', { ...SIMULATED_VIDEO, widthPixels: 1920, heightPixels: 1080 });
		broadcast.beginRun(0, tracks, ladder);
		stills.watch(broadcast);
		const rung = simulateRung(source, 'video4', ladder.get('video4')!);
		for (const unit of [...source, ...rung].toSorted((a, b) => a.decodeTimeTicks - b.decodeTimeTicks)) {
			broadcast.write(unit);
		}
		await clock.advance(LOOK_INTERVAL_MS);
		const newest = rung.filter(({ isKeyFrame }) => isKeyFrame).at(-1)!;
		expect(asked[0]!.frames.map(({ keyFrame }) => Buffer.compare(keyFrame.bytes, newest.bytes))).toEqual([0]);
	});

	it('makes one at a time, that of the longest wait first', async () => {
		const [one, two] = [open('one'), open('two')];
		feed(one);
		feed(two);
		await clock.advance(30 * LOOK_INTERVAL_MS);
		expect(asked.length).toBe(1);
		asked[0]!.finish(Uint8Array.of(1));
		await clock.advance(0);
		expect(asked.length).toBe(2);
		asked[1]!.finish(Uint8Array.of(2));
		await clock.advance(0);
		expect([one, two].map(({ broadcastId }) => stills.still(broadcastId)?.bytes[0])).toEqual([1, 2]);
	});

	it('keeps what it has while the machine has no time', async () => {
		const broadcast = open('one');
		feed(broadcast);
		await clock.advance(LOOK_INTERVAL_MS);
		asked[0]!.finish(Uint8Array.of(1));
		isGreen = false;
		feed(broadcast, 104);
		await clock.advance(10 * STILL_INTERVAL_MS);
		expect(asked.length).toBe(1);
		expect(stills.still(broadcast.broadcastId)).toBeDefined();
		isGreen = true;
		await clock.advance(LOOK_INTERVAL_MS);
		expect(asked.length).toBe(2);
	});

	it('tries again after a failure, and keeps what it has', async () => {
		const broadcast = open('one');
		feed(broadcast);
		await clock.advance(LOOK_INTERVAL_MS);
		asked[0]!.fail(new SpillwayError('TRANSCODER_FAILED', ['it hangs', 'for a test']));
		await clock.advance(STILL_INTERVAL_MS + LOOK_INTERVAL_MS);
		expect(asked.length).toBe(2);
	});

	it.each(['ended', 'closed'] as const)(
		'has none of a broadcast that has %s, also when it was being made',
		async (how) => {
			const broadcast = open('one');
			feed(broadcast);
			await clock.advance(LOOK_INTERVAL_MS);
			asked[0]!.finish(Uint8Array.of(1));
			feed(broadcast, 104);
			await clock.advance(STILL_INTERVAL_MS + LOOK_INTERVAL_MS);
			expect(asked.length).toBe(2);
			if (how === 'ended') {
				broadcast.end();
			} else {
				await broadcast.close('packager-closed');
			}
			expect(stills.still(broadcast.broadcastId)).toBeUndefined();
			asked[1]!.finish(Uint8Array.of(2));
			await clock.advance(0);
			expect(stills.still(broadcast.broadcastId)).toBeUndefined();
			expect(stills.strip(broadcast.broadcastId)).toEqual([]);
			stills.watch(broadcast);
			await clock.advance(STILL_INTERVAL_MS);
			expect(asked.length).toBe(2);
		},
	);

	it('gives up what runs when it is closed', async () => {
		feed(open('one'));
		await clock.advance(LOOK_INTERVAL_MS);
		await stills.close();
		await clock.advance(STILL_INTERVAL_MS);
		expect(asked.length).toBe(1);
	});
});
