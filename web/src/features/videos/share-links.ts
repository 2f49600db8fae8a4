/** Addresses of a video for others. Pure. */
import { formatTimeParameter } from '../../app/texts/time-text.ts';

export function videoLink(origin: string, video: string, atSeconds?: number): string {
	const time = atSeconds === undefined ? '' : `?t=${formatTimeParameter(atSeconds)}`;
	return `${origin}/videos/${encodeURIComponent(video)}${time}`;
}

/** HTML for another site's page. */
export function embedCode(origin: string, video: string, title: string): string {
	const escaped = title.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
	const src = `${origin}/embed/videos/${encodeURIComponent(video)}`;
	return `<iframe src="${src}" title="${escaped}" width="640" height="360" style="border:0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>`;
}
