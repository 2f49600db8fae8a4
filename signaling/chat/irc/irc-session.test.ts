/** Tests of one IRC connection: its commands, and when it is ended. tmi.js itself runs in the integration test. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { ChannelId } from '../../../core/ids.ts';
import { silentLogger } from '../../../core/logger.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { InProcessBus } from '../../platform/bus/in-process-bus.ts';
import { AttemptLimiter } from '../../../core/limits/attempt-limiter.ts';
import type { ChatRooms } from '../room/chat-rooms.ts';
import { createTestRooms, FakeRoomStore } from '../testing/fake-room-store.ts';
import { IrcSession, type IrcSocket } from './irc-session.ts';

class FakeSocket implements IrcSocket {
	bufferedAmount = 0;
	lines: string[] = [];
	closed: string | undefined;

	send(text: string): void {
		this.lines.push(...text.trimEnd().split('\r\n'));
	}

	close(code: number, reason: string): void {
		this.closed = `${code} ${reason}`;
	}

	terminate(): void {
		this.closed = 'terminated';
	}
}

let clock: FakeClock;
let bus: InProcessBus;
let store: FakeRoomStore;
let rooms: ChatRooms;
let attempts: AttemptLimiter;
let sessions: IrcSession[];
let logger: RecordingLogger;
let isDatabaseLost: boolean;

function open(): { session: IrcSession; socket: FakeSocket; send: (text: string) => Promise<void> } {
	const socket = new FakeSocket();
	const session = new IrcSession(
		{
			clock,
			logger,
			chat: rooms,
			findChannel: async (name) => {
				if (isDatabaseLost) {
					throw new SpillwayError('DATABASE_UNAVAILABLE');
				}
				return name.length === 1 ? { id: `channel-${name}` as ChannelId, name } : undefined;
			},
			verifyToken: async (token) =>
				token === 'good'
					? { user: { id: 'u-ann', name: 'ann', role: 'viewer' }, credential: { kind: 'chat-token', id: 'token-1' } }
					: undefined,
			attempts,
		},
		{ socket, remoteAddress: '192.0.2.1', onlyChannel: undefined },
	);
	sessions.push(session);
	const send = async (text: string): Promise<void> => {
		session.receive(text);
		for (let round = 0; round < 4; round++) {
			await new Promise((resolve) => setImmediate(resolve));
			await clock.advance(10);
		}
	};
	return { session, socket, send };
}

beforeEach(() => {
	clock = new FakeClock();
	logger = new RecordingLogger();
	isDatabaseLost = false;
	bus = new InProcessBus({ clock, logger: silentLogger });
	store = new FakeRoomStore();
	rooms = createTestRooms({ bus, store, clock });
	attempts = new AttemptLimiter(clock);
	sessions = [];
});

afterEach(async () => {
	await Promise.all(sessions.map((session) => session.close('test-over')));
	expect(rooms.roomCount).toBe(0);
	await rooms.close();
	await bus.close();
	expect(clock.pendingCount).toBe(0);
	expect(logger.lines).toEqual([]);
});

describe('IrcSession', () => {
	it('signs in by token, with any nick, and sends the welcome', async () => {
		const { socket, send } = open();
		await send('CAP REQ :twitch.tv/tags twitch.tv/commands\r\nPASS oauth:good\r\nNICK Somebody\r\n');
		expect(socket.lines).toEqual([
			':tmi.twitch.tv CAP * ACK :twitch.tv/tags twitch.tv/commands',
			':tmi.twitch.tv 001 ann :Welcome, GLHF!',
			':tmi.twitch.tv 002 ann :Your host is tmi.twitch.tv',
			':tmi.twitch.tv 003 ann :This server is rather new',
			':tmi.twitch.tv 004 ann :-',
			':tmi.twitch.tv 375 ann :-',
			':tmi.twitch.tv 372 ann :You are in a maze of twisty passages, all alike.',
			':tmi.twitch.tv 376 ann :>',
			'@badge-info=;badges=;color=;display-name=ann;emote-sets=0;mod=0;subscriber=0;user-id=u-ann;user-type= :tmi.twitch.tv GLOBALUSERSTATE',
		]);
	});

	it('sends neither tags nor commands to clients that did not request them', async () => {
		const [reader, writer] = [open(), open()];
		await reader.send('NICK justinfan1\r\nJOIN #a');
		await writer.send('PASS oauth:good\r\nNICK ann\r\nJOIN #a\r\nPRIVMSG #a :hi all');
		expect(reader.socket.lines.slice(-1)).toEqual([':ann!ann@ann.tmi.twitch.tv PRIVMSG #a :hi all']);
		expect(reader.socket.lines.some((line) => /ROOMSTATE|USERSTATE|^@/.test(line))).toBe(false);
		expect(writer.socket.lines.some((line) => line.includes('hi all'))).toBe(false);
	});

	it('reports the present badges with each message', async () => {
		const { socket, send } = open();
		const say = async (text: string): Promise<string> => {
			await send(`PRIVMSG #a :${text}`);
			await clock.advance(2000);
			return socket.lines.findLast((line) => line.includes(' USERSTATE #a'))!;
		};
		await send('CAP REQ :twitch.tv/tags twitch.tv/commands\r\nPASS oauth:good\r\nNICK ann\r\nJOIN #a');
		expect(await say('one')).toContain('mod=0');
		store.moderatorIds.add('u-ann');
		rooms.settingsChanged('channel-a' as ChannelId);
		await clock.advance(10);
		expect(await say('two')).toMatch(/badges=moderator\/1;.*mod=1;.*user-type=mod/);
		store.moderatorIds.delete('u-ann');
		rooms.settingsChanged('channel-a' as ChannelId);
		await clock.advance(10);
		expect(await say('three')).toContain('mod=0');
	});

	it.each([
		['NICK ann', 'Improperly formatted auth'],
		['PASS good\r\nNICK ann', 'Improperly formatted auth'],
		['PASS oauth:bad\r\nNICK ann', 'Login authentication failed'],
		['PASS oauth:bad\r\nNICK justinfan', 'Login authentication failed'],
	])('refuses %j', async (text, notice) => {
		const { socket, send } = open();
		await send(text);
		expect(socket.lines).toEqual([`:tmi.twitch.tv NOTICE * :${notice}`]);
		expect(socket.closed).toBe('1008 sign-in-refused');
	});

	it('limits guesses at tokens', async () => {
		for (let index = 0; index < 12; index++) {
			await open().send('PASS oauth:bad\r\nNICK ann');
		}
		const { socket, send } = open();
		await send('PASS oauth:good\r\nNICK ann');
		expect(socket.lines).toEqual([':tmi.twitch.tv NOTICE * :Login unsuccessful: too many attempts, wait a moment']);
	});

	it('does nothing before the sign-in, and ends the connection after ten seconds without it', async () => {
		const { socket, send } = open();
		await send('JOIN #a\r\nPING :x\r\nCAP REQ :unknown\r\nCAP LS');
		expect(socket.lines).toEqual([
			':tmi.twitch.tv 451 * :You have not registered',
			':tmi.twitch.tv PONG tmi.twitch.tv :x',
			':tmi.twitch.tv CAP * NAK :unknown',
			':tmi.twitch.tv CAP * LS :twitch.tv/tags twitch.tv/commands twitch.tv/membership',
		]);
		expect(rooms.roomCount).toBe(0);
		await clock.advance(10_000);
		expect(socket.closed).toBe('1008 sign-in-timeout');
	});

	it('joins at most fifty channels', async () => {
		const { socket, send } = open();
		const names = Array.from({ length: 60 }, (_, index) => `#${String.fromCodePoint(0x100 + index * 2)}`);
		await send(`NICK justinfan1\r\nJOIN ${names.slice(0, 30).join(',')}\r\nJOIN ${names.slice(30).join(',')}`);
		expect(rooms.roomCount).toBe(50);
		expect(socket.lines.filter((line) => line.includes('one too many'))).toHaveLength(10);
		await send(`PART ${names[0]}`);
		expect(rooms.roomCount).toBe(49);
	});

	it('reports that the database is lost, and stays open', async () => {
		const { socket, send } = open();
		isDatabaseLost = true;
		await send('NICK justinfan1\r\nJOIN #a');
		expect(socket.lines.at(-1)).toBe(':tmi.twitch.tv NOTICE * :The database does not answer. Try again in a moment.');
		isDatabaseLost = false;
		await send('JOIN #a');
		expect(socket.lines.at(-1)).toContain('366');
	});

	it('pings, and ends a connection that does not answer', async () => {
		const { socket, send } = open();
		await send('NICK justinfan1');
		await clock.advance(30_000);
		expect(socket.lines.at(-1)).toBe('PING :tmi.twitch.tv');
		await send('PONG');
		await clock.advance(30_000);
		expect(socket.closed).toBeUndefined();
		await clock.advance(30_000);
		expect(socket.closed).toBe('1001 ping-timeout');
	});

	it('answers a bare PING as Twitch does, and enables, lists and disables capabilities', async () => {
		const { socket, send } = open();
		await send('PING\r\nCAP REQ twitch.tv/tags\r\nCAP LIST\r\nCAP REQ :-twitch.tv/tags\r\nCAP LIST\r\nCAP END');
		expect(socket.lines).toEqual([
			'PONG :tmi.twitch.tv',
			':tmi.twitch.tv CAP * ACK :twitch.tv/tags',
			':tmi.twitch.tv CAP * LIST :twitch.tv/tags',
			':tmi.twitch.tv CAP * ACK :-twitch.tv/tags',
			':tmi.twitch.tv CAP * LIST :',
		]);
	});

	it('writes a message of one word with its colon, without tags when they are not requested', async () => {
		const [reader, writer] = [open(), open()];
		await reader.send('CAP REQ :twitch.tv/commands\r\nNICK justinfan1\r\nJOIN #a');
		expect(reader.socket.lines).toContain(':tmi.twitch.tv ROOMSTATE #a');
		await writer.send('PASS oauth:good\r\nNICK ann\r\nJOIN #a\r\nPRIVMSG #a !uptime');
		await clock.advance(1000);
		expect(reader.socket.lines.at(-1)).toBe(':ann!ann@ann.tmi.twitch.tv PRIVMSG #a :!uptime');
	});

	it('ends with its credential, and reports the reason', async () => {
		const { session, socket, send } = open();
		await send('PASS oauth:good\r\nNICK ann');
		expect(session.credential).toEqual({ kind: 'chat-token', id: 'token-1' });
		session.endCredential();
		expect([socket.lines.at(-1), socket.closed]).toEqual([
			expect.stringContaining('The chat token was deleted.'),
			'1008 token-deleted',
		]);
	});

	it('terminates a connection that does not read', async () => {
		const [reader, writer] = [open(), open()];
		await reader.send('NICK justinfan1\r\nJOIN #a');
		reader.socket.bufferedAmount = 2_000_000;
		await writer.send('PASS oauth:good\r\nNICK ann\r\nJOIN #a\r\nPRIVMSG #a :hello');
		expect(reader.socket.closed).toBe('terminated');
	});

	it('ends a connection that floods', async () => {
		const { socket, send } = open();
		await send('PING\r\n'.repeat(500));
		expect(socket.closed).toBe('1008 flooding');
	});

	it('survives any input', async () => {
		const piece = fc.oneof(
			fc.string({ maxLength: 40 }),
			// prettier-ignore
			fc.constantFrom('NICK justinfan1', 'JOIN #a', 'PART #a', 'PRIVMSG #a :', 'CAP REQ :', 'PASS oauth:', 'NICK ', 'JOIN ', '\r\n'),
		);
		await fc.assert(
			fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
				const { session, send } = open();
				await send(pieces.join(''));
				await session.close('over');
				expect(rooms.roomCount).toBe(0);
			}),
			{ numRuns: 200 },
		);
	});
});
