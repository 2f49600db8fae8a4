/** A clip's link as a player opens it: its description, its playlists, and what the first picture needs. */
import type { Clip } from '../../../core/protocol/api/clip.ts';

const TIMEOUT_MS = 20_000;

/** Loads all of it. Rejects when something is missing or empty. */
export async function openClipLink(httpUrl: string, clipId: string): Promise<Clip> {
	const clip = await describeClip(httpUrl, clipId);
	const { url, text } = await loadMediaPlaylist(httpUrl, clip);
	const init = /#EXT-X-MAP:.*URI="([^"]+)"/.exec(text)?.[1];
	const segment = firstUri(text);
	const files = [init, segment].filter((uri) => uri !== undefined);
	if (files.length < 2) {
		throw new Error(`The clip's playlist lists no segment:\n${text.slice(0, 500)}`);
	}
	const bodies = await Promise.all(files.map(async (uri) => (await get(new URL(uri, url).href)).arrayBuffer()));
	if (bodies.some(({ byteLength }) => byteLength === 0)) {
		throw new Error('The first segment of the clip, or its init segment, is empty.');
	}
	return clip;
}

export async function describeClip(httpUrl: string, clipId: string): Promise<Clip> {
	return (await (await get(new URL(`/api/v1/clips/${clipId}`, httpUrl).href)).json()) as Clip;
}

/** Whether its last picture is recorded, after which nothing of it changes. */
export async function isClipComplete(httpUrl: string, clip: Clip): Promise<boolean> {
	return (await loadMediaPlaylist(httpUrl, clip)).text.trimEnd().endsWith('#EXT-X-ENDLIST');
}

/** Loads a file whole. */
export async function loadBytes(url: string): Promise<Uint8Array> {
	return new Uint8Array(await (await get(url)).arrayBuffer());
}

/** Of the first variant. */
async function loadMediaPlaylist(httpUrl: string, { playlistUrl }: Clip): Promise<{ url: string; text: string }> {
	const multivariantUrl = new URL(playlistUrl, httpUrl).href;
	const multivariant = await (await get(multivariantUrl)).text();
	const url = new URL(firstUri(multivariant) ?? '', multivariantUrl).href;
	return { url, text: await (await get(url)).text() };
}

function firstUri(playlist: string): string | undefined {
	return /^[^#\n].*$/m.exec(playlist)?.[0];
}

async function get(url: string): Promise<Response> {
	const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
	if (!response.ok) {
		throw new Error(`${new URL(url).pathname} answers ${response.status}: ${(await response.text()).slice(0, 200)}`);
	}
	return response;
}
