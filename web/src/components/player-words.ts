/** What the player says in each state: honest, short, and with what to do. Pure. */
import type { DeliveryTier } from '../../../core/protocol/channel-description.ts';
import type { PlaybackError, PlaybackState } from '../playback/playback-state.ts';
import { TIER_NAMES } from './tier-words.ts';

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

/** What the notice is made from. */
export type NoticeFacts = {
	state: PlaybackState;
	error: PlaybackError | undefined;
	channelName: string;
	tier: DeliveryTier;
	hasPlayed: boolean;
	isServerUnreachable: boolean;
};

/** The notice for a state; undefined while playing. */
export function playerNotice(facts: NoticeFacts): PlayerNotice | undefined {
	const base = { isBusy: false, canRetry: false, suggestedTier: undefined };
	const form = facts.hasPlayed ? 'note' : 'cover';
	const { channelName } = facts;
	switch (facts.state) {
		case 'playing':
		case 'stopped':
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
			return waitingNotice(facts);
	}
}

function waitingNotice(facts: NoticeFacts): PlayerNotice {
	const base = { isBusy: true, canRetry: false, suggestedTier: undefined };
	const form = facts.hasPlayed ? 'note' : 'cover';
	if (facts.isServerUnreachable || facts.error?.kind === 'unreachable') {
		return {
			...base,
			form,
			title: 'The server does not answer',
			text: 'Trying again. Check your own connection if other sites do not load either.',
		};
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

function errorNotice({ error, tier, hasPlayed }: NoticeFacts): PlayerNotice {
	const other: DeliveryTier = tier === 'webrtc' ? 'll-hls' : 'webrtc';
	const base = {
		form: hasPlayed && error?.fatal !== true ? ('note' as const) : ('cover' as const),
		isBusy: error?.fatal !== true,
		canRetry: true,
		suggestedTier: other,
	};
	const retrying = error?.fatal === true ? '' : ' Trying again by itself.';
	switch (error?.kind) {
		case 'unreachable':
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
