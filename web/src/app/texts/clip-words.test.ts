/** What pages say of clips. */
import { describe, expect, it } from 'vitest';
import { clipMaker, clipTitle, countReports, fullVideoPath } from './clip-words.ts';
import { formatHundredths } from './time-text.ts';

describe('words of clips', () => {
	it('name a clip, its maker and its reports', () => {
		expect(clipTitle({ title: 'A fall', createdAt: '2026-11-12T12:00:00Z' })).toBe('A fall');
		expect(clipTitle({ title: ' ', createdAt: '2026-11-12T12:00:00Z' })).toBe('Clip of 12 Nov 2026');
		expect(clipMaker({ creatorName: 'ada' })).toBe('Clipped by ada');
		expect(clipMaker({ creatorName: null })).toBe('Its maker has left');
		expect([countReports(1), countReports(2)]).toEqual(['1 report', '2 reports']);
	});

	it('lead to the place in the whole video', () => {
		expect(fullVideoPath({ videoId: '01v', videoSeconds: 67.2333 })).toBe('/videos/01v?t=67.23');
		expect(fullVideoPath({ videoId: null, videoSeconds: null })).toBeUndefined();
	});

	it('write times to the hundredth', () => {
		expect([0, 7.4, 59.996, 3723.051].map(formatHundredths)).toEqual(['0:00.00', '0:07.40', '1:00.00', '1:02:03.05']);
	});
});
