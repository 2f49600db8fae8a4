/** Storyboards: which picture belongs to a time, read from WebVTT or from the list of a live channel. Pure. */
import type { LiveStoryboard } from '../../../../core/protocol/api/live-storyboard.ts';

/** A picture on a sheet, in pixels of the sheet. */
type TilePlace = { x: number; y: number; widthPixels: number; heightPixels: number };

/** It is shown from its time to that of the next one. */
export type Tile = {
	startSeconds: number;
	url: string;
	/** Undefined: the whole file. */
	place: TilePlace | undefined;
};

/** Ours have at most 1,600 pictures on 16 sheets, and some 100 kB. @internal for tests */
export const MAX_TILES = 4000;
export const MAX_CHARACTERS = 1_000_000;
const MAX_TILE_PIXELS = 1000;
const MAX_SHEET_PIXELS = 20_000;
/** Hours have two digits or more (WebVTT §4.1), and may be missing. */
const TIMES = /^(?:(\d{2,6}):)?([0-5]\d):([0-5]\d)\.(\d{3})[ \t]+-->/;
const PICTURE = /^([^#\s]{1,500})(?:#xywh=(?:pixel:)?(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5}))?$/;

/**
 * Reads WebVTT as the server writes it. `baseUrl`: its absolute address; pictures are of the same origin. Anything else
 * in it is passed over, also cues that are not in order: any text gives tiles that can be shown.
 */
export function parseStoryboard(text: string, baseUrl: string): Tile[] {
	const tiles: Tile[] = [];
	if (text.length > MAX_CHARACTERS || !/^\uFEFF?WEBVTT(?:[ \t\r\n]|$)/.test(text)) {
		return tiles;
	}
	let startSeconds: number | undefined;
	for (const line of text.split(/\r\n|\r|\n/)) {
		const times = TIMES.exec(line);
		if (times !== null) {
			const [, hours = '0', minutes, seconds, milliseconds] = times;
			startSeconds = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) + Number(milliseconds) / 1000;
		} else if (startSeconds !== undefined) {
			const tile = readTile(line.trim(), startSeconds, baseUrl);
			startSeconds = undefined;
			if (tile !== undefined && tile.startSeconds > (tiles.at(-1)?.startSeconds ?? -1) && tiles.length < MAX_TILES) {
				tiles.push(tile);
			}
		}
	}
	return tiles;
}

/** Times are capture times, in seconds of the server's epoch. */
export function liveTiles({ pictureBase, capturedAtMs }: LiveStoryboard): Tile[] {
	return capturedAtMs.slice(-MAX_TILES).map((ms) => ({
		startSeconds: ms / 1000,
		url: `${pictureBase}${ms}.jpg`,
		place: undefined,
	}));
}

/** Index of the picture of a time; before the first one, that one. -1: there is none. */
export function findTile(tiles: readonly Tile[], seconds: number): number {
	let [low, high] = [0, tiles.length];
	while (low < high) {
		const middle = (low + high) >> 1;
		if (tiles[middle]!.startSeconds <= seconds) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return tiles.length === 0 ? -1 : Math.max(0, low - 1);
}

/** Files that a viewer who moves on needs next: those beside a picture's own. */
export function neighbourUrls(tiles: readonly Tile[], index: number): string[] {
	const own = tiles[index]?.url;
	const after = tiles.slice(index + 1).find(({ url }) => url !== own)?.url;
	const before = tiles.slice(0, Math.max(0, index)).findLast(({ url }) => url !== own)?.url;
	return [after, before].filter((url) => url !== undefined);
}

function readTile(line: string, startSeconds: number, baseUrl: string): Tile | undefined {
	const [, name, ...numbers] = PICTURE.exec(line) ?? [];
	if (name === undefined || !URL.canParse(name, baseUrl)) {
		return undefined;
	}
	const { href, origin } = new URL(name, baseUrl);
	if (origin !== new URL(baseUrl).origin) {
		return undefined;
	}
	if (numbers[0] === undefined) {
		return { startSeconds, url: href, place: undefined };
	}
	const [x, y, widthPixels, heightPixels] = numbers.map(Number) as [number, number, number, number];
	const isInBounds =
		Math.min(widthPixels, heightPixels) > 0 &&
		Math.max(widthPixels, heightPixels) <= MAX_TILE_PIXELS &&
		x + widthPixels <= MAX_SHEET_PIXELS &&
		y + heightPixels <= MAX_SHEET_PIXELS;
	return isInBounds ? { startSeconds, url: href, place: { x, y, widthPixels, heightPixels } } : undefined;
}
