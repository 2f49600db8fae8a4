/** API calls for a channel's owner: settings, stream keys, health, moderators. Channels are given by id. */
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

export function openChannel(body: ChannelCreation): Promise<OwnChannelDescription> {
	return ask('POST /api/v1/channels', { body });
}

/** The channel by its name. */
export function fetchOwnChannel(channel: string, signal?: AbortSignal): Promise<OwnChannelDescription> {
	return ask('GET /api/v1/channels/:channel', { params: { channel }, signal });
}

/** Changes only the fields that are given. */
export function changeChannel(channel: string, body: ChannelChange): Promise<OwnChannelDescription> {
	return ask('PATCH /api/v1/channels/:channel', { params: { channel }, body });
}

export async function fetchStreamKeys(channel: string): Promise<StreamKeyDescription[]> {
	return (await ask('GET /api/v1/channels/:channel/stream-keys', { params: { channel } })).streamKeys;
}

/** The only answer that contains the key's secret. */
export function makeStreamKey(channel: string, name: string): Promise<NewStreamKey> {
	return ask('POST /api/v1/channels/:channel/stream-keys', { params: { channel }, body: { name } });
}

/** Gives a key a new secret; a broadcast with the old one ends. */
export function rotateStreamKey(channel: string, key: string): Promise<NewStreamKey> {
	return ask('POST /api/v1/channels/:channel/stream-keys/:key/rotate', { params: { channel, key } });
}

/** Revokes a key, and ends the broadcast on it. */
export function revokeStreamKey(channel: string, key: string): Promise<void> {
	return ask('DELETE /api/v1/channels/:channel/stream-keys/:key', { params: { channel, key } });
}

export function fetchHealth(channel: string, signal?: AbortSignal): Promise<ChannelHealth> {
	return ask('GET /api/v1/channels/:channel/health', { params: { channel }, signal });
}

export function endBroadcast(channel: string): Promise<void> {
	return ask('POST /api/v1/channels/:channel/end', { params: { channel } });
}

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

/** Changes only the fields that are given. */
export function changeChatSettings(channel: string, body: ChatSettingsChange): Promise<ChannelChatSettings> {
	return ask('PATCH /api/v1/channels/:channel/chat-settings', { params: { channel }, body });
}

/** Users who may not write in chat now, newest first. */
export async function fetchChatRestrictions(channel: string): Promise<ChatRestriction[]> {
	return (await ask('GET /api/v1/channels/:channel/chat-restrictions', { params: { channel } })).restrictions;
}

export function liftChatRestriction(channel: string, user: string): Promise<void> {
	return ask('DELETE /api/v1/channels/:channel/chat-restrictions/:user', { params: { channel, user } });
}

/** The address for encoders by RTMP, whose port only the server knows. `localhost` is replaced by this page's host. */
export async function fetchRtmpUrl(): Promise<string> {
	const { rtmp_url: rtmpUrl } = await ask('GET /api/v1/streams/ingest', {});
	return rtmpUrl.replace('://localhost', `://${window.location.hostname}`);
}
