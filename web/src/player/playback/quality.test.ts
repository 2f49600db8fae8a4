/** Choices of quality, and which of a list is meant. */
import { describe, expect, it } from 'vitest';
import { ListedQualities, matchQuality, qualityName, readPreference, type Quality } from './quality.ts';

function picture(heightPixels: number, frameRate = 30, isSource = false): Quality {
	return { id: `${heightPixels}`, kind: 'picture', heightPixels, frameRate, isSource };
}

const SOUND: Quality = { id: 'sound', kind: 'sound-only', heightPixels: 0, frameRate: 0, isSource: false };
const LIST = [picture(1080, 60, true), picture(720, 60), picture(480), picture(360), SOUND];

describe('qualityName', () => {
	it.each([
		[720, 60, '720p60'],
		[1080, 59.94, '1080p60'],
		[720, 50, '720p50'],
		[480, 30, '480p'],
		[480, 0, '480p'],
		[0, 30, ''],
	])('of %i lines at %f is %s', (heightPixels, frameRate, name) => {
		expect(qualityName({ heightPixels, frameRate })).toBe(name);
	});
});

describe('matchQuality', () => {
	it.each([
		['the same picture', picture(480), '480'],
		['the next smaller one', picture(600), '480'],
		['one at a lower rate', picture(720, 30), '480'],
		['the smallest one', picture(160), '360'],
		['the source, whatever its size', picture(720, 60, true), '1080'],
		['sound alone', SOUND, 'sound'],
	])('finds %s', (_name, preference, id) => {
		expect(matchQuality(LIST, preference)?.id).toBe(id);
	});

	it('finds nothing without a wish, or in an empty list', () => {
		expect(matchQuality(LIST, undefined)).toBeUndefined();
		expect(matchQuality([], picture(480))).toBeUndefined();
		expect(matchQuality([picture(480)], SOUND)).toBeUndefined();
	});
});

describe('readPreference', () => {
	it('reads what was stored, and nothing else', () => {
		const stored = { kind: 'picture', heightPixels: 480, frameRate: 30, isSource: false } as const;
		expect(readPreference(JSON.parse(JSON.stringify(stored)))).toEqual(stored);
		expect(readPreference({ kind: 'sound-only' })?.kind).toBe('sound-only');
		for (const other of [undefined, null, {}, 'auto', { kind: 'picture' }, { kind: 'x', heightPixels: 1 }]) {
			expect(readPreference(other)).toBeUndefined();
		}
	});
});

describe('ListedQualities', () => {
	it('reports a choice when the list or the wish changes it', () => {
		const chosen: (string | undefined)[] = [];
		const qualities = new ListedQualities(picture(480), (quality) => chosen.push(quality?.id));
		qualities.list([picture(1080)], picture(1080));
		qualities.list(LIST, LIST[0]);
		qualities.list(LIST, LIST[2]);
		qualities.prefer(picture(720, 60));
		qualities.prefer(undefined);
		expect(chosen).toEqual(['1080', '480', '720', undefined]);
		expect(qualities.shownQuality?.id).toBe('480');
	});
});
