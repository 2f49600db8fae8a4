/** Texts about clips. Pure. */
import type { Clip } from '../../../../core/protocol/api/clip.ts';
import { formatDate } from './format.ts';

/** A clip without a title is named after its day. */
export function clipTitle({ title, createdAt }: Pick<Clip, 'title' | 'createdAt'>): string {
	return title.trim() === '' ? `Clip of ${formatDate(createdAt)}` : title;
}

/** `Clipped by ada`. */
export function clipMaker({ creatorName }: Pick<Clip, 'creatorName'>): string {
	return creatorName === null ? 'Its maker has left' : `Clipped by ${creatorName}`;
}

/** The place in the whole video; undefined where there is none. */
export function fullVideoPath({ videoId, videoSeconds }: Pick<Clip, 'videoId' | 'videoSeconds'>): string | undefined {
	return videoId === null
		? undefined
		: `/videos/${encodeURIComponent(videoId)}?t=${Math.max(0, videoSeconds ?? 0).toFixed(2)}`;
}

/** `2 reports`. */
export function countReports(count: number): string {
	return count === 1 ? '1 report' : `${count} reports`;
}
