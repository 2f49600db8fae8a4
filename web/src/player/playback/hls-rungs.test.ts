/** What the screen and the viewer want of a ladder. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../core/logger.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { parseLadder } from '../ladder/ladder.ts';
import { ceilingOf, HlsRungs } from './hls-rungs.ts';
import type { QualityPreference } from './quality.ts';

const RUNGS = [
	{ widthPixels: 1920, heightPixels: 1080 },
	{ widthPixels: 1280, heightPixels: 720 },
	{ widthPixels: 854, heightPixels: 480 },
	{ widthPixels: 284, heightPixels: 160 },
];

describe('ceilingOf', () => {
	it.each([
		['not laid out', undefined, 0],
		['larger than the source', { width: 3840, height: 2160 }, 0],
		['as large as a rung', { width: 1280, height: 720 }, 1],
		['a little larger than one', { width: 960, height: 540 }, 2],
		['between two', { width: 1100, height: 620 }, 1],
		['upright, so that the width decides', { width: 800, height: 1600 }, 2],
		['tiny', { width: 120, height: 70 }, 3],
	])('%s', (_name, pixels, rung) => {
		expect(ceilingOf(RUNGS, pixels)).toBe(rung);
	});
});

function setUp(preference?: QualityPreference) {
	const lines = RUNGS.map(
		({ widthPixels, heightPixels }, index) =>
			`#EXT-X-STREAM-INF:BANDWIDTH=${6e6 / 2 ** index},SCORE=${9 - index},RESOLUTION=${widthPixels}x${heightPixels},` +
			`FRAME-RATE=${index < 2 ? 60 : 30},AUDIO="a",CODECS="avc1.4d401f,mp4a.40.2"\nv${index}.m3u8\n`,
	);
	const media = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="a.m3u8"\n';
	const ladder = parseLadder(`#EXTM3U\n${media}${lines.join('')}`, 'https://a.test/index.m3u8')!;
	const video = Object.assign(new EventTarget(), { played: { length: 0 }, buffered: { length: 0 } });
	const clock = new FakeClock();
	const deps = { clock, logger: silentLogger, video: video as unknown as HTMLVideoElement, isPageVisible: () => true };
	const hlsUrl = 'https://a.test/index.m3u8';
	return new HlsRungs(deps, ladder, { hlsUrl, knownBps: 4e6, preference, onPartLate: () => undefined });
}

describe('HlsRungs', () => {
	it('lists the pictures by their names, and sound alone', () => {
		const rungs = setUp();
		expect(rungs.qualities.map(({ kind, heightPixels, frameRate }) => [kind, heightPixels, frameRate])).toEqual([
			['picture', 1080, 60],
			['picture', 720, 60],
			['picture', 480, 30],
			['picture', 160, 30],
			['sound-only', 0, 0],
		]);
		expect(rungs.qualities.map(({ isSource }) => isSource)).toEqual([true, false, false, false, false]);
		expect(rungs.quality).toBeUndefined();
		expect(rungs.isAdaptive).toBe(true);
		expect(rungs.codecs).toEqual(['avc1.4d401f', 'mp4a.40.2']);
	});

	it('plays what was chosen before, and is not adaptive then', () => {
		const rungs = setUp({ kind: 'picture', heightPixels: 480, frameRate: 30, isSource: false });
		expect(rungs.quality?.heightPixels).toBe(480);
		expect(rungs.isAdaptive).toBe(false);
		expect(rungs.isExhausted).toBe(true);
		rungs.prefer(undefined);
		expect(rungs.quality).toBeUndefined();
		expect(rungs.isExhausted).toBe(false);
	});

	it('begins with less over a line that is known to be poor', () => {
		const rungs = setUp();
		expect(rungs.shownQuality.heightPixels).toBe(720);
		rungs.expectPoorLine();
		expect(rungs.shownQuality.heightPixels).toBe(160);
	});
});
