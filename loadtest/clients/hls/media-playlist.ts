/**
 * Reads HLS playlists as a low-latency player does: what to fetch next, and when it was captured. Tolerant, because any
 * server may have written them.
 */

const MAX_LINES = 20_000;
/** Empty lines and comments between a variant's tag and its address. */
const MAX_LINES_TO_URI = 20;
/** rfc8216bis §4.4.3.8: HOLD-BACK is three target durations by default; PART-HOLD-BACK is mandatory with parts. */
const DEFAULT_HOLD_BACK_FACTOR = 3;

/** A segment, or a part of one. */
export type Chunk = {
	/** Media sequence number of its segment. */
	sequence: number;
	/** Index within the segment; undefined: the whole segment. */
	part: number | undefined;
	url: string;
	/** `bytes=0-99`; undefined: the whole resource. */
	range: string | undefined;
	/** On the playlist's timeline: epoch milliseconds where it has dates. */
	startMs: number;
	durationMs: number;
	/** A player may begin here. */
	isIndependent: boolean;
};

/** One reading of a media playlist. */
export type MediaPlaylist = {
	/** Parts where the server makes them, else segments; ascending. */
	chunks: Chunk[];
	hasParts: boolean;
	/** The timeline is the capture clock. */
	hasDates: boolean;
	/** End of the last chunk. */
	edgeMs: number;
	holdBackMs: number;
	targetDurationMs: number;
	canBlock: boolean;
	canSkip: boolean;
	initUrl: string | undefined;
	/** The next part, which can be requested before it exists. */
	hintUrl: string | undefined;
	/** For `_HLS_msn` and `_HLS_part`: the first position that is not listed yet. */
	next: { sequence: number; part: number };
	isEnded: boolean;
	/** Start of each listed segment by its sequence number, for the next reading. */
	segmentStarts: Map<number, number>;
};

/** A variant of the picture with the default sound of its group. */
export type Variant = {
	bandwidthBps: number;
	/** Of its RESOLUTION; undefined without one. */
	heightPixels: number | undefined;
	videoUrl: string;
	audioUrl: string | undefined;
};

/** Which variant a viewer takes. `spread`: each in turn, so that all variants have as many viewers. */
export const VARIANT_CHOICES = ['highest', 'lowest', 'spread'] as const;
export type VariantChoice = (typeof VARIANT_CHOICES)[number];

/** `viewerNumber` counts the viewers from 0. `variants` ascend, and there is at least one. */
export function chooseVariant(variants: readonly Variant[], choice: VariantChoice, viewerNumber: number): Variant {
	const index = { highest: variants.length - 1, lowest: 0, spread: viewerNumber % variants.length }[choice];
	return variants[index]!;
}

/** `720p`, or the bandwidth where the playlist does not name the size. */
export function rungOf({ heightPixels, bandwidthBps }: Pick<Variant, 'heightPixels' | 'bandwidthBps'>): string {
	return heightPixels === undefined ? `${Math.round(bandwidthBps / 1000)}k` : `${heightPixels}p`;
}

/** Attributes of a tag: `A=1,B="x,y"`. */
function parseAttributes(text: string): Record<string, string> {
	const attributes: Record<string, string> = {};
	for (const [, name, value] of text.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^,]*)/g)) {
		attributes[name!] = value!.startsWith('"') ? value!.slice(1, -1) : value!;
	}
	return attributes;
}

/** All variants, ascending by bandwidth; undefined for a media playlist. */
export function parseMultivariantPlaylist(text: string, url: string): Variant[] | undefined {
	if (!text.includes('#EXT-X-STREAM-INF')) {
		return undefined;
	}
	const lines = text.split(/\r?\n/, MAX_LINES);
	const sounds = lines.filter((line) => line.startsWith('#EXT-X-MEDIA:')).map((line) => parseAttributes(line));
	const soundOf = (group: string | undefined): string | undefined => {
		const ofGroup = sounds.filter((sound) => sound['TYPE'] === 'AUDIO' && sound['GROUP-ID'] === group);
		const uri = (ofGroup.find((entry) => entry['DEFAULT'] === 'YES') ?? ofGroup[0])?.['URI'];
		return group === undefined || uri === undefined ? undefined : resolve(uri, url);
	};
	const variants = lines.flatMap((line, index): Variant[] => {
		if (!line.startsWith('#EXT-X-STREAM-INF:')) {
			return [];
		}
		const attributes = parseAttributes(line);
		const uri = lines
			.slice(index + 1, index + 1 + MAX_LINES_TO_URI)
			.find((next) => next !== '' && !next.startsWith('#'));
		const height = /^\d{1,5}x(\d{1,5})$/.exec(attributes['RESOLUTION'] ?? '')?.[1];
		const bandwidth = Number(attributes['BANDWIDTH']);
		return uri === undefined
			? []
			: [
					{
						bandwidthBps: Number.isFinite(bandwidth) ? bandwidth : 0,
						heightPixels: height === undefined ? undefined : Number(height),
						videoUrl: resolve(uri, url),
						audioUrl: soundOf(attributes['AUDIO']),
					},
				];
	});
	return variants.toSorted((one, other) => one.bandwidthBps - other.bandwidthBps);
}

/** Reads a media playlist; `previous` has the times that a delta update leaves out. Throws Error for other text. */
export function parseMediaPlaylist(text: string, url: string, previous?: MediaPlaylist): MediaPlaylist {
	if (!text.startsWith('#EXTM3U')) {
		throw new Error(`This is no playlist: ${text.slice(0, 80)}`);
	}
	const reader = new Reader(url, previous);
	for (const line of text.split(/\r?\n/, MAX_LINES)) {
		reader.line(line);
	}
	return reader.result();
}

class Reader {
	readonly #url: string;
	readonly #previous: MediaPlaylist | undefined;
	readonly #segments: Chunk[] = [];
	readonly #parts: Chunk[] = [];
	readonly #segmentStarts = new Map<number, number>();
	#sequence = 0;
	/** Start of the next segment; undefined until there is a date or an earlier reading. */
	#timeMs: number | undefined;
	#partTimeMs: number | undefined;
	#partIndex = 0;
	#durationMs = 0;
	#range: string | undefined;
	#rangeEnd = 0;
	#hasDates = false;
	#targetDurationMs = 0;
	#server: Record<string, string> = {};
	#initUrl: string | undefined;
	#hintUrl: string | undefined;
	#isEnded = false;

	constructor(url: string, previous: MediaPlaylist | undefined) {
		this.#url = url;
		this.#previous = previous;
		this.#hasDates = previous?.hasDates ?? false;
		this.#initUrl = previous?.initUrl;
	}

	line(line: string): void {
		if (line !== '' && !line.startsWith('#')) {
			this.#segment(line.trim());
			return;
		}
		const at = line.indexOf(':');
		const [tag, value] = at < 0 ? [line.trim(), ''] : [line.slice(0, at), line.slice(at + 1).trim()];
		switch (tag) {
			case '#EXT-X-TARGETDURATION':
				this.#targetDurationMs = seconds(value);
				break;
			case '#EXT-X-MEDIA-SEQUENCE':
				this.#sequence = count(value);
				break;
			case '#EXT-X-SERVER-CONTROL':
				this.#server = parseAttributes(value);
				break;
			case '#EXT-X-SKIP':
				this.#sequence += count(parseAttributes(value)['SKIPPED-SEGMENTS'] ?? '0');
				break;
			case '#EXT-X-PROGRAM-DATE-TIME':
				this.#date(value);
				break;
			case '#EXT-X-MAP':
				this.#initUrl = resolve(parseAttributes(value)['URI'] ?? '', this.#url);
				break;
			case '#EXTINF':
				this.#durationMs = seconds(value.split(',')[0]!);
				break;
			case '#EXT-X-BYTERANGE':
				this.#range = this.#byteRange(value);
				break;
			case '#EXT-X-PART':
				this.#part(parseAttributes(value));
				break;
			case '#EXT-X-PRELOAD-HINT':
				this.#hint(parseAttributes(value));
				break;
			case '#EXT-X-ENDLIST':
				this.#isEnded = true;
				break;
		}
	}

	result(): MediaPlaylist {
		const hasParts = this.#parts.length > 0 || (this.#previous?.hasParts ?? false);
		const chunks = hasParts ? this.#parts : this.#segments;
		const partHoldBack = this.#server['PART-HOLD-BACK'];
		const holdBack = this.#server['HOLD-BACK'];
		const segmentHoldBackMs =
			holdBack === undefined ? this.#targetDurationMs * DEFAULT_HOLD_BACK_FACTOR : seconds(holdBack);
		const last = chunks.at(-1);
		return {
			chunks,
			hasParts,
			hasDates: this.#hasDates,
			edgeMs: last === undefined ? (this.#previous?.edgeMs ?? 0) : last.startMs + last.durationMs,
			holdBackMs: hasParts && partHoldBack !== undefined ? seconds(partHoldBack) : segmentHoldBackMs,
			targetDurationMs: this.#targetDurationMs,
			canBlock: this.#server['CAN-BLOCK-RELOAD'] === 'YES',
			canSkip: this.#server['CAN-SKIP-UNTIL'] !== undefined,
			initUrl: this.#initUrl,
			hintUrl: this.#hintUrl,
			next: { sequence: this.#sequence, part: this.#partIndex },
			isEnded: this.#isEnded,
			segmentStarts: this.#segmentStarts,
		};
	}

	#startMs(): number {
		this.#timeMs ??= this.#previous?.segmentStarts.get(this.#sequence) ?? this.#previous?.edgeMs ?? 0;
		return this.#timeMs;
	}

	#date(value: string): void {
		const dateMs = Date.parse(value);
		if (Number.isFinite(dateMs)) {
			this.#hasDates = true;
			this.#timeMs = dateMs;
		}
	}

	#segment(uri: string): void {
		const startMs = this.#startMs();
		this.#segmentStarts.set(this.#sequence, startMs);
		const fixed = { sequence: this.#sequence, part: undefined, url: resolve(uri, this.#url), range: this.#range };
		this.#segments.push({ ...fixed, startMs, durationMs: this.#durationMs, isIndependent: true });
		this.#timeMs = startMs + this.#durationMs;
		this.#sequence++;
		[this.#partIndex, this.#partTimeMs, this.#range] = [0, undefined, undefined];
	}

	#part(attributes: Record<string, string>): void {
		this.#partTimeMs ??= this.#startMs();
		const durationMs = seconds(attributes['DURATION'] ?? '0');
		const byteRange = attributes['BYTERANGE'];
		this.#parts.push({
			sequence: this.#sequence,
			part: this.#partIndex,
			url: resolve(attributes['URI'] ?? '', this.#url),
			range: byteRange === undefined ? undefined : this.#byteRange(byteRange),
			startMs: this.#partTimeMs,
			durationMs,
			isIndependent: attributes['INDEPENDENT'] === 'YES',
		});
		this.#segmentStarts.set(this.#sequence, this.#startMs());
		this.#partTimeMs += durationMs;
		this.#partIndex++;
	}

	#hint(attributes: Record<string, string>): void {
		// A hint into a byte range of a growing resource is ignored: the part is fetched when it is listed.
		if (
			attributes['TYPE'] === 'PART' &&
			attributes['URI'] !== undefined &&
			attributes['BYTERANGE-START'] === undefined
		) {
			this.#hintUrl = resolve(attributes['URI'], this.#url);
		}
	}

	// §4.4.4.2: without an offset it follows the range before it.
	#byteRange(value: string): string | undefined {
		const match = /^(\d{1,15})(?:@(\d{1,15}))?/.exec(value);
		if (match === null) {
			return undefined;
		}
		const from = match[2] === undefined ? this.#rangeEnd : Number(match[2]);
		this.#rangeEnd = from + Number(match[1]);
		return `bytes=${from}-${this.#rangeEnd - 1}`;
	}
}

function seconds(text: string): number {
	const value = Number.parseFloat(text);
	return Number.isFinite(value) && value >= 0 && value < 1e6 ? value * 1000 : 0;
}

function count(text: string): number {
	const value = Number.parseInt(text, 10);
	return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function resolve(uri: string, base: string): string {
	try {
		return new URL(uri, base).href;
	} catch (error) {
		throw new Error(`The playlist names "${uri.slice(0, 80)}", which is no address.`, { cause: error });
	}
}
