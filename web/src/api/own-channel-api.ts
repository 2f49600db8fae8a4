/** What the owner of a channel does with it: settings, stream keys, health, moderators. */
import type {
	ChannelDescription,
	ChannelPolicy,
	LegDescription,
} from '../../../core/protocol/api/channel-description.ts';
import type { PublishReportDescription, TrackProblemDescription } from '../../../core/protocol/api/publish-report.ts';
import type { AudienceReport } from '../../../core/protocol/api/audience-report.ts';
import { sendJson } from './account-request.ts';

/** A channel as its owner sees it. `graceWindowSeconds` null: the server's default; absent: not told. */
export type OwnChannel = ChannelDescription & { graceWindowSeconds?: number | null };

/** The fields that a PATCH may change. */
export type ChannelChange = {
	title?: string;
	category?: string | null;
	policy?: ChannelPolicy;
	/** Null: the server's default. */
	graceWindowSeconds?: number | null;
};

/** A stream key without its secret. */
export type StreamKeyDescription = {
	id: string;
	name: string;
	/** First characters, by which it is recognised. */
	prefix: string;
	createdAt: string;
	/** Null: never yet. */
	lastUsedAt: string | null;
	/** When it was first used from the newest of its networks; null while it was used from one only. */
	newNetworkAt: string | null;
};

/** A stream key just made: the only time that the secret is told. */
export type NewStreamKey = { id: string; name: string; streamKey: string };

/** What is measured of the publisher's stream over the last seconds. */
export type StreamHealth = {
	videoBitrateBps: number;
	audioBitrateBps: number;
	frameRate: number;
	/** Absent before the first whole group of pictures. */
	gopDurationMs?: number | null;
	hasBFrames: boolean;
	videoUnitCount: number;
	audioUnitCount: number;
	/** Times that pictures stayed away in the last minute, and the longest of them. */
	gapCount: number;
	longestGapMs: number;
};

/** Answer of the health route. */
export type ChannelHealth = {
	state: ChannelDescription['state'];
	startedAt: string | null;
	publisher: { protocol: string; encoderName: string | null; remoteAddress: string } | null;
	health: StreamHealth | null;
	/** What is left out of the stream or should be changed. */
	problems: readonly TrackProblemDescription[];
	/** How the last publisher ended or was refused. */
	lastPublisher: PublishReportDescription | null;
	legs: readonly LegDescription[];
	audience: AudienceReport;
	viewerCount: number | null;
	/** Why an encoder was turned away last; absent from servers that do not tell. */
	refusal?: { at: string; code: string; message: string } | null;
};

/** How a channel's chat is set, blocked words included. */
export type OwnChatSettings = { slowModeSeconds: number; isAccountRequired: boolean; blockedWords: readonly string[] };

/** Somebody who may not write in chat. Dates as ISO 8601; `until` null: banned. */
export type ChatRestriction = { name: string; since: string; until: string | null; moderator: string | null };

const path = (channelId: string, rest = ''): string => `/api/v1/channels/${encodeURIComponent(channelId)}${rest}`;

/** Opens a channel; its owner is the user. */
export function openChannel(channel: { name: string; title?: string; category?: string }): Promise<OwnChannel> {
	return sendJson('POST', '/api/v1/channels', channel);
}

/** The channel by its name. */
export function fetchOwnChannel(name: string, signal?: AbortSignal): Promise<OwnChannel> {
	return sendJson('GET', path(name), undefined, signal);
}

/** Changes what is given, leaves the rest. */
export function changeChannel(channelId: string, change: ChannelChange): Promise<OwnChannel> {
	return sendJson('PATCH', path(channelId), change);
}

/** The channel's keys, without their secrets. */
export async function fetchStreamKeys(channelId: string): Promise<readonly StreamKeyDescription[]> {
	const answer = await sendJson<{ streamKeys: readonly StreamKeyDescription[] }>(
		'GET',
		path(channelId, '/stream-keys'),
	);
	return answer.streamKeys;
}

/** Makes a key. */
export function makeStreamKey(channelId: string, name: string): Promise<NewStreamKey> {
	return sendJson('POST', path(channelId, '/stream-keys'), { name });
}

/** Gives a key a new secret; whoever publishes with the old one is ended. */
export function rotateStreamKey(channelId: string, keyId: string): Promise<NewStreamKey> {
	return sendJson('POST', path(channelId, `/stream-keys/${encodeURIComponent(keyId)}/rotate`));
}

/** Ends a key, and the live session on it. */
export function revokeStreamKey(channelId: string, keyId: string): Promise<void> {
	return sendJson('DELETE', path(channelId, `/stream-keys/${encodeURIComponent(keyId)}`));
}

/** What the server measures now. */
export function fetchHealth(channelId: string, signal?: AbortSignal): Promise<ChannelHealth> {
	return sendJson('GET', path(channelId, '/health'), undefined, signal);
}

/** Ends the broadcast for everybody. */
export function endBroadcast(channelId: string): Promise<void> {
	return sendJson('POST', path(channelId, '/end'));
}

/** Names of the channel's moderators. */
export async function fetchModerators(channelId: string): Promise<readonly string[]> {
	const { moderators } = await sendJson<{ moderators: readonly { name: string }[] }>(
		'GET',
		path(channelId, '/moderators'),
	);
	return moderators.map(({ name }) => name);
}

/** Makes a user a moderator of the channel. */
export function addModerator(channelId: string, userName: string): Promise<void> {
	return sendJson('PUT', path(channelId, `/moderators/${encodeURIComponent(userName)}`));
}

/** Takes it back. */
export function removeModerator(channelId: string, userName: string): Promise<void> {
	return sendJson('DELETE', path(channelId, `/moderators/${encodeURIComponent(userName)}`));
}

/** How the chat is set. */
export function fetchChatSettings(channelId: string): Promise<OwnChatSettings> {
	return sendJson('GET', path(channelId, '/chat-settings'));
}

/** Changes what is given, leaves the rest. */
export function changeChatSettings(channelId: string, change: Partial<OwnChatSettings>): Promise<OwnChatSettings> {
	return sendJson('PATCH', path(channelId, '/chat-settings'), change);
}

/** Who may not write in chat now, newest first. */
export async function fetchChatRestrictions(channelId: string): Promise<readonly ChatRestriction[]> {
	const { restrictions } = await sendJson<{ restrictions: readonly ChatRestriction[] }>(
		'GET',
		path(channelId, '/chat-restrictions'),
	);
	return restrictions;
}

/** Lets somebody write again. */
export function liftChatRestriction(channelId: string, name: string): Promise<void> {
	return sendJson('DELETE', path(channelId, `/chat-restrictions/${encodeURIComponent(name)}`));
}

/** Where encoders publish to by RTMP: only the server knows its port. Its own name for itself is replaced by the one that led here. */
export async function fetchRtmpUrl(): Promise<string> {
	const { rtmp_url: rtmpUrl } = await sendJson<{ rtmp_url: string }>('GET', '/api/v1/streams/ingest');
	return rtmpUrl.replace('://localhost', `://${window.location.hostname}`);
}
