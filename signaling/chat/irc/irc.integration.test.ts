/** Tests unmodified tmi.js against the server's IRC: it joins, reads, writes and moderates. */
import websocket from '@fastify/websocket';
import fastify, { type FastifyInstance } from 'fastify';
import type { AddressInfo } from 'node:net';
import tmi from 'tmi.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import type { ChannelId } from '../../../core/ids.ts';
import { silentLogger } from '../../../core/logger.ts';
import { AttemptLimiter } from '../../../core/limits/attempt-limiter.ts';
import { SocketAdmission } from '../../platform/sockets/socket-admission.ts';
import { InProcessBus } from '../../platform/bus/in-process-bus.ts';
import type { ChatRooms } from '../room/chat-rooms.ts';
import type { User } from '../../accounts/user.ts';
import { createTestRooms } from '../testing/fake-room-store.ts';
import { IrcConnections, rewriteIrcUrl } from './irc-routes.ts';

const USERS: Record<string, User> = {
	'token-owner': { id: 'owner', name: 'owner', role: 'streamer' },
	'token-ann': { id: 'u-ann', name: 'ann', role: 'viewer' },
};
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

let app: FastifyInstance;
let port: number;
let rooms: ChatRooms;
let irc: IrcConnections;
let bus: InProcessBus;
const clients: tmi.Client[] = [];

function connect(token?: string, name?: string, options: Partial<tmi.Options> = {}): tmi.Client {
	const client = new tmi.Client({
		options: { skipUpdatingEmotesets: true, joinInterval: 300 },
		connection: { server: '127.0.0.1', port, secure: false, reconnect: false },
		...(token === undefined ? {} : { identity: { username: name!, password: `oauth:${token}` } }),
		channels: ['#demo'],
		logger: quiet,
		...options,
	} as tmi.Options);
	clients.push(client);
	return client;
}

/** Resolves with the arguments of the next event of that name. */
function next(client: tmi.Client, event: string): Promise<unknown[]> {
	return new Promise((resolve) => (client as unknown as NodeJS.EventEmitter).once(event, (...args) => resolve(args)));
}

async function connectAndJoin(token?: string, name?: string): Promise<tmi.Client> {
	const client = connect(token, name);
	const joined = next(client, 'roomstate');
	await client.connect();
	await joined;
	return client;
}

const admission = new SocketAdmission({ maxSockets: 100, maxSocketsPerAddress: 100 });

beforeAll(async () => {
	const common = { clock: systemClock, logger: silentLogger };
	bus = new InProcessBus(common);
	rooms = createTestRooms({ bus, clock: systemClock });
	irc = new IrcConnections({
		...common,
		chat: rooms,
		findChannel: async (name) => (name === 'demo' ? { id: 'channel-1' as ChannelId, name: 'demo' } : undefined),
		verifyToken: async (token) => (USERS[token] === undefined ? undefined : { user: USERS[token] }),
		attempts: new AttemptLimiter(systemClock),
		admission,
	});
	app = fastify({ rewriteUrl: rewriteIrcUrl });
	await app.register(websocket);
	app.get('/', async () => 'the page');
	await app.register(irc.routes);
	await app.listen({ host: '127.0.0.1', port: 0 });
	port = (app.server.address() as AddressInfo).port;
});

afterAll(async () => {
	await Promise.all(clients.map((client) => client.disconnect().catch(() => undefined)));
	await irc.close();
	await rooms.close();
	await app.close();
	await bus.close();
});

describe('tmi.js', () => {
	it('joins, reads and writes', async () => {
		const owner = await connectAndJoin('token-owner', 'owner');
		const ann = await connectAndJoin('token-ann', 'ann');
		const reader = await connectAndJoin();
		expect(owner.isMod('#demo', 'owner')).toBe(true);
		const [heard, read] = [next(owner, 'message'), next(reader, 'message')];
		await ann.say('#demo', 'Grüße 🎉 SpillHi and bye');
		const [channel, tags, text, isSelf] = (await heard) as [string, tmi.ChatUserstate, string, boolean];
		expect([channel, text, isSelf]).toEqual(['#demo', 'Grüße 🎉 SpillHi and bye', false]);
		expect(tags).toMatchObject({
			username: 'ann',
			'display-name': 'ann',
			'user-id': 'u-ann',
			'message-type': 'chat',
			'room-id': 'channel-1',
			emotes: { SpillHi: ['8-14'] },
			mod: false,
		});
		expect(tags.color).toMatch(/^#[0-9a-f]{6}$/);
		expect((await read)[2]).toBe('Grüße 🎉 SpillHi and bye');

		const acted = next(reader, 'action');
		await owner.action('#demo', 'waves');
		expect((await acted)[2]).toBe('waves');

		const deleted = next(reader, 'messagedeleted');
		await owner.deletemessage('#demo', tags.id!);
		expect((await deleted).slice(0, 3)).toEqual(['#demo', 'ann', 'Grüße 🎉 SpillHi and bye']);

		const slowed = next(reader, 'slowmode');
		await owner.slow('#demo', 5);
		expect(await slowed).toEqual(['#demo', true, 5]);
		await owner.slowoff('#demo');

		const pausedForReader = next(reader, 'timeout');
		await owner.timeout('#demo', 'ann', 60);
		expect((await pausedForReader).slice(0, 4)).toEqual(['#demo', 'ann', null, 60]);
		const refused = next(ann, 'notice');
		await ann.say('#demo', 'may I');
		expect((await refused)[1]).toBe('msg_timedout');
		await owner.unban('#demo', 'ann');

		await expect(ann.ban('#demo', 'owner')).rejects.toBe('no_permission');
		expect(await ann.ping()).toEqual([expect.any(Number)]);
		await ann.part('#demo');
	});

	it('does not join an unknown channel', async () => {
		const reader = await connectAndJoin();
		await expect(reader.join('#nowhere')).rejects.toBe('msg_room_not_found');
	});

	it('gets the reason when its token is wrong', async () => {
		await expect(connect('token-stolen', 'ann').connect()).rejects.toBe('Login authentication failed');
	});
});

describe('IRC over WebSocket', () => {
	it('answers at the address of a channel, for that channel only', async () => {
		const socket = new WebSocket(`ws://127.0.0.1:${port}/api/v1/chat/demo`);
		const lines: string[] = [];
		const seen = (pattern: RegExp): Promise<void> =>
			new Promise((resolve) => {
				const check = (): void => (lines.some((line) => pattern.test(line)) ? resolve() : undefined);
				socket.addEventListener('message', check);
				check();
			});
		socket.addEventListener('message', (event) => lines.push(...String(event.data).trim().split('\r\n')));
		await new Promise((resolve) => socket.addEventListener('open', resolve));
		socket.send('CAP LS 302\r\nNICK justinfan1\r\nJOIN #demo,#other\r\nPRIVMSG #demo :hello');
		await seen(/NOTICE #demo :You can read here, but not write/);
		await seen(/^:justinfan1!justinfan1@justinfan1.tmi.twitch.tv JOIN #demo$/);
		await seen(/NOTICE #other :This address is for another channel/);
		const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener('close', resolve));
		socket.send('QUIT');
		expect((await closed).code).toBe(1000);
	});

	it('does not change the page at /', async () => {
		expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('the page');
	});
});
