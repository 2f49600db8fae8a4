/** Tests of placing a publisher's units on the broadcast's timeline. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { ContributionTimeline, TIMELINE_START_MS } from './contribution-timeline.ts';
import type { PublisherUnit } from '../publisher/publisher.ts';

const START_MS = Date.UTC(2026, 0, 1);

function createTimeline(
	options: { hasCommonTimeline: boolean },
	notBeforeMs = TIMELINE_START_MS,
): ContributionTimeline {
	const deps = { clock: new FakeClock(START_MS), broadcastEpochMs: START_MS, notBeforeMs: () => notBeforeMs };
	return new ContributionTimeline(deps, options);
}

/** A unit of RTMP: whole milliseconds. */
function rtmpUnit(kind: TrackKind, timeMs: number, arrivedAtMs: number, compositionMs = 0): PublisherUnit {
	return {
		kind,
		decodeTimeMs: Math.round(timeMs),
		presentationTimeMs: Math.round(timeMs) + compositionMs,
		rtpTicks: undefined,
		isKeyFrame: false,
		bytes: new Uint8Array(),
		arrivedAtMs,
	};
}

/** A unit of WHIP: exact ticks. */
function rtpUnit(kind: TrackKind, rtpTicks: number, arrivedAtMs: number): PublisherUnit {
	const timeMs = (rtpTicks * 1000) / (kind === 'video' ? 90_000 : 48_000);
	return { ...rtmpUnit(kind, 0, arrivedAtMs), decodeTimeMs: timeMs, presentationTimeMs: timeMs, rtpTicks };
}

describe('ContributionTimeline of RTMP', () => {
	it('begins at the clock’s position, counted from the beginning of the broadcast', () => {
		const position = createTimeline({ hasCommonTimeline: true }).place(rtmpUnit('video', 5000, 300), 0);
		expect(position).toEqual({
			clockRate: 90_000,
			decodeTimeTicks: (TIMELINE_START_MS + 300) * 90,
			presentationTimeTicks: (TIMELINE_START_MS + 300) * 90,
			captureTimeMs: START_MS + 300,
		});
	});

	it('begins no earlier than what the broadcast has reached', () => {
		const timeline = createTimeline({ hasCommonTimeline: true }, 50_000);
		expect(timeline.place(rtmpUnit('video', 0, 300), 0).decodeTimeTicks).toBe(50_000 * 90);
		expect(timeline.place(rtmpUnit('video', 40, 340), 0).decodeTimeTicks).toBe(50_040 * 90);
	});

	it('separates decode and presentation time, and keeps both tracks on one offset, however late one arrives', () => {
		const timeline = createTimeline({ hasCommonTimeline: true });
		const video = timeline.place(rtmpUnit('video', 1000, 100, 80), 0);
		expect(video.presentationTimeTicks - video.decodeTimeTicks).toBe(80 * 90);
		const audio = timeline.place(rtmpUnit('audio', 1000, 400), 48_000);
		expect(audio.clockRate).toBe(48_000);
		expect(audio.decodeTimeTicks / 48).toBeCloseTo(video.decodeTimeTicks / 90, 3);
	});

	it('dates media that an encoder gathered while connecting by the media that follows', () => {
		const timeline = createTimeline({ hasCommonTimeline: true });
		const first = timeline.place(rtmpUnit('video', 0, 300), 0);
		for (let index = 1; index <= 20; index++) {
			timeline.place(rtmpUnit('video', index * 40, Math.max(301, index * 40)), 0);
		}
		expect(first.captureTimeMs).toBe(START_MS + 300);
		expect(timeline.captureTimeMs('video', first.presentationTimeTicks / 90)).toBeCloseTo(START_MS, 3);
	});

	it.each([44_100, 48_000])('counts AAC in samples at %i Hz, although it comes in whole milliseconds', (sampleRate) => {
		const timeline = createTimeline({ hasCommonTimeline: true });
		const frameMs = (1024 * 1000) / sampleRate;
		const ticks = Array.from(
			{ length: 3000 },
			(_, index) => timeline.place(rtmpUnit('audio', index * frameMs, index * frameMs), sampleRate).decodeTimeTicks,
		);
		expect(new Set(ticks.slice(1).map((value, index) => value - ticks[index]!))).toEqual(new Set([1024]));
	});

	it('accepts the publisher’s time again after a hole, and counts from there', () => {
		const timeline = createTimeline({ hasCommonTimeline: true });
		const place = (timeMs: number): number => timeline.place(rtmpUnit('audio', timeMs, timeMs), 48_000).decodeTimeTicks;
		const first = place(0);
		expect(place(21) - first).toBe(1024);
		expect(place(500) - first).toBe(24_000);
		expect(place(521) - first).toBe(24_000 + 1024);
	});

	it('keeps a small hole out of the count, because jitter of timestamps looks like it', () => {
		const timeline = createTimeline({ hasCommonTimeline: true });
		const place = (timeMs: number): number => timeline.place(rtmpUnit('audio', timeMs, timeMs), 48_000).decodeTimeTicks;
		const first = place(0);
		expect(place(60) - first).toBe(1024);
	});

	it('never sends sound back in time when more of it comes than time passes', () => {
		const timeline = createTimeline({ hasCommonTimeline: true });
		// Frames of 21.3 ms whose times are only 20 ms apart.
		const ticks = Array.from(
			{ length: 500 },
			(_, index) => timeline.place(rtmpUnit('audio', index * 20, index * 20), 48_000).decodeTimeTicks,
		);
		expect(ticks.slice(1).every((value, index) => value >= ticks[index]!)).toBe(true);
		expect(Math.abs(ticks.at(-1)! - ticks[0]! - 499 * 960)).toBeLessThan(48 * 85);
	});
});

describe('ContributionTimeline of WHIP', () => {
	it('synchronizes sound and picture whose first packets were late by different times', () => {
		const timeline = createTimeline({ hasCommonTimeline: false });
		const lateMs = { audio: 100, video: 214 };
		const place = (kind: TrackKind, timeMs: number): number => {
			const arrivedAtMs = Math.max(timeMs, lateMs[kind]) + 500;
			const clockRate = kind === 'video' ? 90 : 48;
			return timeline.place(rtpUnit(kind, timeMs * clockRate, arrivedAtMs), 48_000).presentationTimeTicks / clockRate;
		};
		const steps = Array.from({ length: 50 }, (_, index) => index * 20);
		const apart = steps.map((timeMs) => place('video', timeMs) - place('audio', timeMs));
		expect(apart[0]).toBeGreaterThan(100);
		expect(Math.abs(apart.at(-1)!)).toBeLessThan(1);
	});

	it('adds one constant offset to a track’s RTP timestamps, the same for packets and units', () => {
		const timeline = createTimeline({ hasCommonTimeline: false });
		const firstTicks = 4_000_000_000;
		const captureTimeMs = timeline.observeRtp('video', firstTicks, 200);
		const offset = timeline.rtpOffsetTicks('video', firstTicks, captureTimeMs);
		expect(firstTicks + offset).toBe((TIMELINE_START_MS + 200) * 90);
		for (let index = 0; index < 1000; index++) {
			const rtpTicks = firstTicks + index * 3003;
			const arrivedAtMs = 200 + index * 33.4 + ((index * 13) % 40);
			const position = timeline.place(rtpUnit('video', rtpTicks, arrivedAtMs), 0);
			expect(position.presentationTimeTicks).toBe(rtpTicks + offset);
			expect(timeline.rtpOffsetTicks('video', rtpTicks, 0)).toBe(offset);
		}
	});

	it('places each track by its arrival until sender reports relate the two', () => {
		const timeline = createTimeline({ hasCommonTimeline: false });
		const video = timeline.place(rtpUnit('video', 900_000, 100), 0);
		const audio = timeline.place(rtpUnit('audio', 5_000_000, 180), 48_000);
		expect(video.decodeTimeTicks / 90).toBeCloseTo(TIMELINE_START_MS + 100, 1);
		expect(audio.decodeTimeTicks / 48).toBeCloseTo(TIMELINE_START_MS + 180, 1);
	});

	it('moves sound towards the picture as sender reports require, and never steps back', () => {
		const timeline = createTimeline({ hasCommonTimeline: false });
		let audioTicks = -Infinity;
		let distanceMs = 0;
		for (let atMs = 0; atMs < 60_000; atMs += 20) {
			// Picture and sound of one instant; the sound arrives 200 ms after the picture.
			const video = timeline.place(rtpUnit('video', atMs * 90, atMs + 30), 0);
			const audio = timeline.place(rtpUnit('audio', atMs * 48, atMs + 230), 48_000);
			expect(audio.decodeTimeTicks).toBeGreaterThan(audioTicks);
			expect(video.decodeTimeTicks).toBe((TIMELINE_START_MS + 30 + atMs) * 90);
			audioTicks = audio.decodeTimeTicks;
			distanceMs = audio.decodeTimeTicks / 48 - video.decodeTimeTicks / 90;
			if (atMs === 1000) {
				expect(distanceMs).toBeCloseTo(200, 1);
			}
			if (atMs % 1000 === 0) {
				timeline.senderReport('video', 5_000_000 + atMs, atMs);
				timeline.senderReport('audio', 5_000_000 + atMs, atMs);
			}
		}
		expect(Math.abs(distanceMs)).toBeLessThan(1);
	});
});
