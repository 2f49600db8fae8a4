/** The storyboard reader: the server's own text, other WebVTT, and any text at all; which picture a time has. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findTile, liveTiles, MAX_TILES, neighbourUrls, parseStoryboard, type Tile } from './storyboard.ts';

const BASE = 'https://example.org/vod/secret/storyboard.vtt';
const TEXT = `WEBVTT

00:00:00.000 --> 00:00:10.000
sheet1.jpg#xywh=0,0,160,90

00:00:10.000 --> 00:00:20.000
sheet1.jpg#xywh=160,0,160,90

01:00:20.500 --> 01:00:27.250
sheet2.jpg#xywh=0,90,160,90
`;

const at = (startSeconds: number, url = 'a'): Tile => ({ startSeconds, url, place: undefined });

describe('parseStoryboard', () => {
	it('reads what the server writes', () => {
		const size = { widthPixels: 160, heightPixels: 90 };
		const tiles: Tile[] = [
			{ startSeconds: 0, url: 'https://example.org/vod/secret/sheet1.jpg', place: { x: 0, y: 0, ...size } },
			{ startSeconds: 10, url: 'https://example.org/vod/secret/sheet1.jpg', place: { x: 160, y: 0, ...size } },
			{ startSeconds: 3620.5, url: 'https://example.org/vod/secret/sheet2.jpg', place: { x: 0, y: 90, ...size } },
		];
		expect(parseStoryboard(TEXT, BASE)).toEqual(tiles);
		expect(parseStoryboard(`\uFEFF${TEXT.replaceAll('\n', '\r\n')}`, BASE)).toEqual(tiles);
	});

	it('reads cues with names and settings, short times, and files that are one picture', () => {
		const text = 'WEBVTT title\n\nfirst\n00:05.000 --> 00:10.000 line:0\n/pictures/1.jpg?a=b\n';
		expect(parseStoryboard(text, BASE)).toEqual([
			{ startSeconds: 5, url: 'https://example.org/pictures/1.jpg?a=b', place: undefined },
		]);
	});

	it.each([
		['another origin', 'https://example.net/sheet1.jpg#xywh=0,0,160,90'],
		['a script', 'javascript:alert(1)'],
		['bytes in the address', 'data:image/png;base64,AAAA'],
		['no size', 'sheet1.jpg#xywh=0,0,0,90'],
		['a huge picture', 'sheet1.jpg#xywh=0,0,99999,90'],
		['a place outside of any sheet', 'sheet1.jpg#xywh=99999,0,160,90'],
		['a share of a picture', 'sheet1.jpg#xywh=percent:0,0,10,10'],
		['a caption', 'Hello, world'],
	])('passes over %s', (_what, line) => {
		expect(parseStoryboard(`WEBVTT\n\n00:00:00.000 --> 00:00:10.000\n${line}\n`, BASE)).toEqual([]);
	});

	it('passes over cues that are not in order, and all beyond a bound', () => {
		const cue = (seconds: number): string =>
			`${new Date(seconds * 1000).toISOString().slice(11, 23)} --> 23:59:59.000\ns.jpg\n`;
		const times = (text: string): number[] => parseStoryboard(text, BASE).map(({ startSeconds }) => startSeconds);
		expect(times(`WEBVTT\n\n${[5, 3, 5, 8].map(cue).join('\n')}`)).toEqual([5, 8]);
		const many = Array.from({ length: MAX_TILES + 10 }, (_, index) => cue(index)).join('\n');
		expect(times(`WEBVTT\n\n${many}`).length).toBe(MAX_TILES);
		expect(times(`WEBVTT\n\n${cue(1)}${' '.repeat(1_000_000)}`)).toEqual([]);
		expect(times(cue(1))).toEqual([]);
	});

	it('gives tiles in order and within bounds for any text, quickly', () => {
		const words = ['00:00:01.000 --> ', '99:59:59.999', '\n', '\r\n', 's1.jpg', '#xywh=', '1,2,3,4', ',', '-->', ' '];
		words.push('pixel:', '//h/x', '\u0000', '\\', '%', '?', '://', '00:', '.000', '9'.repeat(30), 'é', 'a:b');
		const text = fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 6 })), { maxLength: 40 });
		fc.assert(
			fc.property(text, (parts) => {
				const tiles = parseStoryboard(`WEBVTT\n${parts.join('')}`, BASE);
				tiles.forEach(({ startSeconds, url, place }, index) => {
					expect(startSeconds).toBeGreaterThan(tiles[index - 1]?.startSeconds ?? -1);
					expect(new URL(url).origin).toBe('https://example.org');
					expect(Math.max(place?.widthPixels ?? 1, place?.heightPixels ?? 1)).toBeLessThanOrEqual(1000);
				});
			}),
			{ numRuns: 2000 },
		);
		// One long line of what the expressions look for.
		expect(parseStoryboard(`WEBVTT\n${'00:'.repeat(300_000)}`, BASE)).toEqual([]);
		expect(parseStoryboard(`WEBVTT\n00:00.000 -->\n${'a#xywh='.repeat(100_000)}`, BASE)).toEqual([]);
	});
});

describe('a time', () => {
	it('has the newest picture that is not later; before the first one, that one', () => {
		const tiles = [at(10), at(20), at(25)];
		expect([0, 10, 19.9, 20, 24, 25, 1e9].map((seconds) => findTile(tiles, seconds))).toEqual([0, 0, 0, 1, 1, 2, 2]);
		expect(findTile([], 5)).toBe(-1);
	});

	it('agrees with a plain search', () => {
		fc.assert(
			fc.property(fc.uniqueArray(fc.nat(300), { minLength: 1, maxLength: 20 }), fc.nat(310), (starts, wanted) => {
				const tiles = starts.toSorted((one, other) => one - other).map((seconds) => at(seconds));
				const plain = tiles.findLastIndex(({ startSeconds }) => startSeconds <= wanted);
				expect(findTile(tiles, wanted)).toBe(Math.max(0, plain));
			}),
		);
	});

	it('has the files beside its own as the next ones', () => {
		const tiles = [at(0, 'a'), at(1, 'a'), at(2, 'b'), at(3, 'b'), at(4, 'c')];
		expect([0, 2, 3, 4].map((index) => neighbourUrls(tiles, index))).toEqual([['b'], ['c', 'a'], ['c', 'a'], ['b']]);
		expect(neighbourUrls([], 0)).toEqual([]);
	});
});

it('liveTiles names each picture by its capture time', () => {
	expect(liveTiles({ pictureBase: '/p/', capturedAtMs: [1500, 11_500] })).toEqual([
		{ startSeconds: 1.5, url: '/p/1500.jpg', place: undefined },
		{ startSeconds: 11.5, url: '/p/11500.jpg', place: undefined },
	]);
	const capturedAtMs = Array.from({ length: MAX_TILES + 5 }, (_, index) => index);
	expect(liveTiles({ pictureBase: '', capturedAtMs })[0]!.startSeconds).toBe(0.005);
});
