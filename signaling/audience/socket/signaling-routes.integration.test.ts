/** Tests of real sockets: who may open one, deadlines, heartbeat, limits, close codes, reconnects, beacons. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import {
	SocketClient,
	startSignalingServer,
	type SignalingServer,
	type SignalingServerOptions,
} from '../testing/signaling-server.ts';
import { joinMessage } from '../testing/audience-bench.ts';
import type { ChatFrame } from '../../chat/store/chat-service.ts';
import { InProcessBus } from '../../platform/bus/in-process-bus.ts';
import type { RequestAuthenticator } from './signaling-routes.ts';

let clock: FakeClock;
let logger: RecordingLogger;
let bus: InProcessBus;
let server: SignalingServer;

async function start(options: Partial<SignalingServerOptions> = {}): Promise<void> {
	server = await startSignalingServer({ clock, logger, bus, ...options });
}

beforeEach(() => {
	clock = new FakeClock();
	logger = new RecordingLogger();
	bus = new InProcessBus({ clock, logger });
});

afterEach(async () => {
	await server.close();
	await bus.close();
});

/** Polls until the condition holds; the test's deadline ends the wait otherwise. */
async function until(isTrue: () => boolean): Promise<void> {
	while (!isTrue()) {
		await delay(5);
	}
}

const count = (): number | null => server.signaling.viewerCount('demo');

describe('a viewer', () => {
	it('joins, gets a tier and the time, is counted, and leaves', async () => {
		await start();
		const viewer = await new SocketClient(server.url).join();
		expect(await viewer.next('joined')).toMatchObject({
			decision: { tier: 'webrtc', decisionId: 1 },
			channel: { name: 'demo', viewerCount: 1 },
		});
		viewer.send({ type: 'clock', clientSentMs: 12.5 });
		const nowMs = clock.nowMs();
		expect(await viewer.next('clock')).toEqual({ type: 'clock', clientSentMs: 12.5, receivedMs: nowMs, sentMs: nowMs });
		expect([count(), server.signaling.figures().socketCount]).toEqual([1, 1]);
		viewer.socket.close(1000);
		await until(() => count() === 0);
		expect(server.signaling.figures().closedByReason.get('viewer')).toBe(1);
	});

	it('keeps its id after a reconnect, and the newer of two sockets wins', async () => {
		await start();
		const first = await new SocketClient(server.url).join();
		const { viewerId, resumeToken } = await first.next('joined');
		first.socket.terminate();
		await until(() => server.signaling.figures().socketCount === 0);
		const second = await new SocketClient(server.url).join({ resumeToken });
		const third = await new SocketClient(server.url).join({ resumeToken });
		expect([(await second.next('joined')).viewerId, (await third.next('joined')).viewerId]).toEqual([
			viewerId,
			viewerId,
		]);
		expect(await second.closed).toBe(4004);
		expect(count()).toBe(1);
		third.socket.close();
	});

	it('is a guest while accounts cannot be read, and gets 401 when their token is refused', async () => {
		let error: Error = new SpillwayError('DATABASE_UNAVAILABLE');
		const authenticator: RequestAuthenticator = { authenticate: () => Promise.reject(error) };
		await start({ authenticator });
		const viewer = await new SocketClient(server.url).join();
		expect((await viewer.next('joined')).chatName).toBeNull();
		viewer.socket.close();
		error = new SpillwayError('SIGN_IN_REQUIRED');
		await expect(new SocketClient(server.url).opened()).rejects.toThrow('HTTP 401');
	});

	it('has their sockets closed when they sign out', async () => {
		const anna = { id: 'u1', name: 'anna', role: 'viewer', sessionId: 's1' } as const;
		await start({ authenticator: { authenticate: async () => anna } });
		const viewer = await new SocketClient(server.url).join();
		server.signaling.sessions.end('s2');
		server.signaling.sessions.end('s1');
		expect(await viewer.closed).toBe(4010);
	});
});

describe('opening a socket', () => {
	it('ignores the cookies of a page without an origin, such as a sandboxed embed', async () => {
		await start({ authenticator: { authenticate: async () => ({ id: 'u1', name: 'anna', role: 'viewer' }) } });
		const signedIn = await new SocketClient(server.url).join();
		expect((await signedIn.next('joined')).chatName).not.toBeNull();
		const embedded = await new SocketClient(server.url, { origin: 'null' }).join();
		expect((await embedded.next('joined')).chatName).toBeNull();
		signedIn.socket.close();
		embedded.socket.close();
	});

	it('accepts its own pages behind a proxy that sends X-Forwarded-Host', async () => {
		await start();
		const headers = { 'x-forwarded-host': 'live.example.net', 'x-forwarded-proto': 'https' };
		const client = await new SocketClient(server.url, { origin: 'https://live.example.net', headers }).opened();
		client.socket.close();
		await expect(
			new SocketClient(server.url, { origin: 'https://other.example.net', headers }).opened(),
		).rejects.toThrow('HTTP 403');
	});

	it('is allowed for its own and configured origins, and for programs', async () => {
		await start({ allowedOrigins: ['https://example.org'] });
		for (const origin of [undefined, server.url, 'https://example.org']) {
			const client = await new SocketClient(server.url, origin === undefined ? {} : { origin }).opened();
			client.socket.close();
		}
		for (const origin of ['https://evil.example', `${server.url}.evil.example`]) {
			await expect(new SocketClient(server.url, { origin }).opened()).rejects.toThrow('HTTP 403');
		}
		const refused = await fetch(`${server.url}/api/v1/signaling`);
		expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([400, 'REQUEST_INVALID']);
	});

	it('answers 503 above the maximum', async () => {
		await start({ maxSockets: 2 });
		const [one] = await Promise.all([new SocketClient(server.url).opened(), new SocketClient(server.url).opened()]);
		await expect(new SocketClient(server.url).opened()).rejects.toThrow('HTTP 503');
		one.socket.terminate();
		await until(() => server.signaling.figures().socketCount === 1);
		await new SocketClient(server.url).opened();
	});

	it('outlives the time limits of requests', async () => {
		await start({ connectionTimeoutMs: 150 });
		const viewer = await new SocketClient(server.url).join();
		await delay(600);
		viewer.send({ type: 'clock', clientSentMs: 1 });
		expect(await viewer.next('clock')).toBeDefined();
		viewer.socket.close();
	});
});

describe('a socket is closed', () => {
	const join = joinMessage();

	it.each([
		['no JSON', '{', 4005],
		['an unknown type', '{"type":"x"}', 4005],
		['a field too many', JSON.stringify({ ...join, x: 1 }), 4005],
		['another message first', '{"type":"pin","isPinnedToHls":true}', 4005],
		['another version', JSON.stringify({ ...join, protocol: 2 }), 4006],
		['an unknown channel', JSON.stringify({ ...join, channel: 'nowhere' }), 4007],
		['an impossible channel', JSON.stringify({ ...join, channel: '../x' }), 4007],
		['a frame that is too large', 'x'.repeat(20_000), 1009],
	])('on %s', async (_what, text, code) => {
		await start();
		const client = await new SocketClient(server.url).opened();
		client.send(text);
		expect(await client.closed).toBe(code);
		expect(count()).toBe(0);
	});

	it('on a second join, and on a binary frame', async () => {
		await start();
		const [twice, binary] = [await new SocketClient(server.url).join(), await new SocketClient(server.url).join()];
		twice.send(JSON.stringify(join));
		binary.socket.send(Buffer.from(JSON.stringify({ type: 'pin', isPinnedToHls: true })));
		expect([await twice.closed, await binary.closed]).toEqual([4005, 4005]);
	});

	it('after 10 s without a join', async () => {
		await start();
		const client = await new SocketClient(server.url).opened();
		await clock.advance(5000);
		await until(() => client.received.length === 0);
		await clock.advance(1000);
		// The ping of the sixth second is answered in real time.
		await delay(50);
		await clock.advance(4100);
		expect(await client.closed).toBe(4008);
	});

	it('when a ping gets no answer, and then the viewer counts no longer', async () => {
		await start();
		const [alive, dead] = [
			await new SocketClient(server.url).join(),
			await new SocketClient(server.url, { autoPong: false }).join(),
		];
		for (let index = 0; index < 3; index++) {
			const pinged = new Promise((resolve) => alive.socket.once('ping', resolve));
			await clock.advance(6000);
			await pinged;
			await delay(50);
		}
		expect(await dead.closed).toBe(4001);
		expect([alive.socket.readyState, count()]).toEqual([1, 1]);
		alive.socket.close();
	});

	it('when it sends too much', async () => {
		await start();
		const client = await new SocketClient(server.url).join();
		for (let index = 0; index < 100; index++) {
			client.send({ type: 'clock', clientSentMs: index });
		}
		expect(await client.closed).toBe(4009);
	});

	it('when it does not read, while others get every message', async () => {
		await start();
		const [slow, quick] = [await new SocketClient(server.url).join(), await new SocketClient(server.url).join()];
		const slowId = (await slow.next('joined')).viewerId;
		(slow.socket as unknown as { _socket: { pause(): void } })._socket.pause();
		const frameOf = (message: { type: 'chat' | 'chat-removed' }): ChatFrame => ({
			message: message as ChatFrame['message'],
			text: JSON.stringify({ ...message, padding: 'x'.repeat(60_000) }),
			senderIds: [],
			removal: undefined,
		});
		const deliverUntil = async (frame: ChatFrame, isTrue: () => boolean): Promise<void> => {
			while (!isTrue()) {
				server.chat.members.forEach((member) => member.deliver(frame));
				await delay(1);
			}
		};
		// The buffers of the operating system fill first; then chat is dropped, and at last the socket is closed.
		await deliverUntil(frameOf({ type: 'chat' }), () => server.signaling.figures().droppedMessageCount > 0);
		expect(server.chat.members.has(slowId)).toBe(true);
		await deliverUntil(frameOf({ type: 'chat-removed' }), () => !server.chat.members.has(slowId));
		expect(server.signaling.figures().closedByReason.get('tooSlow')).toBe(1);
		quick.send({ type: 'clock', clientSentMs: 1 });
		await quick.next('clock');
		// The client does not answer the closing handshake either, and is cut off.
		await clock.advance(2000);
		slow.socket.terminate();
		quick.socket.close();
	});

	it('when the server stops', async () => {
		await start();
		const client = await new SocketClient(server.url).join();
		await server.signaling.close();
		expect(await client.closed).toBe(4000);
		await expect(new SocketClient(server.url).opened()).rejects.toThrow('HTTP 503');
	});
});

describe('POST /api/v1/presence', () => {
	const beacon = (body: unknown, contentType = 'application/json'): Promise<Response> =>
		fetch(`${server.url}/api/v1/presence`, {
			method: 'POST',
			headers: { 'content-type': contentType },
			body: typeof body === 'string' ? body : JSON.stringify(body),
		});

	it('counts a viewer by their token until they leave', async () => {
		await start();
		const first = (await (await beacon({ channel: 'demo' })).json()) as { token: string };
		expect(first).toMatchObject({ viewerCount: 0, nextBeaconMs: 0 });
		expect(await (await beacon({ channel: 'demo', token: 'invented' })).json()).toMatchObject({ viewerCount: 0 });
		const second = (await (await beacon({ channel: 'demo', token: first.token })).json()) as { token: string };
		expect(second).toMatchObject({ viewerCount: 1, nextBeaconMs: 5000 });
		// The content type with which navigator.sendBeacon() sends a string.
		const last = await beacon({ channel: 'demo', token: second.token, isLeaving: true }, 'text/plain;charset=UTF-8');
		expect(await last.json()).toMatchObject({ viewerCount: 0 });
	});

	it.each([
		['an unknown channel', { channel: 'nowhere' }, 404],
		['no channel', {}, 400],
		['no JSON', '{', 400],
		['no object', '[]', 400],
	])('refuses %s', async (_what, body, status) => {
		await start();
		const answer = await beacon(body);
		expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
		expect(count()).toBe(0);
	});

	it('refuses other content types and methods', async () => {
		await start();
		expect((await beacon('x', 'application/sdp')).status).toBe(415);
		expect((await fetch(`${server.url}/api/v1/presence`)).status).toBe(405);
		expect((await fetch(`${server.url}/api/v1/presence`, { method: 'OPTIONS' })).status).toBe(204);
	});
});

it('works with the system clock as well', async () => {
	await bus.close();
	bus = new InProcessBus({ clock: systemClock, logger });
	await start({ clock: systemClock, bus });
	const viewer = await new SocketClient(server.url).join();
	expect(await viewer.next('presence')).toEqual({ type: 'presence', viewerCount: 1 });
	viewer.socket.close();
});
