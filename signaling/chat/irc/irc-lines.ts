/** Formats the events of a room as lines of Twitch's IRC. Each line is formatted once for all connections. */
import type { ChatMessage, ChatSettings } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { ErrorCode } from '../../../core/errors/errors.ts';
import { rankOf } from '../moderation/author-directory.ts';
import type { ChatFrame } from '../store/chat-service.ts';
import type { ChatCommand } from '../moderation/chat-commands.ts';
import { formatIrcMessage } from './irc-message.ts';

/** tmi.js 1.8 and others accept server lines only from this name. */
export const IRC_SERVER_NAME = 'tmi.twitch.tv';

/** Twitch's notice id for a refusal; undefined when Twitch has no such refusal. */
export const NOTICE_IDS: Readonly<Partial<Record<ErrorCode, string>>> = {
	CHAT_TOO_FAST: 'msg_ratelimit',
	CHAT_SLOW_MODE: 'msg_slowmode',
	CHAT_DUPLICATE: 'msg_duplicate',
	CHAT_WORD_BLOCKED: 'msg_rejected_mandatory',
	CHAT_BANNED: 'msg_banned',
	CHAT_TIMED_OUT: 'msg_timedout',
	CHAT_READ_ONLY: 'no_permission',
	CHAT_MODERATION_REFUSED: 'no_permission',
	CHAT_TARGET_UNKNOWN: 'invalid_user',
	CHAT_MESSAGE_INVALID: 'unrecognized_cmd',
};
/** Twitch's notice id for a successful command; undefined for commands with another answer. */
export const SUCCESS_IDS: Readonly<Partial<Record<ChatCommand['kind'], string>>> = {
	timeout: 'timeout_success',
	ban: 'ban_success',
	unban: 'unban_success',
	delete: 'delete_message_success',
};

export type IrcChannel = { id: string; name: string };

/** The capabilities of a connection: message tags, and commands that are not in RFC 1459. */
type IrcCapabilities = { hasTags: boolean; hasCommands: boolean };

type Line = { text: string; senderId: string | undefined };
const written = new WeakMap<ChatFrame, Map<string, Line[]>>();

/** `exceptSenderId`: a connection does not get its own messages. */
export function frameToLines(
	frame: ChatFrame,
	channel: IrcChannel,
	capabilities: IrcCapabilities,
	exceptSenderId: string,
): string[] {
	const key = `${capabilities.hasTags} ${capabilities.hasCommands} ${channel.name}`;
	let variants = written.get(frame);
	if (variants === undefined) {
		variants = new Map();
		written.set(frame, variants);
	}
	let lines = variants.get(key);
	if (lines === undefined) {
		lines = writeFrame(frame, channel, capabilities);
		variants.set(key, lines);
	}
	return lines.filter(({ senderId }) => senderId !== exceptSenderId).map(({ text }) => text);
}

/** `isWhole`: all settings, for a client that joins; otherwise the changeable ones. */
export function roomStateLine(
	channel: IrcChannel,
	settings: ChatSettings,
	options: { isWhole: boolean; hasTags: boolean },
): string {
	const whole = { 'emote-only': '0', 'followers-only': '-1', r9k: '0', 'subs-only': '0' };
	const tags = { ...(options.isWhole ? whole : {}), 'room-id': channel.id, slow: String(settings.slowModeSeconds) };
	return formatIrcMessage({
		tags: options.hasTags ? tags : {},
		prefix: IRC_SERVER_NAME,
		command: 'ROOMSTATE',
		params: [`#${channel.name}`],
	});
}

/** Describes the user of a connection to their own client; without a channel, for all channels. */
export function userStateLine(
	channel: IrcChannel | undefined,
	user: { id: string; name: string },
	badges: ChatMessage['author']['badges'],
	hasTags: boolean,
): string {
	// All three ranks may moderate, and some clients look only at `mod`.
	const isMod = rankOf(badges) > 0;
	const tags = {
		'badge-info': '',
		badges: ircBadges(badges),
		color: '',
		'display-name': user.name,
		'emote-sets': '0',
		mod: isMod ? '1' : '0',
		subscriber: '0',
		...(channel === undefined ? { 'user-id': user.id } : {}),
		'user-type': isMod ? 'mod' : '',
	};
	return formatIrcMessage({
		tags: hasTags ? tags : {},
		prefix: IRC_SERVER_NAME,
		command: channel === undefined ? 'GLOBALUSERSTATE' : 'USERSTATE',
		params: channel === undefined ? [] : [`#${channel.name}`],
	});
}

/** `name!name@name.server`. */
export function userPrefix(name: string): string {
	return `${name}!${name}@${name}.${IRC_SERVER_NAME}`;
}

function writeFrame(frame: ChatFrame, channel: IrcChannel, { hasTags, hasCommands }: IrcCapabilities): Line[] {
	const { message, removal } = frame;
	const withTags = (tags: Record<string, string>): Record<string, string> => (hasTags ? tags : {});
	if (message.type === 'chat') {
		return message.messages.map((chatMessage, index) => ({
			senderId: frame.senderIds[index],
			text: formatIrcMessage({
				tags: withTags(messageTags(chatMessage, channel)),
				prefix: userPrefix(chatMessage.author.name),
				command: 'PRIVMSG',
				params: [`#${channel.name}`],
				trailing: ircText(chatMessage.text),
			}),
		}));
	}
	if (!hasCommands) {
		return [];
	}
	if (message.type === 'chat-settings') {
		return [{ senderId: undefined, text: roomStateLine(channel, message.settings, { isWhole: false, hasTags }) }];
	}
	if (message.type !== 'chat-removed') {
		return [];
	}
	const lines: string[] = (removal?.messages ?? []).map((deleted) =>
		formatIrcMessage({
			tags: withTags({ login: deleted.author.name, 'room-id': channel.id, 'target-msg-id': deleted.id }),
			prefix: IRC_SERVER_NAME,
			command: 'CLEARMSG',
			params: [`#${channel.name}`],
			trailing: ircText(deleted.text),
		}),
	);
	if (removal?.author !== undefined) {
		const { name, seconds } = removal.author;
		const duration = seconds === undefined ? {} : { 'ban-duration': String(seconds) };
		lines.push(
			formatIrcMessage({
				tags: withTags({ ...duration, 'room-id': channel.id }),
				prefix: IRC_SERVER_NAME,
				command: 'CLEARCHAT',
				params: [`#${channel.name}`],
				trailing: name,
			}),
		);
	}
	return lines.map((text) => ({ senderId: undefined, text }));
}

const ACTION = '/me ';

// "/me waves" is CTCP ACTION in IRC.
function ircText(text: string): string {
	return text.startsWith(ACTION) ? `\u0001ACTION ${text.slice(ACTION.length)}\u0001` : text;
}

function ircBadges(badges: ChatMessage['author']['badges']): string {
	return badges.map((badge) => `${badge}/1`).join(',');
}

function messageTags(message: ChatMessage, channel: IrcChannel): Record<string, string> {
	const { author } = message;
	const isMod = author.badges.includes('moderator');
	return {
		'badge-info': '',
		badges: ircBadges(author.badges),
		color: author.color,
		'display-name': author.name,
		emotes: emoteTag(message),
		'first-msg': '0',
		id: message.id,
		mod: isMod ? '1' : '0',
		'room-id': channel.id,
		subscriber: author.badges.includes('subscriber') ? '1' : '0',
		'tmi-sent-ts': String(Math.round(message.sentAtMs)),
		turbo: '0',
		'user-id': author.id,
		'user-type': isMod ? 'mod' : '',
	};
}

/** `id:first-last,first-last/id:…`, in code points of the text that the client sees. */
function emoteTag({ text, emotes }: ChatMessage): string {
	const hidden = text.startsWith(ACTION) ? ACTION.length : 0;
	const places = new Map<string, string[]>();
	for (const { name, from, to } of emotes) {
		const first = [...text.slice(hidden, from)].length;
		const last = first + [...text.slice(from, to)].length - 1;
		places.set(name, [...(places.get(name) ?? []), `${first}-${last}`]);
	}
	return [...places].map(([name, ranges]) => `${name}:${ranges.join(',')}`).join('/');
}
