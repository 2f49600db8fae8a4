/**
 * What the media playlists of one track list: where its segments and parts are. Keeps what delta updates leave out.
 * Pure.
 */
import { attributesOf } from './ladder.ts';

export type ListedPart = {
	url: string;
	durationSeconds: number;
	/** Contains a key frame, not always as its first picture. */
	isIndependent: boolean;
	isGap: boolean;
};

export type ListedSegment = {
	mediaSequence: number;
	/** Undefined while it grows. */
	url: string | undefined;
	/** Empty once it is too old for parts to be listed. */
	parts: ListedPart[];
	initUrl: string | undefined;
	isDiscontinuous: boolean;
};

/** The most segments kept: a delta update leaves out no more than what was listed before. */
const MAX_SEGMENTS = 600;

export class TrackPlaylist {
	readonly url: string;
	readonly #segments = new Map<number, ListedSegment>();
	#reports: readonly string[] = [];

	constructor(url: string) {
		this.url = url;
	}

	/** Segments and parts that are known, oldest first. */
	get segments(): readonly ListedSegment[] {
		return [...this.#segments.values()];
	}

	/** Addresses of the playlists of the channel's other tracks that have media. */
	get reports(): readonly string[] {
		return this.#reports;
	}

	segment(mediaSequence: number): ListedSegment | undefined {
		return this.#segments.get(mediaSequence);
	}

	/** The newest segment, complete or not. */
	get newest(): ListedSegment | undefined {
		return [...this.#segments.values()].at(-1);
	}

	/** False when a delta update leaves out more than is known: then the whole playlist is needed. */
	apply(text: string): boolean {
		const segments: ListedSegment[] = [];
		const reports: string[] = [];
		let mediaSequence = 0;
		let open = emptySegment(0);
		let firstListed = 0;
		for (const line of text.split(/\r?\n/)) {
			if (line.startsWith('#EXT-X-MEDIA-SEQUENCE:')) {
				mediaSequence = Number(line.slice('#EXT-X-MEDIA-SEQUENCE:'.length)) || 0;
				open = emptySegment(mediaSequence);
				firstListed = mediaSequence;
			} else if (line.startsWith('#EXT-X-SKIP:')) {
				mediaSequence += Number(attributesOf(line).get('SKIPPED-SEGMENTS')) || 0;
				const before = this.#segments.get(mediaSequence - 1);
				if (before === undefined) {
					return false;
				}
				open = { ...emptySegment(mediaSequence), initUrl: before.initUrl };
			} else if (line.startsWith('#EXT-X-DISCONTINUITY') && !line.startsWith('#EXT-X-DISCONTINUITY-')) {
				open.isDiscontinuous = true;
			} else if (line.startsWith('#EXT-X-MAP:')) {
				open.initUrl = this.#resolve(attributesOf(line).get('URI') ?? '');
			} else if (line.startsWith('#EXT-X-PART:')) {
				const attributes = attributesOf(line);
				open.parts.push({
					url: this.#resolve(attributes.get('URI') ?? ''),
					durationSeconds: Number(attributes.get('DURATION')) || 0,
					isIndependent: attributes.get('INDEPENDENT') === 'YES',
					isGap: attributes.get('GAP') === 'YES',
				});
			} else if (line.startsWith('#EXT-X-RENDITION-REPORT:')) {
				reports.push(this.#resolve(attributesOf(line).get('URI') ?? ''));
			} else if (line !== '' && !line.startsWith('#')) {
				open.url = this.#resolve(line.trim());
				segments.push(open);
				mediaSequence++;
				open = { ...emptySegment(mediaSequence), initUrl: open.initUrl };
			}
		}
		if (open.parts.length > 0) {
			segments.push(open);
		}
		for (const segment of segments) {
			const known = this.#segments.get(segment.mediaSequence);
			// Parts of a segment are listed for some seconds only.
			const parts = segment.parts.length > 0 ? segment.parts : (known?.parts ?? []);
			this.#segments.set(segment.mediaSequence, { ...segment, parts });
		}
		for (const known of this.#segments.keys()) {
			if (known < firstListed || this.#segments.size > MAX_SEGMENTS) {
				this.#segments.delete(known);
			}
		}
		this.#reports = reports;
		return true;
	}

	#resolve(uri: string): string {
		return new URL(uri, this.url).href;
	}
}

function emptySegment(mediaSequence: number): ListedSegment {
	return {
		mediaSequence,
		url: undefined,
		parts: [],
		initUrl: undefined,
		isDiscontinuous: false,
	};
}
