/** Tests of the facts of a publisher's units: B-frames, GOP, rates. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { describe, expect, it } from 'vitest';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { PublisherUnit } from '../publisher/publisher.ts';
import { StreamObserver } from './stream-observer.ts';
import { AAC_CONFIG, B_FRAME_CONFIG, H264_CONFIG, VP8_CONFIG } from '../testing/track-configs.ts';

function unit(kind: TrackKind, decodeTimeMs: number, changes: Partial<PublisherUnit> = {}): PublisherUnit {
	return {
		kind,
		decodeTimeMs,
		presentationTimeMs: decodeTimeMs,
		rtpTicks: undefined,
		isKeyFrame: kind === 'audio',
		bytes: new Uint8Array(1000),
		arrivedAtMs: decodeTimeMs,
		...changes,
	};
}

/** Pictures every `stepMs` from `fromMs` on, a key frame every `gopMs`. */
function watch(observer: StreamObserver, fromMs: number, toMs: number, gopMs: number, stepMs = 40): void {
	for (let atMs = fromMs; atMs < toMs; atMs += stepMs) {
		observer.observe(unit('video', atMs, { isKeyFrame: (atMs - fromMs) % gopMs === 0 }));
	}
}

function observerOf(...configs: TrackConfig[]): StreamObserver {
	const observer = new StreamObserver();
	configs.forEach((config) => observer.configure(config));
	return observer;
}

describe('StreamObserver', () => {
	it('knows nothing at first', () => {
		const observer = new StreamObserver();
		expect(observer.facts).toEqual({ video: undefined, audio: undefined });
		expect(observer.health).toEqual({
			videoBitrateBps: 0,
			audioBitrateBps: 0,
			frameRate: 0,
			gopDurationMs: undefined,
			hasBFrames: false,
			videoUnitCount: 0,
			audioUnitCount: 0,
			gapCount: 0,
			longestGapMs: 0,
		});
		expect(observer.isGopKnown).toBe(false);
	});

	it('counts the gaps of the last minute, but not rare even pictures', () => {
		const observer = new StreamObserver();
		watch(observer, 0, 4000, 1000);
		watch(observer, 4660, 8000, 1000);
		watch(observer, 9000, 10_000, 1000);
		expect(observer.health).toMatchObject({ gapCount: 2, longestGapMs: 1020 });
		watch(observer, 10_000, 66_000, 1000);
		expect(observer.health).toMatchObject({ gapCount: 1, longestGapMs: 1020 });
		const screen = new StreamObserver();
		for (let atMs = 0; atMs < 10_000; atMs += 1000) {
			screen.observe(unit('video', atMs, { isKeyFrame: atMs === 0 }));
		}
		expect(screen.health.gapCount).toBe(0);
	});

	it('gives the codecs', () => {
		const observer = observerOf(VP8_CONFIG, AAC_CONFIG);
		expect(observer.facts).toEqual({
			video: { codec: 'vp8', hasBFrames: false, longestGopMs: undefined },
			audio: { codec: 'aac' },
		});
	});

	it('knows B-frames by the sequence parameter set', () => {
		const observer = observerOf(H264_CONFIG);
		expect(observer.facts.video!.hasBFrames).toBe(false);
		observer.configure(B_FRAME_CONFIG);
		expect(observer.facts.video!.hasBFrames).toBe(true);
	});

	it('knows B-frames by a composition offset', () => {
		const observer = observerOf(H264_CONFIG);
		observer.observe(unit('video', 0, { isKeyFrame: true }));
		observer.observe(unit('video', 40, { presentationTimeMs: 80 }));
		expect(observer.facts.video!.hasBFrames).toBe(true);
	});

	it('knows B-frames by their order where the protocol has no decode time', () => {
		const observer = observerOf(H264_CONFIG);
		for (const presentationTimeMs of [0, 120, 40]) {
			observer.observe(unit('video', presentationTimeMs));
		}
		expect(observer.facts.video!.hasBFrames).toBe(true);
	});

	it('does not count a rounding of a millisecond as a composition offset', () => {
		const observer = observerOf(H264_CONFIG);
		observer.observe(unit('video', 33, { presentationTimeMs: 34 }));
		expect(observer.facts.video!.hasBFrames).toBe(false);
	});

	it('measures the longest GOP, the running one included', () => {
		const observer = observerOf(H264_CONFIG);
		watch(observer, 0, 2000, 2000);
		expect([observer.facts.video!.longestGopMs, observer.isGopKnown]).toEqual([1960, false]);
		watch(observer, 2000, 6000, 1000);
		expect([observer.facts.video!.longestGopMs, observer.isGopKnown]).toEqual([2000, true]);
		expect(observer.health.gopDurationMs).toBe(1000);
	});

	it('does not count a pause of the picture as a long GOP', () => {
		const observer = observerOf(H264_CONFIG);
		watch(observer, 0, 1500, 2000);
		watch(observer, 6500, 7000, 10_000);
		expect(observer.facts.video!.longestGopMs).toBeLessThan(2100);
		expect(observer.health.gapCount).toBe(1);
	});

	it.each([
		['two pictures', 2, 2500],
		['ten pictures', 10, 12_500],
	])('measures the GOP of a slow picture by its number of pictures: %s', (_name, gopPictures, gopMs) => {
		const observer = observerOf(H264_CONFIG);
		watch(observer, 0, 400_000, gopPictures * 10_000, 10_000);
		expect(observer.facts.video!.longestGopMs).toBe(gopMs);
	});

	it('measures rates over the last three seconds', () => {
		const observer = observerOf(H264_CONFIG);
		watch(observer, 0, 10_000, 2000);
		for (let atMs = 0; atMs < 10_000; atMs += 20) {
			observer.observe(unit('audio', atMs, { bytes: new Uint8Array(400) }));
		}
		const { videoBitrateBps, audioBitrateBps, frameRate, videoUnitCount, audioUnitCount } = observer.health;
		expect([Math.round(videoBitrateBps), Math.round(audioBitrateBps), Math.round(frameRate)]).toEqual([
			200_000, 160_000, 25,
		]);
		expect([videoUnitCount, audioUnitCount]).toEqual([250, 500]);
	});

	it.each([1 / 30, 1 / 2, 1, 2, 30])('counts arriving pictures when times run at %s of the pace', (pace) => {
		const observer = observerOf(H264_CONFIG);
		for (let index = 0; index < 300; index++) {
			const changes = { arrivedAtMs: index * 20, isKeyFrame: index === 0 };
			observer.observe(unit('video', (index * 20) / pace, changes));
			// A bunch at the beginning gives no rate.
			if (index * 20 < 1000) {
				expect(observer.arrivalFrameRate).toBe(0);
			}
		}
		expect(Math.round(observer.arrivalFrameRate)).toBe(50);
	});

	it.each([1000, 2900, 3000, 3100, 5000, 10_000])(
		'measures the same rates when units arrive in bunches every %i ms',
		(everyMs) => {
			const observer = observerOf(H264_CONFIG, AAC_CONFIG);
			let [most, pictures] = [0, 0];
			for (let atMs = 0; atMs < 40_000; atMs += 20) {
				// A network that stands still, then delivers all at once; 1 ms for each ten units.
				const arrivedAtMs = Math.ceil(atMs / everyMs) * everyMs + (atMs % everyMs) / 200;
				observer.observe(unit('video', atMs, { bytes: new Uint8Array(1000), arrivedAtMs }));
				observer.observe(unit('audio', atMs, { bytes: new Uint8Array(500), arrivedAtMs }));
				const { videoBitrateBps, audioBitrateBps } = observer.health;
				most = Math.max(most, videoBitrateBps + audioBitrateBps);
				pictures = Math.max(pictures, observer.arrivalFrameRate);
			}
			// 600 kbit/s and 50 pictures a second, and at most one bunch more than fits into the window.
			expect(most).toBeLessThanOrEqual(600_000 * 2.1);
			expect(pictures).toBeLessThanOrEqual(50 * 2.1);
		},
	);

	it('measures the frame rate by counting where pictures are reordered', () => {
		const observer = observerOf(B_FRAME_CONFIG);
		for (let index = 0; index < 100; index++) {
			observer.observe(unit('video', index * 40, { presentationTimeMs: index * 40 + (index % 3) * 40 }));
		}
		expect(Math.round(observer.health.frameRate)).toBe(25);
	});
});
