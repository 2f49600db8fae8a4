/** What the owner of a channel does with it: settings, stream keys, health, moderators. Channels are named by id. */
import type {
	ChannelChange,
	ChannelCreation,
	OwnChannelDescription,
} from '../../../core/protocol/api/channel-description.ts';
import type { ChannelHealth } from '../../../core/protocol/api/channel-health.ts';
import type { ChatRestriction } from '../../../core/protocol/api/chat-restriction.ts';
import type { ChannelChatSettings, ChatSettingsChange } from '../../../core/protocol/api/chat-settings.ts';
import type { NewStreamKey, StreamKeyDescription } from '../../../core/protocol/api/stream-key.ts';
import { ask } from './request.ts';

/** Opens a channel; its owner is the user. */
export function openChannel(body: ChannelCreation): Promise<OwnChannelDescription> {
	return ask('POST /api/v1/channels', { body });
}

/** The channel by its name. */
export function fetchOwnChannel(channel: string, signal?: AbortSignal): Promise<OwnChannelDescription> {
	return ask('GET /api/v1/channels/:channel', { params: { channel }, signal });
}

/** Changes what is given, leaves the rest. */
export function changeChannel(channel: string, body: ChannelChange): Promise<OwnChannelDescription> {
	return ask('PATCH /api/v1/channels/:channel', { params: { channel }, body });
}

/** The channel's keys, without their secrets. */
export async function fetchStreamKeys(channel: string): Promise<StreamKeyDescription[]> {
	return (await ask('GET /api/v1/channels/:channel/stream-keys', { params: { channel } })).streamKeys;
}

/** The only time that its secret is told. */
export function makeStreamKey(channel: string, name: string): Promise<NewStreamKey> {
	return ask('POST /api/v1/channels/:channel/stream-keys', { params: { channel }, body: { name } });
}

/** Gives a key a new secret; whoever publishes with the old one is ended. */
export function rotateStreamKey(channel: string, key: string): Promise<NewStreamKey> {
	return ask('POST /api/v1/channels/:channel/stream-keys/:key/rotate', { params: { channel, key } });
}

/** Ends a key, and the live session on it. */
export function revokeStreamKey(channel: string, key: string): Promise<void> {
	return ask('DELETE /api/v1/channels/:channel/stream-keys/:key', { params: { channel, key } });
}

/** What the server measures now. */
export function fetchHealth(channel: string, signal?: AbortSignal): Promise<ChannelHealth> {
	return ask('GET /api/v1/channels/:channel/health', { params: { channel }, signal });
}

/** Ends the broadcast for everybody. */
export function endBroadcast(channel: string): Promise<void> {
	return ask('POST /api/v1/channels/:channel/end', { params: { channel } });
}

/** Names of the channel's moderators. */
export async function fetchModerators(channel: string): Promise<string[]> {
	const { moderators } = await ask('GET /api/v1/channels/:channel/moderators', { params: { channel } });
	return moderators.map(({ name }) => name);
}

export function addModerator(channel: string, user: string): Promise<void> {
	return ask('PUT /api/v1/channels/:channel/moderators/:user', { params: { channel, user } });
}

export function removeModerator(channel: string, user: string): Promise<void> {
	return ask('DELETE /api/v1/channels/:channel/moderators/:user', { params: { channel, user } });
}

export function fetchChatSettings(channel: string): Promise<ChannelChatSettings> {
	return ask('GET /api/v1/channels/:channel/chat-settings', { params: { channel } });
}

/** Changes what is given, leaves the rest. */
export function changeChatSettings(channel: string, body: ChatSettingsChange): Promise<ChannelChatSettings> {
	return ask('PATCH /api/v1/channels/:channel/chat-settings', { params: { channel }, body });
}

/** Who may not write in chat now, newest first. */
export async function fetchChatRestrictions(channel: string): Promise<ChatRestriction[]> {
	return (await ask('GET /api/v1/channels/:channel/chat-restrictions', { params: { channel } })).restrictions;
}

/** Lets somebody write again. */
export function liftChatRestriction(channel: string, user: string): Promise<void> {
	return ask('DELETE /api/v1/channels/:channel/chat-restrictions/:user', { params: { channel, user } });
}

/**
 * Where encoders publish to by RTMP: only the server knows its port. Its own name for itself is replaced by the one
 * that led here.
 */
export async function fetchRtmpUrl(): Promise<string> {
	const { rtmp_url: rtmpUrl } = await ask('GET /api/v1/streams/ingest', {});
	return rtmpUrl.replace('://localhost', `://${window.location.hostname}`);
}
