/**
 * Fetches, while WebRTC plays, what LL-HLS needs before its first part. That is the library and the init segments,
 * which stay in the browser's cache as long as the broadcast lasts. In an emergency only playlists and parts are left
 * to load.
 */
import { loadHlsLibrary } from './hls-library.ts';

const DEADLINE_MS = 8000;
/** A source, five rungs and three sounds; a playlist with many more is not ours. */
const MAX_PLAYLISTS = 16;

/** Resolves when done, also after a failure: without it LL-HLS starts too, only later. */
export async function preloadHls(
	hlsUrl: string,
	load = fetchText,
	loadLibrary: () => Promise<unknown> = loadHlsLibrary,
) {
	const library = loadLibrary().catch(() => undefined);
	try {
		const multivariantUrl = new URL(hlsUrl, globalThis.location?.href).href;
		const playlistUrls = playlistsOf(await load(multivariantUrl), multivariantUrl).slice(0, MAX_PLAYLISTS);
		await Promise.all(
			playlistUrls.map(async (playlistUrl) => {
				const initUrl = initSegmentOf(await load(playlistUrl), playlistUrl);
				return initUrl === undefined ? undefined : load(initUrl);
			}),
		);
	} catch {
		// Not live yet, or not reachable: hls.js reports it when it is needed.
	}
	await library;
}

/**
 * Addresses of the media playlists in a multivariant playlist (draft-pantos-hls-rfc8216bis §4.4.6).
 * @internal for tests
 */
export function playlistsOf(multivariant: string, baseUrl: string): string[] {
	const lines = multivariant.split(/\r?\n/);
	const variants = lines.filter((line) => line !== '' && !line.startsWith('#'));
	const renditions = lines.flatMap((line) => /^#EXT-X-MEDIA:.*URI="([^"]+)"/.exec(line)?.[1] ?? []);
	return [...new Set([...variants, ...renditions].map((uri) => new URL(uri.trim(), baseUrl).href))];
}

/**
 * Address of the last init segment in a media playlist (§4.4.4.5), which is the one for the live edge.
 * @internal for tests
 */
export function initSegmentOf(playlist: string, baseUrl: string): string | undefined {
	const last = [...playlist.matchAll(/^#EXT-X-MAP:.*URI="([^"]+)"/gm)].at(-1);
	return last === undefined ? undefined : new URL(last[1]!, baseUrl).href;
}

async function fetchText(url: string): Promise<string> {
	const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
	if (!response.ok) {
		throw new TypeError(`The server answered ${response.status}.`);
	}
	return response.text();
}
