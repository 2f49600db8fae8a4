/** Fetches all versions of a live address's playlists by blocking reloads, and checks each. */
import { Parser } from 'm3u8-parser';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';

/** Gets the successive texts of one media playlist; returns the faults of the newest. */
export type PlaylistChecker = (text: string) => string[];

export type PlaylistWatch = { uri: string; playlistCount: number; faults: string[] };

const REQUEST_DEADLINE_MS = 15_000;
const RETRY_MS = 200;
const MAX_FAULTS = 50;

/** Addresses of the media playlists that a multivariant playlist names. @internal for tests */
export function mediaPlaylistUrls(multivariantText: string, multivariantUrl: string): string[] {
	const lines = multivariantText.split('\n');
	const variants = lines.filter((line) => line !== '' && !line.startsWith('#'));
	const renditions = lines.map((line) => /^#EXT-X-MEDIA:.*\bURI="([^"]+)"/.exec(line)?.[1]);
	const uris = [...variants, ...renditions.filter((uri) => uri !== undefined)];
	return [...new Set(uris.map((uri) => new URL(uri.trim(), multivariantUrl).href))];
}

/** Faults that m3u8-parser finds: its warnings, and a playlist with nothing to play. @internal for tests */
export function parserFaults(text: string): string[] {
	const parser = new Parser();
	const faults: string[] = [];
	parser.on('warn', (event) => faults.push(`m3u8-parser: ${event.message}`));
	parser.push(text);
	parser.end();
	if (parser.manifest.segments.length === 0 && (parser.manifest.playlists ?? []).length === 0) {
		faults.push('m3u8-parser found nothing to play');
	}
	return faults;
}

/** The directives for the first playlist newer than this one (rfc8216bis §6.2.5.2). @internal for tests */
export function nextDirectives(text: string): string {
	const isUri = (line: string): boolean => line !== '' && !line.startsWith('#');
	const lines = text.split('\n');
	const first = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)/m.exec(text)?.[1] ?? 0);
	const segmentCount = lines.filter(isUri).length;
	const openFrom = lines.findLastIndex(isUri);
	const partCount = lines.slice(openFrom + 1).filter((line) => line.startsWith('#EXT-X-PART:')).length;
	return `?_HLS_msn=${first + segmentCount}&_HLS_part=${partCount}`;
}

/** Follows all media playlists of the address until the signal aborts. `makeChecker` is called once per playlist. */
export async function watchPlaylists(
	multivariantUrl: string,
	signal: AbortSignal,
	makeChecker: (renditionCount: number) => PlaylistChecker,
): Promise<PlaylistWatch[]> {
	const text = await fetchText(multivariantUrl, signal);
	const urls = mediaPlaylistUrls(text, multivariantUrl);
	const multivariant = { uri: multivariantUrl, playlistCount: 1, faults: parserFaults(text) };
	const media = urls.map((url) => watchMediaPlaylist(url, signal, makeChecker(urls.length)));
	return [multivariant, ...(await Promise.all(media))];
}

async function watchMediaPlaylist(url: string, signal: AbortSignal, check: PlaylistChecker): Promise<PlaylistWatch> {
	const watch: PlaylistWatch = { uri: url, playlistCount: 0, faults: [] };
	const addFaults = (...faults: string[]): void => {
		watch.faults.push(...faults.slice(0, MAX_FAULTS - watch.faults.length));
	};
	let directives = '';
	let last = '';
	while (!signal.aborted) {
		try {
			const text = await fetchText(url + directives, signal);
			if (text !== last) {
				watch.playlistCount++;
				addFaults(...parserFaults(text), ...check(text));
				last = text;
			}
			directives = nextDirectives(text);
		} catch (error) {
			if (!signal.aborted) {
				addFaults(`not served: ${(error as Error).message}`);
				await sleep(systemClock, RETRY_MS);
			}
		}
	}
	return watch;
}

async function fetchText(url: string, signal: AbortSignal): Promise<string> {
	const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_DEADLINE_MS)]) });
	const text = await response.text();
	if (!response.ok) {
		throw new Error(`${response.status} ${text.slice(0, 200)}`);
	}
	return text;
}
