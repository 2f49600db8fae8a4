/** PostgreSQL and Redis are lost during a broadcast, and return: media and chat continue, refusals have a reason. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { ServerMessage } from '../../core/protocol/signaling/signaling-messages.ts';
import { FrameReader, SignalingSocket } from '../../loadtest/clients/signaling/signaling-socket.ts';
import { joinMessage } from '../audience/testing/audience-bench.ts';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../../loadtest/source/publisher.ts';
import { ServerUnderTest, waitUntilLive } from '../../loadtest/bench/measure/server-under-test.ts';
import { type RealServer, startPostgres, startRedis } from '../testing/real-servers.ts';
import { until } from '../testing/until.ts';

let postgres: RealServer;
let redis: RealServer;
let server: ServerUnderTest;
let publisher: Publisher;

type Problem = { code?: string; detail?: string; retryAfterSeconds?: number };

async function get(path: string, init?: RequestInit): Promise<{ status: number; body: string }> {
	const response = await fetch(new URL(path, server.addresses.httpUrl), init);
	return { status: response.status, body: await response.text() };
}

async function readiness(): Promise<{ status: number; overall: string; broken: string[] }> {
	const { status, body } = await get('/readyz');
	const { checks, status: overall } = JSON.parse(body) as {
		status: string;
		checks: Record<string, { status: string }>;
	};
	return { status, overall, broken: Object.keys(checks).filter((name) => checks[name]!.status !== 'ok') };
}

/** The newest part in the picture's playlist; it changes while media flows. */
async function newestPart(): Promise<string> {
	const index = await get('/hls/demo/index.m3u8');
	const video = index.body.split('\n').find((line) => line !== '' && !line.startsWith('#'))!;
	const { body } = await get(new URL(video, new URL('/hls/demo/', server.addresses.httpUrl)).href);
	return body.split('\n').findLast((line) => line.startsWith('#EXT-X-PART:'))!;
}

async function expectMediaMovesOn(): Promise<void> {
	const before = await newestPart();
	await until(async () => (await newestPart()) !== before, 'the playlist moves on');
	expect(publisher.failure).toBeUndefined();
}

/** A guest in the channel's chat. */
class Guest {
	readonly heard: string[] = [];
	readonly closed: number[] = [];
	readonly #socket: SignalingSocket;
	#drafts = 0;

	private constructor() {
		this.#socket = new SignalingSocket({
			clock: systemClock,
			url: `${server.addresses.httpUrl.replace('http', 'ws')}/api/v1/signaling`,
			join: joinMessage(),
			reader: new FrameReader(),
			onMessage: (message: ServerMessage) => {
				if (message.type === 'chat') {
					this.heard.push(...message.messages.map(({ text }) => text));
				}
			},
			onClosed: (code) => this.closed.push(code),
		});
	}

	static async enter(): Promise<Guest> {
		const guest = new Guest();
		await guest.#socket.open();
		return guest;
	}

	say(text: string): void {
		this.#socket.send({ type: 'chat-send', draftId: String(++this.#drafts), text });
	}

	leave(): void {
		this.#socket.close();
	}
}

beforeAll(async () => {
	[postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
	server = await ServerUnderTest.start({ DATABASE_URL: postgres.url, REDIS_URL: redis.url });
	publisher = createPublisher('rtmp', TEST_SETTINGS, server.addresses);
	await publisher.start();
	await waitUntilLive(server.addresses);
});

afterAll(async () => {
	await publisher?.stop();
	await server?.stop();
	await Promise.all([postgres?.stop(), redis?.stop()]);
});

describe.each([
	{ name: 'PostgreSQL', part: 'database', store: () => postgres },
	{ name: 'Redis', part: 'bus', store: () => redis },
])('$name, lost and back', ({ part, store }) => {
	it('interrupts neither media nor chat, is reported, and reconnects', async () => {
		const [speaker, listener] = [await Guest.enter(), await Guest.enter()];
		speaker.say(`before ${part}`);
		await until(async () => listener.heard.includes(`before ${part}`), 'chat works');

		await store().kill();
		await until(async () => (await readiness()).overall !== 'ok', 'the loss is noticed');
		// Without the bus each server still serves its own viewers; without the database sign-in and publishing fail.
		expect(await readiness()).toEqual(
			part === 'bus'
				? { status: 200, overall: 'degraded', broken: [part] }
				: { status: 503, overall: 'error', broken: [part] },
		);
		expect((await get('/healthz')).status).toBe(200);
		await expectMediaMovesOn();
		speaker.say(`meanwhile ${part}`);
		await until(async () => listener.heard.includes(`meanwhile ${part}`), 'chat continues in this server');
		if (part === 'database') {
			const refused = await get('/api/v1/session', {
				method: 'POST',
				headers: { 'content-type': 'application/json', origin: server.addresses.httpUrl },
				body: JSON.stringify({ name: 'somebody', password: 'a long enough password' }),
			});
			expect(refused.status).toBe(503);
			expect(JSON.parse(refused.body) as Problem).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
		}

		await store().restart();
		await until(async () => (await readiness()).overall === 'ok', 'the server is ready again by itself');
		speaker.say(`after ${part}`);
		await until(async () => listener.heard.includes(`after ${part}`), 'chat works as before');
		await expectMediaMovesOn();
		expect([speaker.closed, listener.closed]).toEqual([[], []]);
		expect(listener.heard).toEqual([`before ${part}`, `meanwhile ${part}`, `after ${part}`]);
		const newcomer = await Guest.enter();
		for (const guest of [speaker, listener, newcomer]) {
			guest.leave();
		}
	});
});
