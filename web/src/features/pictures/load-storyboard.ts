/** Loads storyboards and their pictures in the browser. */
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { ask, request } from '../../api/request.ts';
import type { PictureFile } from './picture-queue.ts';
import { liveTiles, MAX_CHARACTERS, parseStoryboard, type Tile } from './storyboard.ts';

const PICTURE_DEADLINE_MS = 15_000;

/** Of a video. Rejects when the server does not answer, or with far too much. */
export async function loadStoryboard(url: string, signal: AbortSignal): Promise<Tile[]> {
	const response = await request(url, { credentials: 'same-origin', signal });
	const reader = response.body!.getReader();
	const decoder = new TextDecoder();
	let text = '';
	for (let read = await reader.read(); !read.done; read = await reader.read()) {
		text += decoder.decode(read.value, { stream: true });
		if (text.length > MAX_CHARACTERS) {
			await reader.cancel();
			throw new RangeError('The storyboard is too long.');
		}
	}
	return parseStoryboard(text, new URL(url, document.baseURI).href);
}

/** Of a live channel, at its address in the description. */
export async function loadLiveStoryboard(url: string, signal: AbortSignal): Promise<Tile[]> {
	const channel = decodeURIComponent(url.split('/').at(-2)!);
	return liveTiles(await ask('GET /api/v1/channels/:channel/storyboard', { params: { channel }, signal }));
}

/** Rejects for what is no picture, and after a while. */
export async function loadPicture(url: string): Promise<PictureFile> {
	const image = new Image();
	let cancel = (): void => undefined;
	const deadline = new Promise<never>((_resolve, reject) => {
		cancel = systemClock.setTimeout(() => reject(new Error(`No picture came from ${url}.`)), PICTURE_DEADLINE_MS);
	});
	try {
		image.src = url;
		await Promise.race([image.decode(), deadline]);
		return { widthPixels: image.naturalWidth, heightPixels: image.naturalHeight, image };
	} catch (error) {
		image.src = '';
		throw error;
	} finally {
		cancel();
	}
}
