/** Addresses of a video or a clip for others. Pure. */
import { formatTimeParameter } from '../../app/texts/time-text.ts';

/** `path`: of its page. */
export function shareLink(origin: string, path: string, atSeconds?: number): string {
	return origin + path + (atSeconds === undefined ? '' : `?t=${formatTimeParameter(atSeconds)}`);
}

/** HTML for another site's page. */
export function embedCode(origin: string, path: string, title: string): string {
	const escaped = title.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
	const src = `${origin}/embed${path}`;
	return `<iframe src="${src}" title="${escaped}" width="640" height="360" style="border:0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>`;
}
