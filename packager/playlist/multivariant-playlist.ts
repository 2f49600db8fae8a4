/**
 * Writes the text of a multivariant playlist: a variant for each picture, the source's and its rungs', and one of sound
 * alone. Players load it once, so its rates hold for later too. Knows no HTTP and keeps no state.
 */
import type { Rung } from '../../core/media/rung.ts';
import type { RenditionEntry } from '../live/tracks-in-step.ts';
import { trackFacts, type PictureFacts, type SoundFacts, type TrackFacts } from '../rendition/track-facts.ts';
import { STEERING_PATH, type Pathway } from './content-steering.ts';
import { PLAYLIST_VERSION, quoted } from './playlist-tags.ts';

/** One media playlist as the multivariant playlist lists it. */
export type ListedRendition<Facts extends TrackFacts = TrackFacts> = {
	/** Address of its media playlist. */
	uri: string;
	facts: Facts;
	/** Undefined for the source's own picture or sound. */
	rung: Rung | undefined;
	/** Highest bit rate of a segment. */
	peakBps: number;
	/** Of all segments listed; 0 where there is none. */
	averageBps: number;
	/** Frames a second; undefined for audio or where not measured yet. */
	frameRate: number | undefined;
};
type Picture = ListedRendition<PictureFacts>;
type Sound = ListedRendition<SoundFacts>;
type Variant = { picture: Picture | undefined; sounds: readonly Sound[]; group: string | undefined };
/** Where the addresses of a list lead; undefined: relative to the playlist. */
type Place = Pathway | undefined;

const SOURCE_GROUP = 'audio';
const LOW_GROUP = 'audio-low';
/** So many of the lowest rungs, of those up to this height, have the low sound. */
const LOW_RUNG_COUNT = 2;
const LOW_RUNG_MAX_HEIGHT = 360;
/**
 * What BANDWIDTH adds to the measured peak. It must not be below what is measured later (Apple's validator, "Measured
 * peak bitrate … exceeds error tolerance") and should be within 10 % of it.
 */
const BANDWIDTH_MARGIN_RATIO = 1.1;
/** A rung is made when it takes at most this share of the next better picture's bits, so no more is expected of it. */
const RUNG_SHARE = 0.75;
/** The best variant up to this is listed first. It is Apple's default for Wi-Fi, 2 Mbit/s on average, at its peak. */
const FIRST_VARIANT_BPS = 2_500_000;

/**
 * The whole text for these renditions of a broadcast; `uriOf` has the address of a track's media playlist. With
 * pathways it is relative to the base of each, and all variants are listed for each.
 */
export function multivariantPlaylistOf(
	renditions: readonly RenditionEntry[],
	uriOf: (entry: RenditionEntry) => string,
	pathways: readonly Pathway[] = [],
): string {
	const listed = renditions.map((entry): ListedRendition => {
		const { config, rung, frameRate, rendition } = entry;
		const { peakBps, averageBps } = rendition;
		return { uri: uriOf(entry), facts: trackFacts(config), rung, peakBps, averageBps, frameRate };
	});
	const areIndependent = !renditions.some(({ rendition }) => rendition.hasDependentSegments);
	return formatMultivariantPlaylist(listed, areIndependent, pathways);
}

/** `areIndependent`: no segment of these renditions begins without a key frame. */
export function formatMultivariantPlaylist(
	renditions: readonly ListedRendition[],
	areIndependent = true,
	pathways: readonly Pathway[] = [],
): string {
	const pictures = renditions.filter((entry): entry is Picture => entry.facts.kind === 'video').sort(byQuality);
	const sounds = renditions.filter((entry): entry is Sound => entry.facts.kind === 'audio');
	let text = `#EXTM3U\n#EXT-X-VERSION:${PLAYLIST_VERSION}\n`;
	if (areIndependent) {
		text += '#EXT-X-INDEPENDENT-SEGMENTS\n';
	}
	const [preferred] = pathways;
	if (preferred !== undefined) {
		text += `#EXT-X-CONTENT-STEERING:SERVER-URI=${quoted(STEERING_PATH)},PATHWAY-ID=${quoted(preferred.id)}\n`;
	}
	const places: readonly Place[] = preferred === undefined ? [undefined] : pathways;
	if (pictures.length === 0) {
		const alone = sounds.map((sound) => ({ picture: undefined, sounds: [sound], group: undefined }));
		return text + variantsText(alone, places);
	}
	const own = sounds.filter(({ rung }) => rung === undefined);
	const low = sounds.filter(({ rung }) => rung !== undefined);
	const usual = own.length > 0 ? own : low;
	const lowPictures = own.length > 0 && low.length > 0 ? pictures.filter(isLowRung).slice(-LOW_RUNG_COUNT) : [];
	const variants = pictures.map((picture): Variant => {
		const [listed, group] = lowPictures.includes(picture) ? [low, LOW_GROUP] : [usual, SOURCE_GROUP];
		return { picture, sounds: listed, group: listed.length > 0 ? group : undefined };
	});
	const radio = low[0] ?? own[0];
	if (radio !== undefined) {
		variants.push({ picture: undefined, sounds: [radio], group: undefined });
	}
	for (const place of places) {
		text += usual.map((sound, index) => audioLine(SOURCE_GROUP, sound, index, place)).join('');
		if (lowPictures.length > 0) {
			text += low.map((sound, index) => audioLine(LOW_GROUP, sound, index, place)).join('');
		}
	}
	return text + variantsText(variants, places);
}

// Sound comes from the same pathway as the picture, so each pathway has groups of its own.
function groupAt(group: string, place: Place): string {
	return place === undefined ? group : `${group}.${place.id}`;
}

function uriAt(uri: string, place: Place): string {
	return place === undefined ? uri : place.base + uri;
}

/** Best first: the source's pictures in their order, then the rungs. */
function byQuality(one: Picture, other: Picture): number {
	const rankOf = ({ rung }: Picture): [number, number] =>
		rung?.kind === 'video' ? [rung.heightPixels, rung.frameRate] : [Infinity, Infinity];
	const [height, frameRate] = rankOf(one);
	const [otherHeight, otherFrameRate] = rankOf(other);
	return otherHeight === height ? otherFrameRate - frameRate || 0 : otherHeight - height;
}

function isLowRung({ rung }: Picture): boolean {
	return rung?.kind === 'video' && rung.heightPixels <= LOW_RUNG_MAX_HEIGHT;
}

// §4.4.6.1. NAMEs differ within a group; one entry at most is the default. The same NAME in both groups is the same
// sound, so that players stay with it when they change the group.
function audioLine(group: string, audio: Sound, index: number, place: Place): string {
	const name = index === 0 ? 'Audio' : `Audio ${index + 1}`;
	return (
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=${quoted(groupAt(group, place))},NAME=${quoted(name)},DEFAULT=${index === 0 ? 'YES' : 'NO'},` +
		`AUTOSELECT=YES,CHANNELS=${quoted(String(audio.facts.channelCount))},URI=${quoted(uriAt(audio.uri, place))}\n`
	);
}

/** `variants`: the best first, which is the order of their SCOREs. */
function variantsText(variants: readonly Variant[], places: readonly Place[]): string {
	const frameRates = frameRatesOf(variants);
	const bandwidths = bandwidthsOf(variants);
	const lines = variants.map((variant, index) => {
		const [bandwidthBps, frameRate] = [bandwidths[index]!, frameRates[index]];
		const score = variants.length > 1 ? variants.length - index : undefined;
		return {
			bandwidthBps,
			hasPicture: variant.picture !== undefined,
			textAt: (place: Place) => variantLines(variant, { bandwidthBps, frameRate, score }, place),
		};
	});
	const candidates = lines.some(({ hasPicture }) => hasPicture) ? lines.filter(({ hasPicture }) => hasPicture) : lines;
	const first = candidates.find((line) => line.bandwidthBps <= FIRST_VARIANT_BPS) ?? candidates.at(-1);
	const ordered = [first, ...lines.filter((line) => line !== first)];
	return places.flatMap((place) => ordered.map((line) => line?.textAt(place) ?? '')).join('');
}

/**
 * FRAME-RATE of each. hls.js 1.7.4 skips a change to a better variant that has a lower one (abr-controller.ts), and one
 * without any counts as 0. So it never rises towards the worse variants, and all pictures have one or none has.
 */
function frameRatesOf(variants: readonly Variant[]): (number | undefined)[] {
	let least = variants[0]?.picture?.frameRate;
	return variants.map(({ picture }) => {
		const { rung } = picture ?? {};
		const rate = picture?.frameRate ?? (rung?.kind === 'video' ? rung.frameRate : undefined);
		if (picture === undefined || least === undefined) {
			return undefined;
		}
		least = Math.min(least, rate ?? least);
		return least;
	});
}

/**
 * BANDWIDTH of each, with its most demanding sound. An encoder's rate may rise up to its ceiling at any time. It does
 * so when the pictures become harder, and then the better variants' rates rise too: a ceiling counts up to a share of
 * those.
 */
function bandwidthsOf(variants: readonly Variant[]): number[] {
	let betterBps = Infinity;
	return variants.map(({ picture, sounds }) => {
		const ceilingBps = picture?.rung?.kind === 'video' ? picture.rung.maxBitrateBps : 0;
		const pictureBps = Math.max(picture?.peakBps ?? 0, Math.min(ceilingBps, betterBps * RUNG_SHARE));
		betterBps = Math.min(betterBps, pictureBps);
		const soundBps = sounds.map(({ rung, peakBps }) => Math.max(peakBps, rung?.kind === 'audio' ? rung.bitrateBps : 0));
		const peakBps = pictureBps + Math.max(0, ...soundBps);
		return Math.max(1000, Math.ceil((peakBps * BANDWIDTH_MARGIN_RATIO) / 1000 - 1e-6) * 1000);
	});
}

// §4.4.6.2. CODECS names all that may occur.
function variantLines(
	variant: Variant,
	{
		bandwidthBps,
		frameRate,
		score,
	}: { bandwidthBps: number; frameRate: number | undefined; score: number | undefined },
	place: Place,
): string {
	const { picture, sounds, group } = variant;
	const codecs = new Set([picture, ...sounds].flatMap((entry) => entry?.facts.codecs ?? []));
	const averageBps = (picture?.averageBps ?? 0) + Math.max(0, ...sounds.map((sound) => sound.averageBps));
	// "the optimal pixel resolution at which to display all the video"
	const shown = picture?.facts;
	const attributes = [
		`BANDWIDTH=${bandwidthBps}`,
		...(averageBps > 0 ? [`AVERAGE-BANDWIDTH=${Math.min(bandwidthBps, Math.ceil(averageBps / 1000) * 1000)}`] : []),
		...(score === undefined ? [] : [`SCORE=${score}`]),
		`CODECS=${quoted([...codecs].join(','))}`,
		...(shown ? [`RESOLUTION=${shown.widthPixels}x${shown.heightPixels}`] : []),
		...(frameRate === undefined ? [] : [`FRAME-RATE=${frameRate.toFixed(3)}`]),
		...(group === undefined ? [] : [`AUDIO=${quoted(groupAt(group, place))}`]),
		// We offer no captions. Without this attribute shaka-player 5.2.12 searches up to three segments for some before it
		// plays. In low-latency mode the open one, which has no address yet, is one of them. So it fails in the first 6 s
		// of a broadcast (hls_parser.js, getClosedCaptionProbeSegments_).
		...(picture ? ['CLOSED-CAPTIONS=NONE'] : []),
		...(place === undefined ? [] : [`PATHWAY-ID=${quoted(place.id)}`]),
	];
	return `#EXT-X-STREAM-INF:${attributes.join(',')}\n${uriAt((picture ?? sounds[0]!).uri, place)}\n`;
}
