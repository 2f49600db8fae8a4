/**
 * Fetches what LL-HLS needs before its first part, while WebRTC plays: the library, and the init segments, which stay
 * in the browser's cache for as long as the broadcast lasts. In an emergency only playlists and parts are asked for.
 */
import { loadHlsLibrary } from './hls-playback.ts';

const DEADLINE_MS = 8000;
/** A broadcast has a handful of tracks; a playlist that names more is not ours. */
const MAX_PLAYLISTS = 8;

/** Resolves when done, whether or not all of it could be had: LL-HLS starts without it as well, only later. */
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
		// Not live yet, or no way through: hls.js will find out by itself, and says so.
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
 * Address of the last init segment in a media playlist (§4.4.4.5): the one that is valid at the live edge.
 * @internal for tests
 */
export function initSegmentOf(playlist: string, baseUrl: string): string | undefined {
	const uris = [...playlist.matchAll(/^#EXT-X-MAP:.*URI="([^"]+)"/gm)].map((match) => match[1]!);
	const last = uris.at(-1);
	return last === undefined ? undefined : new URL(last, baseUrl).href;
}

async function fetchText(url: string): Promise<string> {
	const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
	if (!response.ok) {
		throw new TypeError(`The server answered ${response.status}.`);
	}
	return response.text();
}
