/** The player's notice in each state, with what to do. Pure. */
import type { LineProblem, PlaybackError, PlaybackState } from '../../player/create-player.ts';
import { formatLineProblem, TIER_NAMES } from '../../app/texts/tier-words.ts';
import { formatClock } from '../../app/texts/time-text.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

/** `cover`: on a dark ground, without a picture. `note`: over the last picture. */
type PlayerNotice = {
	form: 'cover' | 'note';
	title: string;
	text: string;
	isBusy: boolean;
	canRetry: boolean;
	/** Another tier that may play. */
	suggestedTier: DeliveryTier | undefined;
};

/** Over sound that plays without a picture. */
export const SOUND_ONLY = 'Audio only';
export const SOUND_ONLY_BY_LINE = 'Audio only for now: your line is too slow for the picture. It returns by itself.';

/** @internal for tests */
export type NoticeFacts = {
	state: PlaybackState;
	error: PlaybackError | undefined;
	channelName: string;
	tier: DeliveryTier;
	hasPlayed: boolean;
	isServerUnreachable: boolean;
	/** The signaling socket is open, so the server as a whole answers. */
	isSocketOpen: boolean;
	isPaused: boolean;
	lineProblem: LineProblem | undefined;
};

export function playerNotice(facts: NoticeFacts): PlayerNotice | undefined {
	const { state, channelName } = facts;
	const base = { isBusy: false, canRetry: false, suggestedTier: undefined };
	if (facts.isPaused && !['offline', 'ended', 'interrupted'].includes(state)) {
		// The viewer waits for nothing.
		return undefined;
	}
	switch (state) {
		case 'playing':
			return undefined;
		case 'offline':
		case 'ended': {
			const title = state === 'offline' ? `${channelName} is offline` : 'This broadcast has ended';
			const when = state === 'offline' ? 'the broadcast begins' : `${channelName} is live again`;
			const text = `Leave this page open: it starts to play by itself when ${when}.`;
			return { ...base, form: 'cover', title, text };
		}
		case 'interrupted': {
			const title = 'The streamer has lost the connection';
			const text = 'Waiting for it to come back. Playback then continues by itself; you need not reload.';
			return { ...base, form: facts.hasPlayed ? 'note' : 'cover', isBusy: true, title, text };
		}
		case 'error':
			return errorNotice(facts);
		case 'idle':
		case 'connecting':
		case 'stalled':
		case 'stopped':
			return waitingNotice(facts);
	}
}

function waitingNotice(facts: NoticeFacts): PlayerNotice {
	const { hasPlayed, error, lineProblem } = facts;
	const form = hasPlayed ? ('note' as const) : ('cover' as const);
	const base = { form, isBusy: true, canRetry: false, suggestedTier: undefined };
	const notice = (title: string, text: string): PlayerNotice => ({ ...base, title, text });
	if (error?.kind === 'unreachable' && facts.isSocketOpen) {
		return { ...base, canRetry: true, ...tierUnreachable(facts.tier) };
	}
	if (facts.isServerUnreachable || error?.kind === 'unreachable') {
		const text = 'Trying again. Check your own connection if other sites do not load either.';
		return notice('The server does not answer', text);
	}
	if (lineProblem !== undefined) {
		return notice('Loading …', formatLineProblem(lineProblem));
	}
	if (facts.state === 'stalled') {
		const text = 'No frames are arriving. Playback continues by itself as soon as they do.';
		return notice('The picture has stopped', text);
	}
	return notice(hasPlayed ? 'Reconnecting …' : 'Connecting …', 'Waiting for the first picture.');
}

/** For a server that answers, but not at this tier's address. */
function tierUnreachable(tier: DeliveryTier): Pick<PlayerNotice, 'title' | 'text' | 'suggestedTier'> {
	const other = otherTier(tier);
	return {
		title: `${TIER_NAMES[tier]} does not get through`,
		text: `The server is there, but its stream for ${TIER_NAMES[tier]} does not answer. Trying again by itself; ${TIER_NAMES[other]} may work.`,
		suggestedTier: other,
	};
}

function otherTier(tier: DeliveryTier): DeliveryTier {
	return tier === 'webrtc' ? 'll-hls' : 'webrtc';
}

function errorNotice({ error, tier, hasPlayed, isSocketOpen }: NoticeFacts): PlayerNotice {
	const other = otherTier(tier);
	const base = {
		form: hasPlayed && error?.fatal !== true ? ('note' as const) : ('cover' as const),
		isBusy: error?.fatal !== true,
		canRetry: true,
		suggestedTier: other,
	};
	const notice = (title: string, text: string): PlayerNotice => ({ ...base, title, text });
	const retrying = error?.fatal === true ? '' : ' Trying again by itself.';
	switch (error?.kind) {
		case 'unreachable': {
			const text = `Check your connection if other sites do not load either.${retrying}`;
			return isSocketOpen
				? { ...base, ...tierUnreachable(tier) }
				: { ...notice('The server does not answer', text), suggestedTier: undefined };
		}
		case 'unsupported':
			return notice(`This browser cannot play ${TIER_NAMES[tier]}`, `${error.detail} The other way may work.`);
		case 'refused':
			return notice(`The server would not play ${TIER_NAMES[tier]}`, `${error.detail}${retrying}`);
		case 'undecodable':
			return notice('The picture cannot be decoded', `${error.detail}${retrying} The other way may work.`);
		case 'connection-lost':
		case undefined: {
			const why =
				tier === 'webrtc'
					? `A firewall may be blocking real-time video; ${TIER_NAMES[other]} passes where web pages do.`
					: (error?.detail ?? 'The stream broke off.');
			return notice('No media is getting through', `${why}${retrying}`);
		}
	}
}

/** The text of the badge, which is a button, of a viewer who is behind live. */
export function formatBehind(latencyMs: number | undefined): string {
	const seconds = latencyMs === undefined ? 0 : Math.round(latencyMs / 1000);
	const distance = seconds < 60 ? `${seconds} s` : formatClock(seconds);
	return seconds > 0 ? `${distance} behind · Go to live` : 'Behind · Go to live';
}
