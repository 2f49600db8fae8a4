/** Rungs that need no encoder: the smaller layers of a publisher's simulcast. Pure. */
import { shortSide, type VideoRung } from '../../core/media/rung.ts';
import { RUNG_NAMES } from '../../core/protocol/ladder-choice.ts';
import { RUNG_STEPS, type SourcePicture } from './ladder.ts';

/** A layer below the publisher's largest one, as it comes. */
export type LayerPicture = SourcePicture & {
	/** Its place in the offer. */
	layer: number;
	/** Its key frames are those of the source. */
	isAligned: boolean;
};

/** A layer with fewer pictures than this share of the source's has a rate of its own. */
const SAME_RATE_SHARE = 0.75;
/** As rungs of an encoder that keep all of the source's pictures. */
const ALL_PICTURES_RATE = 60;
const BITRATE_STEP_BPS = 100_000;

/**
 * The layers as rungs, from the best down. Each has the name whose size is nearest, below that of the layer above it.
 * Layers beyond the names are left out.
 */
export function publisherRungs(source: Pick<SourcePicture, 'frameRate'>, layers: readonly LayerPicture[]): VideoRung[] {
	const best = layers.toSorted((one, other) => pixels(other) - pixels(one) || other.bitrateBps - one.bitrateBps);
	let first = 0;
	return best.slice(0, RUNG_NAMES.length).map((picture, index): VideoRung => {
		const below = Math.min(best.length, RUNG_NAMES.length) - index - 1;
		const place = nearestName(picture, first, RUNG_NAMES.length - 1 - below);
		first = place + 1;
		const name = RUNG_NAMES[place]!;
		const { layer, isAligned, frameRate, heightPixels, bitrateBps } = picture;
		const isSlower = frameRate > 0 && frameRate < source.frameRate * SAME_RATE_SHARE;
		return {
			kind: 'video',
			name,
			heightPixels,
			frameRate: isSlower ? Math.ceil(frameRate) : ALL_PICTURES_RATE,
			// Its encoder's ceiling is not known.
			maxBitrateBps: Math.max(
				RUNG_STEPS[name].maxBitrateBps,
				Math.ceil(bitrateBps / BITRATE_STEP_BPS) * BITRATE_STEP_BPS,
			),
			layer: { number: layer, isAligned },
		};
	});
}

/** Sizes are compared as ratios. */
function nearestName(picture: LayerPicture, first: number, last: number): number {
	const side = shortSide(picture);
	const distance = (place: number): number => Math.abs(Math.log(RUNG_STEPS[RUNG_NAMES[place]!].shortSidePixels / side));
	let nearest = first;
	for (let place = first + 1; place <= last; place++) {
		nearest = distance(place) < distance(nearest) ? place : nearest;
	}
	return nearest;
}

function pixels({ widthPixels, heightPixels }: LayerPicture): number {
	return widthPixels * heightPixels;
}
