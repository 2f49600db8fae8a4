/** Tests chat as a whole: a token from the API signs a bot in over IRC, until it is deleted. */
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import { answerOtherMethods } from '../../core/protocol/api/address-methods.ts';
import { InProcessBus } from '../platform/bus/in-process-bus.ts';
import { Announcements } from '../platform/cluster/announcements.ts';
import type { Database } from '../platform/database/database.ts';
import { registerErrorHandler } from '../platform/http/error-handler.ts';
import { registerWebSockets } from '../audience/socket/signaling-routes.ts';
import { SocketAdmission } from '../platform/sockets/socket-admission.ts';
import { openTestDatabase } from '../testing/both-databases.ts';
import { createChat, type Chat, type ChatDependencies } from './create-chat.ts';
import { rewriteIrcUrl } from './irc/irc-routes.ts';

const common = { clock: systemClock, logger: silentLogger };
const ANN = { id: 'user-ann', name: 'ann', role: 'viewer' as const };

let database: Database;
let closeDatabase: () => Promise<void>;
let bus: InProcessBus;
let chat: Chat;
let app: FastifyInstance;
let port: number;

/** The connections that chat registers. */
let logIns: { inUse(): Iterable<string>; end(sessionId: string): void };

/** Requests with the header come from Ann. */
const accounts = {
	authenticator: {
		requireUser: async (request: FastifyRequest) => void (await accounts.authenticator.userOf(request)),
		userOf: async (request: FastifyRequest) => {
			if (request.headers.authorization !== 'Bearer ann') {
				throw new SpillwayError('SIGN_IN_REQUIRED');
			}
			return ANN;
		},
		authenticateToken: async (token: string) => (token === 'access' ? { ...ANN, sessionId: 's1' } : undefined),
	},
	endWithSession: (holder: typeof logIns) => (logIns = holder),
	origin: { check: () => undefined },
} as unknown as ChatDependencies['accounts'];

const headers = { authorization: 'Bearer ann' };
const PATH = '/api/v1/chat-tokens';

async function openSocket(protocols: string[] = ['irc']): Promise<WebSocket> {
	const socket = new WebSocket(`ws://127.0.0.1:${port}/`, protocols);
	await new Promise((resolve) => socket.addEventListener('open', resolve));
	return socket;
}

/** Returns the server's answer to these lines, up to `pattern`. */
async function talk(lines: string, pattern: RegExp, protocols?: string[]): Promise<string> {
	const socket = await openSocket(protocols);
	let answer = '';
	const answered = new Promise<void>((resolve) => {
		socket.addEventListener('message', (event) => {
			answer += String(event.data);
			if (pattern.test(answer)) {
				resolve();
			}
		});
	});
	socket.send(lines);
	await answered;
	socket.close();
	return answer;
}

beforeAll(async () => {
	({ database, close: closeDatabase } = await openTestDatabase('embedded'));
	const now = new Date(systemClock.nowMs());
	await database.query("INSERT INTO users (id, name, password_hash, role, created_at) VALUES ($1, $2, 'x', $3, $4)", [
		ANN.id,
		ANN.name,
		ANN.role,
		now,
	]);
	await database.query('INSERT INTO channels (id, name, created_at) VALUES ($1, $2, $3)', ['c1', 'demo', now]);
	bus = new InProcessBus(common);
	chat = createChat({
		bus,
		nodeId: 'one',
		announcements: new Announcements({ nodeId: 'one', bus, ...common }),
		database,
		...common,
		serverSecret: new Uint8Array(32),
		accounts,
		admission: new SocketAdmission({ maxSockets: 100, maxSocketsPerAddress: 100 }),
		channels: {
			store: { findByName: async (name: string) => (name === 'demo' ? { id: 'c1', name } : undefined) },
			control: { on: () => () => undefined },
		} as unknown as ChatDependencies['channels'],
	});
	app = fastify({ rewriteUrl: rewriteIrcUrl });
	registerErrorHandler(app, silentLogger);
	await registerWebSockets(app);
	await app.register(answerOtherMethods(chat.routes));
	await app.listen({ host: '127.0.0.1', port: 0 });
	port = (app.server.address() as AddressInfo).port;
});

afterAll(async () => {
	await chat.close();
	await app.close();
	await bus.close();
	await closeDatabase();
});

describe('createChat', () => {
	it('signs a bot in with a token of its owner, until the token is deleted', async () => {
		const made = await app.inject({ method: 'POST', url: PATH, headers, payload: { name: 'my bot' } });
		expect(made.statusCode).toBe(201);
		const { id, token } = made.json<{ id: string; token: string }>();
		const listed = await app.inject({ url: PATH, headers });
		expect(listed.json()).toEqual({ chatTokens: [{ id, name: 'my bot', createdAt: expect.any(String) }] });
		expect(await talk(`PASS oauth:${token}\r\nNICK x\r\nJOIN #demo`, /366/)).toMatch(/:ann!ann@\S+ JOIN #demo/);
		const deleted = await app.inject({ method: 'DELETE', url: `${PATH}/${id}`, headers });
		expect(deleted.statusCode).toBe(204);
		expect(await talk(`PASS oauth:${token}\r\nNICK x`, /NOTICE/)).toContain('Login authentication failed');
	});

	it('serves clients without a path, with and without a subprotocol', async () => {
		for (const protocols of [[], ['irc']]) {
			expect(await talk('NICK justinfan1\r\nJOIN #demo', /366/, protocols)).toContain('JOIN #demo');
		}
	});

	it('ends connections with the log-in that opened them', async () => {
		const socket = await openSocket();
		const received: string[] = [];
		socket.addEventListener('message', (event) => received.push(String(event.data)));
		const isJoined = new Promise<void>((resolve) =>
			socket.addEventListener('message', () => (received.join('').includes(' 366 ') ? resolve() : undefined)),
		);
		const closed = new Promise<number>((resolve) => socket.addEventListener('close', ({ code }) => resolve(code)));
		// Binary, as some clients send their lines.
		socket.send(new TextEncoder().encode('PASS oauth:access\r\nNICK ann\r\nJOIN #demo'));
		await isJoined;
		expect([...logIns.inUse()]).toEqual(['s1']);
		logIns.end('another');
		logIns.end('s1');
		expect(await closed).toBe(1008);
		expect(received.join('')).toContain('NOTICE * :You have logged out');
		await vi.waitFor(() => expect([...logIns.inUse()]).toEqual([]));
	});

	it.each([
		['an anonymous request', { method: 'GET', url: PATH }, 401],
		['an anonymous request', { method: 'POST', url: PATH, payload: { name: 'x' } }, 401],
		['an anonymous request', { method: 'DELETE', url: `${PATH}/x` }, 401],
		['no body', { method: 'POST', url: PATH, headers }, 400],
		['a field too many', { method: 'POST', url: PATH, headers, payload: { name: 'x', role: 'admin' } }, 400],
		['an empty name', { method: 'POST', url: PATH, headers, payload: { name: '' } }, 400],
		['a control in the name', { method: 'POST', url: PATH, headers, payload: { name: 'a\u0007b' } }, 400],
		['an unknown id', { method: 'DELETE', url: `${PATH}/x`, headers }, 404],
		['an unknown method', { method: 'PUT', url: PATH, headers, payload: {} }, 405],
	] as const)('refuses %s: %j', async (_case, request, status) => {
		expect((await app.inject(request)).statusCode).toBe(status);
	});

	it('refuses a frame that is too large', async () => {
		const socket = await openSocket();
		const closed = new Promise((resolve) => socket.addEventListener('close', resolve));
		socket.send('x'.repeat(100_000));
		await closed;
		expect(chat.counts()).toMatchObject({ rooms: 0 });
	});
});
