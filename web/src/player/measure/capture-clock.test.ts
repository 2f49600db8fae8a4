/** Capture times from RTP and from playlists. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captureTimeOfMedia, captureTimeOfRtp } from './capture-clock.ts';

const NTP_OF_UNIX_EPOCH_MS = 2_208_988_800_000;
const CAPTURED_MS = Date.UTC(2026, 0, 1);

describe('captureTimeOfRtp', () => {
	const source = { rtpTimestamp: 90_000, captureTimestamp: CAPTURED_MS + NTP_OF_UNIX_EPOCH_MS };

	it('is the capture time of the packet when the shown frame is the latest received', () => {
		expect(captureTimeOfRtp(90_000, [source])).toBe(CAPTURED_MS);
	});

	it('goes back by the RTP clock when a later frame has been received', () => {
		expect(captureTimeOfRtp(90_000 - 2 * 3000, [source])).toBeCloseTo(CAPTURED_MS - 66.667, 2);
	});

	it('adds the capture clock offset of the sender', () => {
		expect(captureTimeOfRtp(90_000, [{ ...source, senderCaptureTimeOffset: -250 }])).toBe(CAPTURED_MS - 250);
	});

	it('bridges the wrap of the RTP timestamp both ways', () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 0, max: 2 ** 32 - 1 }),
				fc.integer({ min: -900_000, max: 900_000 }),
				(rtp, behind) => {
					const frame = (((rtp - behind) % 2 ** 32) + 2 ** 32) % 2 ** 32;
					const captured = captureTimeOfRtp(frame, [{ ...source, rtpTimestamp: rtp }]);
					expect(captured).toBeCloseTo(CAPTURED_MS - behind / 90, 2);
				},
			),
		);
	});

	it('is undefined without the extension, without packets, and for a frame from another time', () => {
		expect(captureTimeOfRtp(90_000, [{ rtpTimestamp: 90_000 }])).toBeUndefined();
		expect(captureTimeOfRtp(90_000, [])).toBeUndefined();
		expect(captureTimeOfRtp(90_000 + 2_000_000, [source])).toBeUndefined();
	});
});

describe('captureTimeOfMedia', () => {
	const fragments = [
		{ startSeconds: 0, programDateTimeMs: CAPTURED_MS },
		{ startSeconds: 2, programDateTimeMs: CAPTURED_MS + 2000 },
		// The publisher was away for 10 s, which the media timeline skips.
		{ startSeconds: 4, programDateTimeMs: CAPTURED_MS + 14_000 },
	];

	it('counts from the fragment that the frame is in', () => {
		expect(captureTimeOfMedia(0.5, fragments)).toBe(CAPTURED_MS + 500);
		expect(captureTimeOfMedia(3.9, fragments)).toBeCloseTo(CAPTURED_MS + 3900, 6);
		expect(captureTimeOfMedia(4.1, fragments)).toBeCloseTo(CAPTURED_MS + 14_100, 6);
	});

	it('counts a frame rounded to just before its fragment to that fragment', () => {
		expect(captureTimeOfMedia(3.999, fragments)).toBeCloseTo(CAPTURED_MS + 13_999, 6);
	});

	it('extrapolates before the first fragment and after the last', () => {
		expect(captureTimeOfMedia(1, fragments.slice(1))).toBe(CAPTURED_MS + 1000);
		expect(captureTimeOfMedia(7, fragments)).toBe(CAPTURED_MS + 17_000);
	});

	it('is undefined without fragments', () => {
		expect(captureTimeOfMedia(1, [])).toBeUndefined();
	});
});
