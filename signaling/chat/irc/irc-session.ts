/** One IRC connection over a WebSocket, compatible with Twitch's: sign in, join, read, write. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { createId, type ChannelId } from '../../../core/ids.ts';
import { addressKey } from '../../../core/limits/address-key.ts';
import type { AttemptLimiter } from '../../../core/limits/attempt-limiter.ts';
import { TokenBucket, type TokenRate } from '../../../core/limits/token-bucket.ts';
import type { Logger } from '../../../core/logger.ts';
import { parseChatCommand } from '../moderation/chat-commands.ts';
import type { ChatFrame, ChatJoinResult, ChatRoom, ChatService } from '../store/chat-service.ts';
import type { User } from '../../accounts/user.ts';
import {
	frameToLines,
	IRC_SERVER_NAME,
	NOTICE_IDS,
	roomStateLine,
	SUCCESS_IDS,
	userPrefix,
	userStateLine,
	type IrcChannel,
} from './irc-lines.ts';
import { formatIrcMessage, parseIrcMessage, type IrcMessage, type OutgoingIrcMessage } from './irc-message.ts';

/** @internal for tests */
export type IrcSocket = {
	/** Unsent bytes. */
	readonly bufferedAmount: number;
	send(text: string): void;
	/** Closes with a handshake. */
	close(code: number, reason: string): void;
	/** Closes without a handshake. */
	terminate(): void;
};

type IrcConnection = {
	socket: IrcSocket;
	remoteAddress: string;
	/** The channel of the address; undefined: any. */
	onlyChannel: string | undefined;
};

export type IrcSessionDependencies = {
	clock: Clock;
	logger: Logger;
	chat: ChatService;
	/** Accepts any text. */
	findChannel: (name: string) => Promise<{ id: ChannelId; name: string } | undefined>;
	/** Accepts access tokens and chat tokens; undefined for an invalid one. */
	verifyToken: (token: string) => Promise<VerifiedToken | undefined>;
	/** Limits guessing. */
	attempts: Pick<AttemptLimiter, 'begin'>;
};

/** What a connection signed in with: a chat token, which can be deleted, or a log-in, which can end. */
export type IrcCredential = { kind: 'chat-token' | 'session'; id: string };

type VerifiedToken = { user: User; credential?: IrcCredential | undefined };

const SIGN_IN_DEADLINE_MS = 10_000;
/** A connection that is silent for one interval is pinged, and ended when it is silent for another. */
const PING_INTERVAL_MS = 30_000;
/** A client that reads too slowly is disconnected, so that it costs at most this. */
const MAX_BUFFERED_BYTES = 1_048_576;
const MAX_CHANNELS = 50;
/** Lines that can wait for earlier ones, such as a JOIN that queries the database. */
const MAX_WAITING_LINES = 200;
/** Lines at once, and lines per second after that. */
const LINE_RATE: TokenRate = { burst: 200, perSecond: 20 };
const CAPABILITIES: ReadonlySet<string> = new Set(['twitch.tv/tags', 'twitch.tv/commands', 'twitch.tv/membership']);

type Joined = { channel: IrcChannel; room: ChatRoom; memberId: string; badges: ChatJoinResult['badges'] };

/** The route passes the socket's messages to receive() and its end to close(). */
export class IrcSession {
	readonly #deps: IrcSessionDependencies;
	readonly #connection: IrcConnection;
	readonly #scope: CloseScope<string>;
	readonly #id: string;
	readonly #joined = new Map<string, Joined>();
	readonly #capabilities = new Set<string>();
	#password: string | undefined;
	#nick: string | undefined;
	#user: User | undefined;
	#credential: IrcCredential | undefined;
	#work: Promise<void> = Promise.resolve();
	#waitingLines = 0;
	readonly #lineRate: TokenBucket;
	#isAnswerDue = false;

	constructor(deps: IrcSessionDependencies, connection: IrcConnection) {
		this.#deps = deps;
		this.#connection = connection;
		this.#id = createId(deps.clock.nowMs());
		this.#scope = new CloseScope(deps.logger);
		this.#lineRate = new TokenBucket(deps.clock, LINE_RATE);
		this.#scope.onClose(() => this.#joined.forEach((joined) => this.#leaveRoom(joined)));
		this.#scope.every(deps.clock, PING_INTERVAL_MS, () => this.#ping());
		this.#scope.after(deps.clock, SIGN_IN_DEADLINE_MS, () => {
			if (this.#nick === undefined) {
				this.#end('sign-in-timeout', 1008);
			}
		});
	}

	/** `text`: a WebSocket message of one or more lines. */
	receive(text: string): void {
		this.#isAnswerDue = false;
		for (const line of text.split(/\r?\n/)) {
			if (line === '' || this.#scope.closed) {
				continue;
			}
			if (!this.#admitLine()) {
				this.#end('flooding', 1008);
				return;
			}
			this.#waitingLines++;
			this.#work = this.#work.then(() => this.#handleLine(line)).finally(() => this.#waitingLines--);
		}
	}

	/** Undefined for readers without an account. */
	get credential(): IrcCredential | undefined {
		return this.#credential;
	}

	/** Ends the connection, because its credential has ended. */
	endCredential(): void {
		const isToken = this.#credential?.kind === 'chat-token';
		this.#notice('*', undefined, isToken ? 'The chat token was deleted.' : 'You have logged out. Log in again.');
		this.#end(isToken ? 'token-deleted' : 'signed-out', 1008);
	}

	/** Leaves all rooms; does not close the socket. Idempotent. */
	close(reason: string): Promise<void> {
		return this.#scope.close(reason);
	}

	#admitLine(): boolean {
		return this.#lineRate.take() && this.#waitingLines < MAX_WAITING_LINES;
	}

	async #handleLine(line: string): Promise<void> {
		const message = parseIrcMessage(line);
		if (message === undefined || this.#scope.closed) {
			return;
		}
		try {
			await this.#handle(message);
		} catch (error) {
			if (!(error instanceof SpillwayError)) {
				this.#deps.logger.error({ err: error, command: message.command }, 'an IRC command failed');
			}
			const text = error instanceof SpillwayError ? error.message : 'Something broke on our side.';
			this.#notice('*', error instanceof SpillwayError ? NOTICE_IDS[error.code] : undefined, text);
		}
	}

	async #handle({ command, params }: IrcMessage): Promise<void> {
		switch (command) {
			case 'CAP':
				this.#negotiate(params);
				return;
			case 'PASS':
				this.#password = params[0];
				return;
			case 'NICK':
				await this.#signIn(params[0] ?? '');
				return;
			case 'PING':
				// As Twitch: a bare PING gets a bare PONG. tmi.js sends no other PING and recognises no other PONG.
				this.#sendLine(
					params[0] === undefined
						? { command: 'PONG', trailing: IRC_SERVER_NAME }
						: { prefix: IRC_SERVER_NAME, command: 'PONG', params: [IRC_SERVER_NAME], trailing: params[0] },
				);
				return;
			case 'PONG':
			case 'USER':
				return;
			case 'QUIT':
				this.#end('quit', 1000);
				return;
			default:
		}
		if (this.#nick === undefined) {
			this.#reply('451', ['*'], 'You have not registered');
			return;
		}
		switch (command) {
			case 'JOIN':
				for (const name of splitChannels(params[0])) {
					await this.#join(name);
				}
				return;
			case 'PART':
				splitChannels(params[0]).forEach((name) => this.#part(name));
				return;
			case 'PRIVMSG':
				await this.#write(params[0] ?? '', params[1] ?? '');
				return;
			default:
				this.#reply('421', [this.#nick, command], 'Unknown command');
		}
	}

	#negotiate([verb, asked = '']: readonly string[]): void {
		// Twitch writes "*" in place of the name, even after the sign-in.
		const reply = (answer: string, names: string): void => this.#reply('CAP', ['*', answer], names);
		switch (verb?.toUpperCase()) {
			case 'LS':
				reply('LS', [...CAPABILITIES].join(' '));
				return;
			case 'LIST':
				reply('LIST', [...this.#capabilities].join(' '));
				return;
			case 'REQ': {
				const wanted = asked.split(' ').filter((part) => part !== '');
				const nameOf = (part: string): string => part.replace(/^-/, '');
				// https://ircv3.net/specs/extensions/capability-negotiation: a request applies as a whole or not at all; "-"
				// disables a capability.
				const isKnown = wanted.length > 0 && wanted.every((part) => CAPABILITIES.has(nameOf(part)));
				for (const part of isKnown ? wanted : []) {
					if (part.startsWith('-')) {
						this.#capabilities.delete(nameOf(part));
					} else {
						this.#capabilities.add(part);
					}
				}
				reply(isKnown ? 'ACK' : 'NAK', wanted.join(' ').slice(0, 200));
				return;
			}
			default:
		}
	}

	async #signIn(nick: string): Promise<void> {
		if (this.#nick !== undefined) {
			return;
		}
		const isAnonymous = /^justinfan\d{1,10}$/i.test(nick);
		if (!isAnonymous) {
			this.#user = await this.#authenticate();
			if (this.#user === undefined) {
				return;
			}
		}
		this.#password = undefined;
		const name = this.#user?.name ?? nick.toLowerCase();
		this.#nick = name;
		this.#reply('001', [name], 'Welcome, GLHF!');
		this.#reply('002', [name], `Your host is ${IRC_SERVER_NAME}`);
		this.#reply('003', [name], 'This server is rather new');
		this.#reply('004', [name], '-');
		this.#reply('375', [name], '-');
		this.#reply('372', [name], 'You are in a maze of twisty passages, all alike.');
		this.#reply('376', [name], '>');
		this.#sendUserState(undefined, []);
	}

	/** Returns the user of PASS; undefined when the connection was ended for it. */
	async #authenticate(): Promise<User | undefined> {
		const token = /^oauth:(.{1,1024})$/.exec(this.#password ?? '')?.[1];
		if (token === undefined) {
			this.#refuseSignIn('Improperly formatted auth');
			return undefined;
		}
		const { attempts, verifyToken } = this.#deps;
		const attempt = attempts.begin(addressKey(this.#connection.remoteAddress));
		if (attempt.outcome !== 'begun') {
			this.#refuseSignIn('Login unsuccessful: too many attempts, wait a moment');
			return undefined;
		}
		let verified: VerifiedToken | undefined;
		try {
			verified = await verifyToken(token);
		} catch (error) {
			// A failed check does not count as a wrong attempt.
			attempt.end();
			throw error;
		}
		if (verified === undefined) {
			attempt.fail();
			this.#refuseSignIn('Login authentication failed');
			return undefined;
		}
		attempt.end();
		this.#credential = verified.credential;
		return verified.user;
	}

	#refuseSignIn(text: string): void {
		this.#notice('*', undefined, text);
		this.#end('sign-in-refused', 1008);
	}

	async #join(name: string): Promise<void> {
		if (this.#joined.has(name)) {
			return;
		}
		const { remoteAddress, onlyChannel } = this.#connection;
		const isElsewhere = onlyChannel !== undefined && onlyChannel.toLowerCase() !== name;
		const found = isElsewhere || this.#joined.size >= MAX_CHANNELS ? undefined : await this.#deps.findChannel(name);
		if (found === undefined) {
			const reason = isElsewhere
				? 'This address is for another channel.'
				: 'This room does not exist, or is one too many.';
			this.#notice(name, 'msg_room_not_found', reason);
			return;
		}
		const room = this.#deps.chat.open(found.id);
		const memberId = `irc-${this.#id}-${found.id}`;
		const joined: Joined = { channel: found, room, memberId, badges: [] };
		this.#joined.set(name, joined);
		try {
			const user = this.#user;
			const deliver = (frame: ChatFrame): void => this.#deliver(joined, frame);
			const member = { id: memberId, user, remoteAddress, isReadOnly: user === undefined, deliver };
			const result = await room.join(member, undefined);
			joined.badges = result.badges;
			if (this.#scope.closed) {
				this.#leaveRoom(joined);
				return;
			}
			this.#welcomeTo(joined);
			if (this.#hasCommands) {
				this.#sendText(roomStateLine(found, result.settings, { isWhole: true, hasTags: this.#hasTags }));
			}
		} catch (error) {
			this.#joined.delete(name);
			this.#leaveRoom(joined);
			throw error;
		}
	}

	#welcomeTo({ channel, badges }: Joined): void {
		const nick = this.#nick!;
		this.#sendLine({ prefix: userPrefix(nick), command: 'JOIN', params: [`#${channel.name}`] });
		const host = `${nick}.${IRC_SERVER_NAME}`;
		this.#sendLine({ prefix: host, command: '353', params: [nick, '=', `#${channel.name}`], trailing: nick });
		this.#sendLine({
			prefix: host,
			command: '366',
			params: [nick, `#${channel.name}`],
			trailing: 'End of /NAMES list',
		});
		this.#sendUserState(channel, badges);
	}

	/** Describes the user to their own client; without a channel, for all channels. */
	#sendUserState(channel: IrcChannel | undefined, badges: ChatJoinResult['badges']): void {
		if (this.#user !== undefined && this.#hasCommands) {
			this.#sendText(userStateLine(channel, this.#user, badges, this.#hasTags));
		}
	}

	#part(name: string): void {
		const joined = this.#joined.get(name);
		if (joined !== undefined) {
			this.#joined.delete(name);
			this.#leaveRoom(joined);
			this.#sendLine({ prefix: userPrefix(this.#nick!), command: 'PART', params: [`#${joined.channel.name}`] });
		}
	}

	async #write(target: string, text: string): Promise<void> {
		const [name = ''] = splitChannels(target);
		const joined = this.#joined.get(name);
		if (joined === undefined) {
			this.#notice(name, 'msg_room_not_found', 'Join the channel before you write to it.');
			return;
		}
		const action = /^\u0001ACTION (.*?)\u0001?$/.exec(text);
		const line = action === null ? text : `/me ${action[1]}`;
		try {
			({ badges: joined.badges } = await joined.room.send(joined.memberId, { text: line }));
			const { kind } = parseChatCommand(line.trim());
			const successId = SUCCESS_IDS[kind];
			if (successId !== undefined) {
				this.#notice(name, successId, 'Done.');
			} else {
				this.#sendUserState(joined.channel, joined.badges);
			}
		} catch (error) {
			if (!(error instanceof SpillwayError)) {
				throw error;
			}
			this.#notice(name, NOTICE_IDS[error.code], error.message);
		}
	}

	#deliver(joined: Joined, frame: ChatFrame): void {
		const capabilities = { hasTags: this.#hasTags, hasCommands: this.#hasCommands };
		const lines = frameToLines(frame, joined.channel, capabilities, joined.memberId);
		if (lines.length > 0) {
			this.#sendText(lines.join('\r\n'));
		}
	}

	#leaveRoom({ room, memberId }: Joined): void {
		room.leave(memberId);
		room.close();
	}

	#ping(): void {
		if (this.#isAnswerDue) {
			this.#end('ping-timeout', 1001);
			return;
		}
		this.#isAnswerDue = true;
		this.#sendLine({ command: 'PING', trailing: IRC_SERVER_NAME });
	}

	#notice(channelName: string, messageId: string | undefined, text: string): void {
		this.#sendLine({
			tags: this.#hasTags && messageId !== undefined ? { 'msg-id': messageId } : {},
			prefix: IRC_SERVER_NAME,
			command: 'NOTICE',
			params: [channelName === '*' ? '*' : `#${channelName}`],
			trailing: text,
		});
	}

	get #hasTags(): boolean {
		return this.#capabilities.has('twitch.tv/tags');
	}

	get #hasCommands(): boolean {
		return this.#capabilities.has('twitch.tv/commands');
	}

	#reply(command: string, params: readonly string[], trailing: string): void {
		this.#sendLine({ prefix: IRC_SERVER_NAME, command, params, trailing });
	}

	#sendLine(message: OutgoingIrcMessage): void {
		this.#sendText(formatIrcMessage(message));
	}

	#sendText(text: string): void {
		if (this.#scope.closed) {
			return;
		}
		const { socket } = this.#connection;
		if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
			socket.terminate();
			void this.close('too-slow');
			return;
		}
		socket.send(`${text}\r\n`);
	}

	#end(reason: string, code: number): void {
		if (!this.#scope.closed) {
			this.#connection.socket.close(code, reason);
			void this.close(reason);
		}
	}
}

/** `#one,#two` → lower-case names, bounded in length and number. */
function splitChannels(text: string | undefined): string[] {
	return (text ?? '')
		.split(',')
		.slice(0, MAX_CHANNELS)
		.map((part) => part.trim().replace(/^#/, '').slice(0, 40).toLowerCase())
		.filter((name) => name !== '');
}
