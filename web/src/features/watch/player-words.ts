/** What the player says in each state: honest, short, and with what to do. Pure. */
import type { LineProblem, PlaybackError, PlaybackState } from '../../player/create-player.ts';
import { sayLineProblem, TIER_NAMES } from '../../app/texts/tier-words.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

/** `cover`: over a dark ground, there is no picture. `note`: beside the last picture, which stands. */
export type PlayerNotice = {
	form: 'cover' | 'note';
	title: string;
	text: string;
	isBusy: boolean;
	canRetry: boolean;
	/** Another tier that may well play. */
	suggestedTier: DeliveryTier | undefined;
};

/** What the notice is made from. @internal for tests */
export type NoticeFacts = {
	state: PlaybackState;
	error: PlaybackError | undefined;
	channelName: string;
	tier: DeliveryTier;
	hasPlayed: boolean;
	isServerUnreachable: boolean;
	/** The signaling socket is open: whatever does not answer, it is not the server as a whole. */
	isSocketOpen: boolean;
	isPaused: boolean;
	lineProblem: LineProblem | undefined;
};

/** The notice for a state; undefined while playing. */
export function playerNotice(facts: NoticeFacts): PlayerNotice | undefined {
	const base = { isBusy: false, canRetry: false, suggestedTier: undefined };
	const form = facts.hasPlayed ? 'note' : 'cover';
	const { channelName } = facts;
	if (facts.isPaused && !['offline', 'ended', 'interrupted'].includes(facts.state)) {
		// Nothing is waited for.
		return undefined;
	}
	switch (facts.state) {
		case 'playing':
			return undefined;
		case 'offline':
			return {
				...base,
				form: 'cover',
				title: `${channelName} is offline`,
				text: 'Leave this page open: it starts to play by itself when the broadcast begins.',
			};
		case 'ended':
			return {
				...base,
				form: 'cover',
				title: 'This broadcast has ended',
				text: `Leave this page open: it starts to play by itself when ${channelName} is live again.`,
			};
		case 'interrupted':
			return {
				...base,
				form,
				isBusy: true,
				title: 'The streamer has lost the connection',
				text: 'Waiting for it to come back. It goes on by itself; you need not reload.',
			};
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
	const base = { isBusy: true, canRetry: false, suggestedTier: undefined };
	const form = facts.hasPlayed ? 'note' : 'cover';
	if (facts.error?.kind === 'unreachable' && facts.isSocketOpen) {
		return { ...base, form, canRetry: true, ...tierUnreachable(facts.tier) };
	}
	if (facts.isServerUnreachable || facts.error?.kind === 'unreachable') {
		return {
			...base,
			form,
			title: 'The server does not answer',
			text: 'Trying again. Check your own connection if other sites do not load either.',
		};
	}
	if (facts.lineProblem !== undefined) {
		return { ...base, form, title: 'Loading …', text: sayLineProblem(facts.lineProblem) };
	}
	if (facts.state === 'stalled') {
		return {
			...base,
			form,
			title: 'The picture has stopped',
			text: 'No frames are arriving. It goes on by itself as soon as they do.',
		};
	}
	return {
		...base,
		form,
		title: facts.hasPlayed ? 'Reconnecting …' : 'Connecting …',
		text: 'Waiting for the first picture.',
	};
}

/** The server answers elsewhere: it is this tier's address that fails. */
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
	const retrying = error?.fatal === true ? '' : ' Trying again by itself.';
	switch (error?.kind) {
		case 'unreachable':
			if (isSocketOpen) {
				return { ...base, ...tierUnreachable(tier) };
			}
			return {
				...base,
				suggestedTier: undefined,
				title: 'The server does not answer',
				text: `Check your connection if other sites do not load either.${retrying}`,
			};
		case 'unsupported':
			return {
				...base,
				title: `This browser cannot play ${TIER_NAMES[tier]}`,
				text: `${error.detail} The other way may work.`,
			};
		case 'refused':
			return {
				...base,
				title: `The server would not play ${TIER_NAMES[tier]}`,
				text: `${error.detail}${retrying}`,
			};
		case 'undecodable':
			return {
				...base,
				title: 'The picture cannot be decoded',
				text: `${error.detail}${retrying} The other way may work.`,
			};
		case 'connection-lost':
		case undefined:
			return {
				...base,
				title: 'No media is getting through',
				text:
					tier === 'webrtc'
						? `A firewall may be blocking real-time video; ${TIER_NAMES[other]} passes where web pages do.${retrying}`
						: `${error?.detail ?? 'The stream broke off.'}${retrying}`,
			};
	}
}

/** On the badge of a viewer who watches what is past; it is a button. */
export function sayBehind(latencyMs: number | undefined): string {
	const seconds = latencyMs === undefined ? 0 : Math.round(latencyMs / 1000);
	return seconds > 0 ? `${seconds} s behind · Go to live` : 'Behind · Go to live';
}
