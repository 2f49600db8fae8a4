/** Videos in words. */
import { describe, expect, it } from 'vitest';
import { formatVideoDate, videoTitle } from './video-words.ts';

describe('video words', () => {
	const startedAt = '2026-11-12T12:00:00.000Z';

	it('names a video without a title after its day', () => {
		expect(videoTitle({ title: 'First evening', startedAt })).toBe('First evening');
		expect(videoTitle({ title: ' ', startedAt })).toBe('Broadcast of 12 Nov 2026');
	});

	it('has the date and the length, as far as known', () => {
		const video = { startedAt, durationSeconds: 7381, state: 'ready' } as const;
		expect(formatVideoDate(video)).toBe('12 Nov 2026, 2 hours 3 minutes');
		expect(formatVideoDate({ ...video, state: 'recording' })).toBe('12 Nov 2026, 2 hours 3 minutes so far');
		expect(formatVideoDate({ ...video, durationSeconds: 0, state: 'recording' })).toBe('12 Nov 2026');
	});
});
