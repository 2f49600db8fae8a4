/** The quality menu in words. */
import { describe, expect, it } from 'vitest';
import type { Quality } from '../../player/create-player.ts';
import { formatChoice, qualityEntries } from './quality-words.ts';

const SOURCE: Quality = { id: 'a', kind: 'picture', heightPixels: 1080, frameRate: 60, isSource: true };
const SMALL: Quality = { id: 'b', kind: 'picture', heightPixels: 480, frameRate: 30, isSource: false };
const SOUND: Quality = { id: 'c', kind: 'sound-only', heightPixels: 0, frameRate: 0, isSource: false };
const qualities = [SOURCE, SMALL, SOUND];

describe('the quality menu', () => {
	it('has what is chosen automatically, each picture by its name, and sound alone', () => {
		expect(qualityEntries({ qualities, quality: undefined, shownQuality: SMALL })).toEqual([
			{ value: 'auto', label: 'Auto', detail: 'now 480p', isChecked: true },
			{ value: 'a', label: '1080p60', detail: 'source', isChecked: false },
			{ value: 'b', label: '480p', isChecked: false },
			{ value: 'c', label: 'Audio only', isChecked: false },
		]);
	});

	it('marks the choice of the viewer', () => {
		const entries = qualityEntries({ qualities, quality: SMALL, shownQuality: SOURCE });
		expect(entries.filter(({ isChecked }) => isChecked).map(({ label }) => label)).toEqual(['480p']);
		expect(entries[0]).toEqual({ value: 'auto', label: 'Auto', isChecked: false });
	});

	it.each([
		[{ quality: undefined, shownQuality: SMALL }, 'Auto · 480p'],
		[{ quality: undefined, shownQuality: SOUND }, 'Auto · Audio only'],
		[{ quality: undefined, shownQuality: undefined }, 'Auto'],
		[{ quality: SOURCE, shownQuality: SMALL }, '1080p60'],
		[{ quality: { ...SOURCE, heightPixels: 0 }, shownQuality: undefined }, 'Picture'],
	])('is on its button in short', (choice, text) => {
		expect(formatChoice({ qualities, ...choice })).toBe(text);
	});
});
