/** Reads media playlists for tests, line by line and independent of their writer; keeps what the rules check. */

type ListedPart = { uri: string; durationSeconds: number; isIndependent: boolean; isGap: boolean };

/** One segment; `uri` is undefined for the open one at the end. */
export type ListedSegment = {
	mediaSequence: number;
	uri: string | undefined;
	durationSeconds: number;
	parts: ListedPart[];
	hasDiscontinuity: boolean;
	discontinuitySequence: number;
	map: string | undefined;
	programDateTimeMs: number | undefined;
	isGap: boolean;
};

export type ListedPlaylist = {
	/** Tag name → value, of tags that apply to the whole playlist; each with how often it came. */
	header: Map<string, { value: string; count: number; isAfterSegment: boolean }>;
	segments: ListedSegment[];
	hints: Map<string, string[]>;
	reports: Map<string, string>[];
	skippedSegmentCount: number;
	hasEndList: boolean;
	/** What is out of place. */
	faults: string[];
};

const HEADER_TAGS = new Set([
	'EXTM3U',
	'EXT-X-VERSION',
	'EXT-X-TARGETDURATION',
	'EXT-X-SERVER-CONTROL',
	'EXT-X-PART-INF',
	'EXT-X-MEDIA-SEQUENCE',
	'EXT-X-DISCONTINUITY-SEQUENCE',
	'EXT-X-PLAYLIST-TYPE',
]);

/** Attribute list → map, quotes taken off (rfc8216bis §4.2). */
export function readAttributes(text: string): Map<string, string> {
	const attributes = new Map<string, string>();
	for (const [, name, quotedValue, value] of text.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))(?:,|$)/g)) {
		attributes.set(name!, quotedValue ?? value!);
	}
	return attributes;
}

/** Number of a header tag; NaN when it is missing. */
export function headerNumber(playlist: ListedPlaylist, tag: string): number {
	return Number(playlist.header.get(tag)?.value ?? NaN);
}

export function readMediaPlaylist(text: string): ListedPlaylist {
	const playlist: ListedPlaylist = {
		header: new Map(),
		segments: [],
		hints: new Map(),
		reports: [],
		skippedSegmentCount: 0,
		hasEndList: false,
		faults: [],
	};
	let map: string | undefined;
	let discontinuityCount = 0;
	let open: ListedSegment | undefined;
	const segment = (): ListedSegment => {
		open ??= {
			mediaSequence:
				headerNumber(playlist, 'EXT-X-MEDIA-SEQUENCE') + playlist.skippedSegmentCount + playlist.segments.length,
			uri: undefined,
			durationSeconds: 0,
			parts: [],
			hasDiscontinuity: false,
			discontinuitySequence: 0,
			map,
			programDateTimeMs: undefined,
			isGap: false,
		};
		return open;
	};
	const govern = (tag: string): ListedSegment => {
		if (segment().parts.length > 0) {
			playlist.faults.push(`L-13 ${tag} after the first EXT-X-PART of its segment`);
		}
		return segment();
	};
	const close = (uri: string | undefined): void => {
		const done = segment();
		done.uri = uri;
		done.map = map;
		done.discontinuitySequence = headerNumber(playlist, 'EXT-X-DISCONTINUITY-SEQUENCE') + discontinuityCount;
		playlist.segments.push(done);
		open = undefined;
	};
	for (const line of text.split('\n')) {
		const [, tag, value = ''] = /^#([A-Z0-9-]+)(?::(.*))?$/.exec(line) ?? [];
		if (tag === undefined) {
			if (line !== '') {
				close(line);
			}
		} else if (HEADER_TAGS.has(tag)) {
			const before = playlist.header.get(tag);
			const isAfterSegment = playlist.segments.length > 0 || open !== undefined;
			playlist.header.set(tag, { value, count: (before?.count ?? 0) + 1, isAfterSegment });
		} else if (tag === 'EXT-X-DISCONTINUITY') {
			govern(tag).hasDiscontinuity = true;
			discontinuityCount++;
		} else if (tag === 'EXT-X-MAP') {
			govern(tag);
			map = readAttributes(value).get('URI');
		} else if (tag === 'EXT-X-PROGRAM-DATE-TIME') {
			govern(tag).programDateTimeMs = Date.parse(value);
		} else if (tag === 'EXT-X-PART') {
			const attributes = readAttributes(value);
			segment().parts.push({
				uri: attributes.get('URI') ?? '',
				durationSeconds: Number(attributes.get('DURATION')),
				isIndependent: attributes.get('INDEPENDENT') === 'YES',
				isGap: attributes.get('GAP') === 'YES',
			});
		} else if (tag === 'EXT-X-GAP') {
			segment().isGap = true;
		} else if (tag === 'EXTINF') {
			segment().durationSeconds = Number(value.split(',')[0]);
		} else if (tag === 'EXT-X-SKIP') {
			playlist.skippedSegmentCount = Number(readAttributes(value).get('SKIPPED-SEGMENTS'));
		} else if (tag === 'EXT-X-PRELOAD-HINT') {
			const attributes = readAttributes(value);
			const type = attributes.get('TYPE') ?? '';
			playlist.hints.set(type, [...(playlist.hints.get(type) ?? []), attributes.get('URI') ?? '']);
		} else if (tag === 'EXT-X-RENDITION-REPORT') {
			playlist.reports.push(readAttributes(value));
		} else if (tag === 'EXT-X-ENDLIST') {
			playlist.hasEndList = true;
		} else {
			playlist.faults.push(`unknown tag ${tag}`);
		}
	}
	if (open !== undefined) {
		close(undefined);
	}
	return playlist;
}
