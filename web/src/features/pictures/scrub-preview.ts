/** How large the picture over a seek bar is, and which part of its file it shows. Pure. */
import type { PictureFile } from './picture-queue.ts';
import type { Tile } from './storyboard.ts';

/** In CSS pixels. */
export type ScrubPreview = {
	widthPixels: number;
	heightPixels: number;
	/** It is of a quite different time: the server was too busy for pictures. */
	isFar: boolean;
	/** Undefined while it is not loaded. */
	file: { url: string; x: number; y: number; widthPixels: number; heightPixels: number } | undefined;
};

/** A live channel has a picture each ten seconds. */
const FAR_SECONDS = 30;
/** Until the size is known. */
const USUAL_SIZE = { widthPixels: 160, heightPixels: 90 };
/** Of a file that is one picture. */
const MAX_SIDE_PIXELS = 160;
/** A smaller picture shows nothing. */
const LEAST_HEIGHT_PIXELS = 40;

/** `roomPixels`: the height that is free for it. Undefined: too little. */
export function scrubPreview(
	tile: Tile,
	file: PictureFile | undefined,
	{ seconds, roomPixels }: { seconds: number; roomPixels: number },
): ScrubPreview | undefined {
	const { place, startSeconds } = tile;
	const own = place ?? file ?? USUAL_SIZE;
	const whole = file ?? own;
	const longest = place === undefined ? MAX_SIDE_PIXELS / Math.max(own.widthPixels, own.heightPixels) : 1;
	const scale = Math.min(1, longest, Math.max(0, roomPixels) / own.heightPixels);
	const heightPixels = Math.round(own.heightPixels * scale);
	if (heightPixels < Math.min(LEAST_HEIGHT_PIXELS, own.heightPixels)) {
		return undefined;
	}
	return {
		widthPixels: Math.round(own.widthPixels * scale),
		heightPixels,
		isFar: place === undefined && Math.abs(seconds - startSeconds) > FAR_SECONDS,
		file: file && {
			url: tile.url,
			x: (place?.x ?? 0) * scale,
			y: (place?.y ?? 0) * scale,
			widthPixels: whole.widthPixels * scale,
			heightPixels: whole.heightPixels * scale,
		},
	};
}
