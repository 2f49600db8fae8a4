/** The quality menu in words. */
import { describe, expect, it } from 'vitest';
import { matchQuality, type Quality, type QualityPreference } from '../../player/playback/quality.ts';
import { formatChoice, qualityEntries } from './quality-words.ts';

const SOURCE: Quality = { id: 'a', kind: 'picture', heightPixels: 1080, frameRate: 60, isSource: true };
const SMALL: Quality = { id: 'b', kind: 'picture', heightPixels: 480, frameRate: 30, isSource: false };
const SOUND: Quality = { id: 'c', kind: 'sound-only', heightPixels: 0, frameRate: 0, isSource: false };
const MIDDLE: Quality = { ...SMALL, id: 'd', heightPixels: 720 };
const qualities = [SOURCE, SMALL, SOUND];

function facts(preference: QualityPreference, shownQuality: Quality | undefined, list: readonly Quality[] = qualities) {
	return { qualities: list, preference, quality: matchQuality(list, preference), shownQuality };
}

describe('the quality menu', () => {
	it('has what is chosen automatically, each picture by its name, and sound alone', () => {
		expect(qualityEntries(facts(undefined, SMALL))).toEqual([
			{ value: 'auto', label: 'Auto', detail: 'now 480p', isChecked: true },
			{ value: 'a', label: '1080p60', detail: 'source', isChecked: false },
			{ value: 'b', label: '480p', isChecked: false },
			{ value: 'c', label: 'Audio only', isChecked: false },
		]);
	});

	it.each<[string, QualityPreference, Quality | undefined, readonly Quality[], string, string]>([
		['as it is played', SMALL, SMALL, qualities, '480p', '480p'],
		['before anything is played', SMALL, undefined, qualities, '480p', '480p'],
		['a smaller one plays', SOURCE, SMALL, qualities, '1080p60 (source, now 480p)', '1080p60 · now 480p'],
		['sound plays', SMALL, SOUND, qualities, '480p (now audio only)', '480p · now audio only'],
		['the source of another size', { ...SOURCE, heightPixels: 720 }, SOURCE, qualities, '1080p60 (source)', '1080p60'],
		['the same size at a lower rate', { ...SMALL, frameRate: 60 }, SMALL, qualities, '480p', '480p'],
		['not in the list', MIDDLE, SMALL, qualities, '720p (not available, now 480p)', '720p · now 480p'],
		['smaller than all', SMALL, SOURCE, [SOURCE, SOUND], '480p (not available, now 1080p60)', '480p · now 1080p60'],
		['sound that is not there', SOUND, SMALL, [SMALL], 'Audio only (not available, now 480p)', 'Audio only · now 480p'],
		['not in the list, nothing plays', MIDDLE, undefined, qualities, '720p (not available)', '720p'],
		['sizes are not known', SMALL, undefined, [{ ...SOURCE, heightPixels: 0 }], 'Picture (source)', 'Picture'],
		['there is no list', SMALL, undefined, [], '', '480p'],
	])('ticks the choice of the viewer alone: %s', (_case, preference, shown, list, ticked, onButton) => {
		const choice = facts(preference, shown, list);
		const checked = qualityEntries(choice).filter(({ isChecked }) => isChecked);
		const texts = checked.map(({ label, detail }) => (detail === undefined ? label : `${label} (${detail})`));
		expect([texts.join(), formatChoice(choice)]).toEqual([ticked, onButton]);
	});

	it('has a choice that is not in the list in its place by size', () => {
		const labels = (preference: QualityPreference): string[] =>
			qualityEntries(facts(preference, SMALL)).map(({ label }) => label);
		expect(labels(MIDDLE)).toEqual(['Auto', '1080p60', '720p', '480p', 'Audio only']);
		expect(labels({ ...SMALL, heightPixels: 160 })).toEqual(['Auto', '1080p60', '480p', '160p', 'Audio only']);
	});

	it.each([
		[SMALL, 'Auto · 480p'],
		[SOUND, 'Auto · Audio only'],
		[undefined, 'Auto'],
	])('is on its button in short while the player chooses', (shown, text) => {
		expect(formatChoice(facts(undefined, shown))).toBe(text);
	});
});
