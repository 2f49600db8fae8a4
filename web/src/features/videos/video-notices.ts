/** What the pages of videos say when there is nothing to play, and what to do. Pure. */
import type { Video } from '../../../../core/protocol/api/video.ts';
import type { VideoAbsence } from '../../api/video-watch.ts';
import type { VideoPlayerView } from '../../player/video/create-video-player.ts';

type VideoNotice = {
	form: 'cover' | 'note';
	title: string;
	text: string;
	isBusy: boolean;
	canRetry: boolean;
};

type AbsenceWords = { title: string; text: string; canRetry: boolean; offersLogIn: boolean };

/** For a page without a video, or a clip. */
export function absenceWords(absence: VideoAbsence, isLoggedIn: boolean, what = 'video'): AbsenceWords {
	const none = { canRetry: false, offersLogIn: false };
	switch (absence) {
		case 'missing': {
			const why = 'It may have been deleted, or it is private. Check the address if you typed it.';
			const text = isLoggedIn ? why : `${why} If it is your own, log in.`;
			return { ...none, title: `There is no such ${what}`, text, offersLogIn: !isLoggedIn };
		}
		case 'private': {
			const text = isLoggedIn ? 'Only its owner can watch it.' : 'Only its owner can watch it. If that is you, log in.';
			return { ...none, title: `This ${what} is private`, text, offersLogIn: !isLoggedIn };
		}
		case 'gone':
			return { ...none, title: `This ${what} is gone`, text: GONE.text };
		case 'unreachable': {
			const text = 'Trying again every few seconds. Check your own connection if other sites do not load either.';
			return { ...none, title: 'The server does not answer', text, canRetry: true };
		}
	}
}

const GONE = { title: 'This video is gone', text: 'It has been deleted, or its owner has made it private.' };

type NoticeFacts = {
	video: Pick<Video, 'playlistUrl' | 'state'>;
	/** Of the newest answer about the video, which was there before. */
	absence: VideoAbsence | undefined;
	view: Pick<VideoPlayerView, 'state' | 'problem' | 'hasStarted'>;
	/** Its description is loaded again, because it has no longer the same address. */
	isReloading: boolean;
	/** The viewer has been waiting for some seconds. */
	isSlow: boolean;
};

/** Over the player; undefined while it plays, or loads as usual. */
export function videoNotice({ video, absence, view, isReloading, isSlow }: NoticeFacts): VideoNotice | undefined {
	const form = view.hasStarted ? 'note' : 'cover';
	const base = { form, isBusy: false, canRetry: false } as const;
	if (absence === 'gone' && view.state !== 'ready') {
		return { ...base, ...GONE, form: 'cover' };
	}
	// Announced before they can be loaded.
	const isEarly = view.problem?.kind === 'gone' && !view.hasStarted && video.state === 'recording';
	if (video.playlistUrl === null || isEarly) {
		return video.state === 'recording'
			? {
					...base,
					title: 'Nothing to play yet',
					text: 'The recording has just begun. It plays here as soon as its first seconds are stored.',
					isBusy: true,
				}
			: { ...base, title: 'There is nothing to play', text: 'Nothing of this broadcast could be stored.' };
	}
	if (view.problem === undefined) {
		const text = 'It takes longer than usual. Check your connection if other sites do not load either.';
		return isSlow ? { ...base, title: 'Loading …', text, isBusy: true } : undefined;
	}
	switch (view.problem.kind) {
		case 'gone': {
			const text = 'The video is at a new address.';
			return isReloading
				? { ...base, title: 'Loading …', text, isBusy: true }
				: {
						...base,
						title: 'The video does not load',
						text: 'The server no longer has it at its address.',
						canRetry: true,
					};
		}
		case 'unreachable': {
			const text = 'The server does not answer. Check your connection if other sites do not load either.';
			return { ...base, title: 'The video does not load', text, canRetry: true };
		}
		case 'undecodable':
			return { ...base, title: 'The video cannot be decoded', text: view.problem.detail, canRetry: true };
		case 'unsupported':
			return { ...base, title: 'This browser cannot play the video', text: view.problem.detail };
	}
}
