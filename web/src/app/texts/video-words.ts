/** Texts about videos: titles, dates, lengths, visibility. Pure. */
import type { Video, VideoVisibility } from '../../../../core/protocol/api/video.ts';
import { formatDate } from './format.ts';
import { speakLength } from './time-text.ts';

export const VISIBILITY_NAMES: Readonly<Record<VideoVisibility, string>> = {
	public: 'Public',
	unlisted: 'Unlisted',
	private: 'Private',
};

export const BEING_RECORDED = 'Being recorded';

/** Characters of the longest title, of broadcasts, videos and clips. */
export const MAX_TITLE = 140;

/** A broadcast without a title is named after its day. */
export function videoTitle({ title, startedAt }: Pick<Video, 'title' | 'startedAt'>): string {
	return title.trim() === '' ? `Broadcast of ${formatDate(startedAt)}` : title;
}

/** `12 Nov 2026, 2 hours 3 minutes`; with `so far` while it is being recorded. */
export function formatVideoDate({
	startedAt,
	durationSeconds,
	state,
}: Pick<Video, 'startedAt' | 'durationSeconds' | 'state'>): string {
	const length =
		durationSeconds < 1 ? '' : `, ${speakLength(durationSeconds)}${state === 'recording' ? ' so far' : ''}`;
	return formatDate(startedAt) + length;
}
