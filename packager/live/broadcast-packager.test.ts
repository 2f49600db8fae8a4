/** Whole simulated broadcasts: every playlist of every rendition is checked, and the media behind them. */
import { describe, expect, it } from 'vitest';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { ntpToEpochMs } from '../../core/units.ts';
import { reachableStates } from '../../core/lifecycle/state-machine.ts';
import { BROADCAST_PACKAGER_TRANSITIONS } from './broadcast-packager.ts';
import type { Segment } from '../rendition/segment.ts';
import { findBox, readMp4 } from '../testing/mp4-reader.ts';
import { seededRandom, SIMULATED_VIDEO, simulatedAudio, simulateRun } from '../testing/simulated-source.ts';
import { CAPTURE_START_MS, rtmpLike, VIDEO_AND_AUDIO, WatchedBroadcast } from '../testing/watched-broadcast.ts';

describe('BroadcastPackager', () => {
	it.each([
		[15, 48_000],
		[23.976, 44_100],
		[25, 48_000],
		[29.97, 44_100],
		[30, 48_000],
		[60, 44_100],
	])(
		'keeps every rule in every playlist of a run of %f frames a second with AAC at %d Hz',
		async (frameRate, sampleRate) => {
			const tracks = new Map<TrackId, TrackConfig>([...VIDEO_AND_AUDIO, ['audio0', simulatedAudio(sampleRate)]]);
			const watched = new WatchedBroadcast({ windowSeconds: 18 }, tracks);
			watched.feed(
				simulateRun({
					startSeconds: 1000,
					durationSeconds: 40,
					captureTimeMs: CAPTURE_START_MS,
					video: { frameRate, gopFrames: Math.round(2 * frameRate), jitterMs: 2, isMilliseconds: true },
					audio: { sampleRate, isMilliseconds: true },
					random: seededRandom(7),
				}),
			);
			watched.broadcast.end();
			watched.check();
			expect(watched.faults).toEqual([]);
			expect(watched.playlistCount).toBeGreaterThan(300);
			expect((await watched.media('video0')).faults).toEqual([]);
			expect((await watched.media('audio0')).faults).toEqual([]);
			expect(watched.broadcast.counters).toEqual({ droppedUnits: 0, forcedCuts: 0, earlyEvictions: 0 });
		},
	);

	it('writes this playlist', () => {
		const watched = new WatchedBroadcast();
		watched.feed(rtmpLike(2.75));
		expect(watched.text('video0')).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:3
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=18,PART-HOLD-BACK=0.63,HOLD-BACK=9
#EXT-X-PART-INF:PART-TARGET=0.21
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI="init0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXT-X-PART:DURATION=0.20040002,URI="part1.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.19996668,URI="part2.m4s"
#EXT-X-PART:DURATION=0.20001113,URI="part3.m4s"
#EXT-X-PART:DURATION=0.20000002,URI="part4.m4s"
#EXT-X-PART:DURATION=0.20000002,URI="part5.m4s"
#EXT-X-PART:DURATION=0.20000002,URI="part6.m4s"
#EXT-X-PART:DURATION=0.20000002,URI="part7.m4s"
#EXT-X-PART:DURATION=0.20000002,URI="part8.m4s"
#EXT-X-PART:DURATION=0.20000002,URI="part9.m4s"
#EXT-X-PART:DURATION=0.20000002,URI="part10.m4s"
#EXTINF:2.00037797,
segment1.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.001Z
#EXT-X-PART:DURATION=0.20000002,URI="part11.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.20000002,URI="part12.m4s"
#EXT-X-PART:DURATION=0.20000002,URI="part13.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part14.m4s"
#EXT-X-RENDITION-REPORT:URI="../audio0/index.m3u8",LAST-MSN=2,LAST-PART=3
`);
	});

	it('lists a segment as complete together with the part after it, and the last one when nothing follows', () => {
		const watched = new WatchedBroadcast();
		// Key frames 33 ms after a part's end: the segment's last part is a short one, known to be the last when it comes.
		const units = simulateRun({
			startSeconds: 1000,
			durationSeconds: 20,
			captureTimeMs: CAPTURE_START_MS,
			video: { frameRate: 30, gopFrames: 61, jitterMs: 2, isMilliseconds: false },
			audio: { sampleRate: 48_000, isMilliseconds: false },
			random: seededRandom(3),
		});
		const last = (trackId: TrackId): Segment | undefined => watched.broadcast.rendition(trackId)?.segments.at(-1);
		const closed: string[] = [];
		for (const unit of units) {
			watched.broadcast.write(unit);
			for (const trackId of ['video0', 'audio0'] as const) {
				if (last(trackId)?.isComplete === true) {
					closed.push(`${trackId} ${last(trackId)!.mediaSequence}`);
				}
			}
		}
		expect(closed).toEqual([]);
		expect(last('video0')!.mediaSequence).toBeGreaterThan(8);
		watched.broadcast.interrupt();
		expect([last('video0')!.isComplete, last('audio0')!.isComplete]).toEqual([true, true]);
	});

	it.each([
		['advances by the durations while capture times jitter', 5, 0],
		['follows the capture time when it is off by 60 ms', 0, 60],
	])('has a date that %s', (_name, jitterMs, stepMs) => {
		const watched = new WatchedBroadcast();
		const random = seededRandom(7);
		watched.feed(
			rtmpLike(20).map((unit) => {
				const offMs = (random() - 0.5) * 2 * jitterMs + (unit.decodeTimeTicks / unit.clockRate > 1010 ? stepMs : 0);
				return { ...unit, captureTimeMs: unit.captureTimeMs + offMs };
			}),
		);
		const { segments } = watched.broadcast.rendition('video0')!;
		const [first] = segments;
		const driftMs = segments.map(
			({ programDateTimeMs, startTicks }) =>
				programDateTimeMs - first!.programDateTimeMs - (startTicks - first!.startTicks) / 90,
		);
		expect(segments.length).toBeGreaterThan(8);
		// Dates are whole milliseconds.
		expect(Math.abs(driftMs[3]!)).toBeLessThan(1);
		expect(Math.abs(driftMs.at(-1)! - stepMs)).toBeLessThan(stepMs === 0 ? 1 : 2);
	});

	it('lists audio as a separate rendition, with peak rate, codecs, size and frame rate', () => {
		const watched = new WatchedBroadcast();
		watched.feed(rtmpLike(5));
		expect(watched.multivariantText()).toMatch(
			/^#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio0\/index.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=\d+,AVERAGE-BANDWIDTH=\d+,SCORE=2,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=320x180,FRAME-RATE=30.000,AUDIO="audio",CLOSED-CAPTIONS=NONE\nvideo0\/index.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=\d+,AVERAGE-BANDWIDTH=\d+,SCORE=1,CODECS="mp4a.40.2"\naudio0\/index.m3u8\n$/,
		);
	});

	it('continues after a lost publisher: media sequence continues, discontinuity, new init segment, both renditions alike', async () => {
		const watched = new WatchedBroadcast({ windowSeconds: 18 });
		watched.feed(rtmpLike(7.3));
		watched.broadcast.interrupt();
		watched.check();
		expect(watched.broadcast.state).toBe('interrupted');
		const before = watched.broadcast.rendition('video0')!.nextMediaSequence;
		watched.feed(rtmpLike(1, 1020, 0));
		expect(watched.broadcast.rendition('video0')!.nextMediaSequence).toBe(before);
		watched.broadcast.beginRun(1, VIDEO_AND_AUDIO);
		watched.feed(rtmpLike(30, 1020, 1));
		expect(watched.broadcast.state).toBe('live');
		watched.end();
		expect(watched.faults).toEqual([]);
		for (const trackId of ['video0', 'audio0'] as const) {
			const latest = watched.checkers.get(trackId)!.latest!;
			expect(latest.segments.at(-1)!.discontinuitySequence).toBe(1);
			expect(latest.segments.at(-1)!.map).toBe('init1.mp4');
			expect((await watched.media(trackId)).faults).toEqual([]);
		}
	});

	it('lists the discontinuity and the next init segment in the playlist', () => {
		const watched = new WatchedBroadcast({}, new Map([['video0', SIMULATED_VIDEO]]));
		const run = (number: number, startSeconds: number, durationSeconds: number): AccessUnit[] =>
			rtmpLike(durationSeconds, startSeconds, number).filter((unit) => unit.trackId === 'video0');
		watched.feed(run(0, 1000, 2.2));
		watched.broadcast.interrupt();
		watched.broadcast.beginRun(1, new Map([['video0', SIMULATED_VIDEO]]));
		watched.feed(run(1, 1010, 0.1));
		expect(watched.text('video0').split('\n').slice(-7)).toEqual([
			'#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.001Z',
			'#EXT-X-PART:DURATION=0.20000002,URI="part11.m4s",INDEPENDENT=YES',
			'#EXTINF:0.20000002,',
			'segment2.m4s',
			'#EXT-X-PRELOAD-HINT:TYPE=MAP,URI="init1.mp4"',
			'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part12.m4s"',
			'',
		]);
		watched.feed(run(1, 1010, 0.3).slice(3));
		expect(watched.text('video0').split('\n').slice(-6)).toEqual([
			'#EXT-X-DISCONTINUITY',
			'#EXT-X-MAP:URI="init1.mp4"',
			'#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:10.000Z',
			'#EXT-X-PART:DURATION=0.20040002,URI="part12.m4s",INDEPENDENT=YES',
			'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part13.m4s"',
			'',
		]);
		expect(watched.faults).toEqual([]);
	});

	it.each([
		['sound', 'audio0'],
		['a picture', 'video0'],
	] as const)('keeps both renditions in step through a run without %s', (_name, missing) => {
		const watched = new WatchedBroadcast({ windowSeconds: 18 });
		watched.feed(rtmpLike(5));
		watched.broadcast.interrupt();
		const tracks = new Map<TrackId, TrackConfig>([...VIDEO_AND_AUDIO].filter(([trackId]) => trackId !== missing));
		watched.broadcast.beginRun(1, tracks);
		watched.feed(rtmpLike(6, 1020, 1).filter((unit) => unit.trackId !== missing));
		const ends = watched.broadcast.renditions.map(({ rendition }) => {
			const last = rendition.segments.at(-1)!;
			return (last.startTicks + last.durationTicks) / last.timescale;
		});
		expect(Math.abs(ends[0]! - ends[1]!)).toBeLessThan(0.6);
		watched.broadcast.interrupt();
		watched.broadcast.beginRun(2, VIDEO_AND_AUDIO);
		watched.feed(rtmpLike(6, 1040, 2));
		watched.end();
		expect(watched.faults).toEqual([]);
		expect(watched.discontinuitySequences).toEqual([2, 2]);
	});

	it('keeps the numbers in step when a run is too short for one of the tracks to send anything', () => {
		const watched = new WatchedBroadcast({ windowSeconds: 18 });
		watched.feed(rtmpLike(5));
		watched.broadcast.interrupt();
		watched.broadcast.beginRun(1, VIDEO_AND_AUDIO);
		watched.feed(rtmpLike(1, 1020, 1).filter((unit) => unit.trackId === 'video0'));
		watched.broadcast.interrupt();
		watched.broadcast.beginRun(2, VIDEO_AND_AUDIO);
		watched.feed(rtmpLike(5, 1040, 2));
		watched.end();
		expect(watched.faults).toEqual([]);
		expect(watched.discontinuitySequences).toEqual([2, 2]);
	});

	it('begins all tracks of a run at its first key frame, also when sound comes first', () => {
		const watched = new WatchedBroadcast();
		const units = rtmpLike(6).filter((unit) => unit.trackId === 'audio0' || unit.decodeTimeTicks >= 1001 * 90_000);
		watched.feed(units);
		const starts = watched.broadcast.renditions.map(
			({ rendition }) => rendition.segments[0]!.startTicks / rendition.segments[0]!.timescale,
		);
		expect(starts[0]).toBe(1002);
		expect(Math.abs(starts[1]! - 1002)).toBeLessThan(0.011);
		expect(watched.faults).toEqual([]);
	});

	it.each([['video0'], ['audio0']] as const)('packages a broadcast of %s alone', (trackId) => {
		const watched = new WatchedBroadcast({}, new Map([[trackId, VIDEO_AND_AUDIO.get(trackId)!]]));
		watched.feed(rtmpLike(6).filter((unit) => unit.trackId === trackId));
		expect(watched.faults).toEqual([]);
		expect(watched.broadcast.isReady).toBe(true);
		expect(watched.broadcast.renditions.map((entry) => entry.trackId)).toEqual([trackId]);
	});

	it('passes B-frames through: presentation times exact, decode times continuous, the first picture at its tfdt', async () => {
		const watched = new WatchedBroadcast({}, new Map([['video0', SIMULATED_VIDEO]]));
		const units = simulateRun({
			startSeconds: 1000,
			durationSeconds: 6,
			video: { frameRate: 30, gopFrames: 60, isMilliseconds: true, bFrames: 2 },
		});
		watched.feed(units);
		watched.end();
		expect(watched.faults).toEqual([]);
		const { packets, faults } = await watched.media('video0');
		expect(faults).toEqual([]);
		expect(packets.map(({ timestampTicks }) => timestampTicks)).toEqual(
			units.map((unit) => unit.presentationTimeTicks),
		);
		// The first composition offset is one frame, which the edit list removes.
		expect(findBox(watched.file('video0', 'part1.m4s'), 'moof/traf/trun')!.readInt32BE(24)).toBe(3000);
		expect([...findBox(watched.file('video0', 'init0.mp4'), 'moov/trak/edts/elst')!]).toEqual([
			0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x0b, 0xb8, 0, 1, 0, 0,
		]);
	});

	it('writes CMAF that reads back: init segments, flags, sizes, capture time', async () => {
		const watched = new WatchedBroadcast();
		const units = rtmpLike(3);
		watched.feed(units);
		expect(await readMp4(watched.file('video0', 'init0.mp4'))).toMatchObject({
			kind: 'video',
			timescale: 90_000,
			codec: 'avc1.4d400d',
			size: '320x180',
		});
		expect(await readMp4(watched.file('audio0', 'init0.mp4'))).toMatchObject({
			kind: 'audio',
			timescale: 48_000,
			codec: 'mp4a.40.2',
		});
		const { packets } = await watched.media('video0');
		const video = units.filter((unit) => unit.trackId === 'video0').slice(0, packets.length);
		expect(packets.map(({ bytes }) => bytes.length)).toEqual(video.map((unit) => unit.bytes.length));
		expect(packets.map(({ isKey }) => isKey)).toEqual(video.map((unit) => unit.isKeyFrame));
		const reference = findBox(watched.file('video0', 'part1.m4s'), 'prft')!;
		const captureTimeMs = ntpToEpochMs(reference.readUInt32BE(8), reference.readUInt32BE(12));
		expect(captureTimeMs).toBeCloseTo(CAPTURE_START_MS, 2);
		expect(Number(reference.readBigUInt64BE(16))).toBe(1000 * 90_000);
	});

	it('fills a hole in the sound with silence, so that audio stays gapless', async () => {
		const watched = new WatchedBroadcast();
		watched.feed(
			rtmpLike(8).filter((unit) => unit.trackId === 'video0' || Math.abs(unit.decodeTimeTicks / 48_000 - 1003) > 0.5),
		);
		const { packets, faults } = await watched.media('audio0');
		expect(faults).toEqual([]);
		expect(watched.faults).toEqual([]);
		expect(packets.filter(({ bytes }) => bytes.length === 9).length).toBeGreaterThan(40);
	});

	it('continues with silence when the publisher stops sending sound', () => {
		const watched = new WatchedBroadcast();
		watched.feed(rtmpLike(12).filter((unit) => unit.trackId === 'video0' || unit.decodeTimeTicks < 1003 * 48_000));
		const last = watched.broadcast.rendition('audio0')!.segments.at(-1)!;
		expect((last.startTicks + last.durationTicks) / 48_000).toBeGreaterThan(1008.5);
		expect(watched.faults).toEqual([]);
	});

	it('makes a discontinuity of a jump in time, on all tracks', () => {
		const watched = new WatchedBroadcast();
		watched.feed(rtmpLike(5));
		watched.feed(rtmpLike(5, 2000));
		watched.end();
		expect(watched.faults).toEqual([]);
		expect(watched.discontinuitySequences).toEqual([1, 1]);
	});

	it('keeps what left the window fetchable for as long as the playlist was long, then deletes it', () => {
		const watched = new WatchedBroadcast({ windowSeconds: 18 });
		watched.feed(rtmpLike(36));
		const rendition = watched.broadcast.rendition('video0')!;
		expect(rendition.mediaSequence).toBeGreaterThan(8);
		const first = watched.broadcast.store.get('video0/segment1.m4s');
		expect(first).toBeInstanceOf(Uint8Array);
		expect(watched.broadcast.store.get('video0/part1.m4s')).toBeInstanceOf(Uint8Array);
		watched.feed(rtmpLike(20, 1036));
		expect(watched.broadcast.store.get('video0/segment1.m4s')).toBeUndefined();
		expect(watched.broadcast.store.get('video0/part1.m4s')).toBeUndefined();
		expect(watched.broadcast.store.get('video0/init0.mp4')).toBeInstanceOf(Uint8Array);
	});

	it('keeps the memory bound at a bit rate for which the window is too long', () => {
		const watched = new WatchedBroadcast({ windowSeconds: 60, maxBroadcastBytes: 16 * 2 ** 20 });
		const heavy = rtmpLike(90).map((unit) =>
			unit.trackId === 'video0' ? { ...unit, bytes: new Uint8Array(13_000) } : unit,
		);
		let most = 0;
		for (const unit of heavy) {
			watched.broadcast.write(unit);
			most = Math.max(most, watched.broadcast.store.totalBytes);
		}
		// One segment in the making, and a second copy of its parts while they are joined.
		expect(most).toBeLessThan(17.5 * 2 ** 20);
		expect(watched.broadcast.windowSeconds).toBeLessThan(20);
		expect(watched.broadcast.counters.earlyEvictions).toBe(0);
	});

	it('offers deltas above two minutes only, and they keep the rules', () => {
		const watched = new WatchedBroadcast({ windowSeconds: 130 }, new Map([['video0', SIMULATED_VIDEO]]));
		watched.feed(rtmpLike(40).filter((unit) => unit.trackId === 'video0'));
		expect(watched.faults).toEqual([]);
		expect(watched.text('video0', true)).toContain('#EXT-X-SKIP:SKIPPED-SEGMENTS=');
		expect(new WatchedBroadcast({ windowSeconds: 120 }).config.windowSeconds).toBe(120);
	});

	it('ignores a codec without a CMAF form, with one warning', () => {
		const tracks = new Map<TrackId, TrackConfig>([
			...VIDEO_AND_AUDIO,
			['audio1', { ...simulatedAudio(48_000), codec: 'opus' }],
		]);
		const watched = new WatchedBroadcast({}, tracks);
		watched.broadcast.beginRun(1, tracks);
		watched.feed(rtmpLike(3, 1000, 1));
		expect(watched.broadcast.renditions.map((entry) => entry.trackId)).toEqual(['video0', 'audio0']);
		expect(watched.logger.lines.filter((line) => line.message.startsWith('track ignored'))).toHaveLength(1);
	});

	it('drops broken and late units, counts them, and never throws', () => {
		const watched = new WatchedBroadcast();
		watched.broadcast.beginRun(1, VIDEO_AND_AUDIO);
		const [unit] = rtmpLike(1, 1000, 1) as [AccessUnit];
		watched.broadcast.write({ ...unit, run: 0 });
		watched.broadcast.write({ ...unit, decodeTimeTicks: NaN });
		watched.broadcast.write({ ...unit, bytes: new Uint8Array(0) });
		watched.broadcast.write({ ...unit, captureTimeMs: Infinity });
		expect(watched.broadcast.counters.droppedUnits).toBe(4);
		watched.feed(rtmpLike(3, 1000, 1));
		expect(watched.faults).toEqual([]);
	});

	it('is ready once all tracks have a part, or two seconds after the first one has', async () => {
		const both = new WatchedBroadcast();
		both.feed(rtmpLike(0.3));
		await both.broadcast.firstPartReady;
		const one = new WatchedBroadcast();
		one.feed(rtmpLike(1).filter((unit) => unit.trackId === 'video0'));
		await one.clock.advance(1990);
		expect(one.broadcast.isReady).toBe(false);
		await one.clock.advance(20);
		expect(one.broadcast.isReady).toBe(true);
	});

	it('stays available after the end for longer than the window, then closes itself', async () => {
		const watched = new WatchedBroadcast({ windowSeconds: 18 });
		watched.feed(rtmpLike(5));
		const reasons: string[] = [];
		watched.broadcast.on('closed', (reason) => reasons.push(reason));
		watched.broadcast.end();
		watched.broadcast.end();
		expect(watched.text('video0')).toMatch(/#EXT-X-ENDLIST\n$/);
		await watched.clock.advance(18_000);
		expect(watched.broadcast.store.totalBytes).toBeGreaterThan(0);
		await watched.clock.advance(10_000);
		expect(reasons).toEqual(['window-expired']);
		expect(watched.broadcast.store.totalBytes).toBe(0);
		expect(watched.clock.pendingCount).toBe(0);
	});

	it('closes once, reports why, and accepts nothing afterwards', async () => {
		const watched = new WatchedBroadcast();
		watched.feed(rtmpLike(1));
		const reasons: string[] = [];
		watched.broadcast.on('closed', (reason) => reasons.push(reason));
		await Promise.all([watched.broadcast.close('replaced'), watched.broadcast.close('server-shutdown')]);
		watched.broadcast.write(rtmpLike(2).at(-1)!);
		watched.broadcast.beginRun(5, VIDEO_AND_AUDIO);
		watched.broadcast.interrupt();
		watched.broadcast.end();
		expect(reasons).toEqual(['replaced']);
		expect(watched.broadcast.state).toBe('closed');
		expect(watched.clock.pendingCount).toBe(0);
	});

	it('can always close, and never leaves that state', () => {
		for (const state of Object.keys(
			BROADCAST_PACKAGER_TRANSITIONS,
		) as (keyof typeof BROADCAST_PACKAGER_TRANSITIONS)[]) {
			expect(reachableStates(BROADCAST_PACKAGER_TRANSITIONS, state).has('closed')).toBe(true);
		}
		expect(BROADCAST_PACKAGER_TRANSITIONS.closed).toEqual({});
	});
});
