/**
 * The pictures and sounds of a channel, read from its multivariant playlist (draft-pantos-hls-rfc8216bis §4.4.6). Each
 * picture is a rung; all rungs have the same segments and parts. Pure.
 */

import type { Pathway, Steering } from './pathways.ts';

/** One picture of the channel. */
export type Rung = {
	/** Address of its media playlist; identifies the rung. */
	playlistUrl: string;
	/** As listed, on the screen; 0 where it is not. */
	widthPixels: number;
	heightPixels: number;
	/** As listed; 0 where it is not. */
	frameRate: number;
	/** What picture and sound need. */
	bandwidthBps: number;
	/** Value of CODECS. */
	codecs: string;
	sound: Sound | undefined;
	/** The publisher's own picture, which is not encoded again. */
	isSource: boolean;
};

/** One sound of the channel. */
export type Sound = { playlistUrl: string; channels: string };

export type Ladder = {
	/** From the best down; at least one. */
	rungs: readonly Rung[];
	/** The sound alone, and what it needs; undefined for a channel without sound. */
	soundOnly: { sound: Sound; bandwidthBps: number } | undefined;
	/** Where the same media is, too; undefined: nowhere. */
	steering: Steering | undefined;
};

type Attributes = ReadonlyMap<string, string>;
type Variant = { attributes: Attributes; url: string };

/** How far above its average a picture rises for some seconds. */
const PEAK_SHARE = 1.5;
/** Sound of 48 kbit/s, where a playlist has no variant for it. */
const ASSUMED_SOUND_BPS = 64_000;

/** Undefined when no variant has a picture. With several pathways the addresses are those of the preferred one. */
export function parseLadder(text: string, url: string): Ladder | undefined {
	const listed: Variant[] = [];
	let server: Attributes | undefined;
	const sounds = new Map<string, Sound>();
	let attributes: Attributes | undefined;
	for (const line of text.split(/\r?\n/)) {
		if (line.startsWith('#EXT-X-STREAM-INF:')) {
			attributes = attributesOf(line);
		} else if (line.startsWith('#EXT-X-CONTENT-STEERING:')) {
			server = attributesOf(line);
		} else if (line.startsWith('#EXT-X-MEDIA:')) {
			addSound(sounds, attributesOf(line), url);
		} else if (attributes !== undefined && line !== '' && !line.startsWith('#')) {
			listed.push({ attributes, url: new URL(line.trim(), url).href });
			attributes = undefined;
		}
	}
	const steering = server && steeringOf(server, listed, url);
	const preferred = steering?.pathways[0]?.id;
	const variants = listed.filter((variant) => preferred === undefined || pathwayOf(variant) === preferred);
	const isPicture = ({ attributes: its }: Variant): boolean =>
		its.has('RESOLUTION') || /\b(avc|hev|hvc|av01|vp0)/.test(its.get('CODECS') ?? '');
	const pictures = variants.filter(isPicture).sort((one, other) => rankOf(other) - rankOf(one));
	if (pictures.length === 0) {
		return undefined;
	}
	const rungs = pictures.map((variant, index) => rungOf(variant, sounds, index === 0));
	const alone = variants.find((variant) => !isPicture(variant));
	const lowest = rungs.at(-1)!.sound;
	const soundOnly =
		alone === undefined
			? lowest && { sound: lowest, bandwidthBps: ASSUMED_SOUND_BPS }
			: { sound: { playlistUrl: alone.url, channels: '2' }, bandwidthBps: bandwidthOf(alone) };
	return { rungs, soundOnly, steering };
}

/**
 * The multivariant playlist for hls.js: one variant and one sound. hls.js plays them as if there were no others, and
 * what it loads is exchanged below it, part by part.
 */
export function singleVariantPlaylist({ rungs }: Ladder): string {
	const { playlistUrl, bandwidthBps, codecs, widthPixels, heightPixels, sound } = rungs[0]!;
	const attributes = [
		`BANDWIDTH=${bandwidthBps}`,
		...(codecs === '' ? [] : [`CODECS="${codecs}"`]),
		...(widthPixels > 0 ? [`RESOLUTION=${widthPixels}x${heightPixels}`] : []),
		...(sound === undefined ? [] : ['AUDIO="sound"']),
		'CLOSED-CAPTIONS=NONE',
	];
	const media =
		sound === undefined
			? ''
			: `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,` +
				`CHANNELS="${sound.channels}",URI="${sound.playlistUrl}"\n`;
	return `#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n${media}#EXT-X-STREAM-INF:${attributes.join(',')}\n${playlistUrl}\n`;
}

// §4.4.6.2: a variant without PATHWAY-ID belongs to the pathway ".".
function pathwayOf({ attributes }: Variant): string {
	return attributes.get('PATHWAY-ID') ?? '.';
}

/** §4.4.6.6: the preferred pathway is the one that the tag names, or that of the first variant. */
function steeringOf(server: Attributes, listed: readonly Variant[], url: string): Steering | undefined {
	const ids = [...new Set(listed.map(pathwayOf))];
	const named = server.get('PATHWAY-ID');
	const preferred = named !== undefined && ids.includes(named) ? named : ids[0];
	const model = listed.find((variant) => pathwayOf(variant) === preferred);
	const serverUri = server.get('SERVER-URI');
	if (preferred === undefined || model === undefined || serverUri === undefined) {
		return undefined;
	}
	// All pathways list the same variants in the same order, so their first addresses end alike.
	const others = ids.filter((id) => id !== preferred);
	const samples = [preferred, ...others].map((id) => listed.find((variant) => pathwayOf(variant) === id)!.url);
	const commonLength = Math.min(...samples.map((sample) => commonEnd(model.url, sample)));
	const pathways = [preferred, ...others].map((id, index): Pathway => {
		const sample = samples[index]!;
		return { id, base: sample.slice(0, sample.length - commonLength) };
	});
	return { url: new URL(serverUri, url).href, pathways };
}

/** Length of the common end of two addresses, from a slash on. */
function commonEnd(one: string, other: string): number {
	const [parts, otherParts] = [one.split('/').reverse(), other.split('/').reverse()];
	// Not the host: a base is an origin at least.
	const most = Math.min(parts.length, otherParts.length) - 3;
	let count = 0;
	while (count < most && parts[count] === otherParts[count]) {
		count++;
	}
	return parts.slice(0, count).reduce((length, part) => length + part.length + 1, 0);
}

/** Attributes of a tag (§4.2), without quotes. */
export function attributesOf(line: string): Attributes {
	const attributes = new Map<string, string>();
	for (const [, name, quoted, plain] of line.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))/g)) {
		attributes.set(name!, quoted ?? plain ?? '');
	}
	return attributes;
}

// One sound a group: its default, or the first one.
function addSound(sounds: Map<string, Sound>, attributes: Attributes, url: string): void {
	const [group, uri] = [attributes.get('GROUP-ID') ?? '', attributes.get('URI')];
	if (attributes.get('TYPE') === 'AUDIO' && uri !== undefined && (!sounds.has(group) || isDefault(attributes))) {
		sounds.set(group, { playlistUrl: new URL(uri, url).href, channels: attributes.get('CHANNELS') ?? '2' });
	}
}

function isDefault(attributes: Attributes): boolean {
	return attributes.get('DEFAULT') === 'YES';
}

// §4.4.6.2: "a higher SCORE … indicates a better playback experience"; all variants have one, or none counts.
function rankOf({ attributes }: Variant): number {
	return Number(attributes.get('SCORE') ?? attributes.get('BANDWIDTH') ?? 0);
}

// BANDWIDTH is the ceiling of an encoder that needs less for simple pictures.
function bandwidthOf({ attributes }: Variant): number {
	const peak = Number(attributes.get('BANDWIDTH')) || ASSUMED_SOUND_BPS;
	const average = Number(attributes.get('AVERAGE-BANDWIDTH')) || Infinity;
	return Math.round(Math.min(peak, average * PEAK_SHARE));
}

function rungOf(variant: Variant, sounds: ReadonlyMap<string, Sound>, isSource: boolean): Rung {
	const { attributes, url } = variant;
	const [width, height] = (attributes.get('RESOLUTION') ?? '').split('x').map(Number);
	return {
		playlistUrl: url,
		widthPixels: width || 0,
		heightPixels: height || 0,
		frameRate: Number(attributes.get('FRAME-RATE') ?? 0),
		bandwidthBps: bandwidthOf(variant),
		codecs: attributes.get('CODECS') ?? '',
		sound: sounds.get(attributes.get('AUDIO') ?? ''),
		isSource,
	};
}
