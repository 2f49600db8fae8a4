/** Held requests over HTTP/1.1 and HTTP/2 connections: bounded, answered together, gone when a client disconnects. */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { createTestOrigin, startDemo, type TestOrigin } from '../testing/test-origin.ts';
import { rtmpLike, VIDEO_AND_AUDIO } from '../testing/watched-broadcast.ts';

type Answer = { status: number; retryAfter: string | undefined; body: string };
/** Sends GET requests from one client, and may disconnect from all of them. */
type Client = { get(path: string): Promise<Answer>; hangUp(): void };

function connectHttp1(address: string): Client {
	const agent = new http.Agent({ keepAlive: true });
	return {
		async get(path) {
			const request = http.get(new URL(path, address), { agent });
			const [response] = (await once(request, 'response')) as [http.IncomingMessage];
			const chunks = (await response.toArray()) as Buffer[];
			const { statusCode, headers } = response;
			return { status: statusCode!, retryAfter: headers['retry-after'], body: Buffer.concat(chunks).toString() };
		},
		hangUp: () => agent.destroy(),
	};
}

function connectHttp2(address: string): Client {
	const session = http2.connect(address);
	return {
		async get(path) {
			const stream = session.request({ ':path': path });
			const closed = once(stream, 'close').then(() => Promise.reject(new Error('closed without an answer')));
			// Matters only while there is no answer.
			closed.catch(() => undefined);
			const [headers] = (await Promise.race([once(stream, 'response'), closed])) as [
				http2.IncomingHttpHeaders & { ':status': number },
			];
			const chunks = (await stream.toArray()) as Buffer[];
			return {
				status: headers[':status'],
				retryAfter: headers['retry-after'],
				body: Buffer.concat(chunks).toString(),
			};
		},
		hangUp: () => session.destroy(),
	};
}

async function untilHeld(origin: TestOrigin, count: number): Promise<void> {
	const endMs = systemClock.monotonicMs() + 10_000;
	while (origin.packager.counters.heldRequests !== count && systemClock.monotonicMs() < endMs) {
		await sleep(systemClock, 5);
	}
	expect(origin.packager.counters.heldRequests).toBe(count);
}

describe.each([
	['HTTP/1.1', false, connectHttp1],
	['HTTP/2', true, connectHttp2],
] as const)('held requests over %s', (_name, isHttp2, connect) => {
	it('are bounded for a client, answered together, and gone when it disconnects', async () => {
		const config = { maxHeldRequests: 100, maxHeldRequestsPerAddress: 6, reloadHoldMs: 2300 };
		await using origin = createTestOrigin({ isHttp2, config });
		const address = await origin.server.listen({ port: 0, host: '127.0.0.1' });
		const broadcast = startDemo(origin);
		broadcast.beginRun(0, VIDEO_AND_AUDIO);
		const units = rtmpLike(8);
		const feed = (until: number): void => {
			while (units.length > 0 && units[0]!.decodeTimeTicks / units[0]!.clockRate < 1000 + until) {
				broadcast.write(units.shift()!);
			}
		};
		feed(4.5);
		const client = connect(address);
		const path = '/hls/demo/01test/video0/index.m3u8?_HLS_msn=3&_HLS_part=3';
		const held = Array.from({ length: 6 }, () => client.get(path));
		await untilHeld(origin, 6);
		const refused = await Promise.all([client.get(path), client.get(path)]);
		expect(refused.map(({ status, retryAfter }) => [status, retryAfter])).toEqual([
			[503, '1'],
			[503, '1'],
		]);
		feed(4.8);
		const answers = await Promise.all(held);
		expect(answers.every(({ status }) => status === 200)).toBe(true);
		expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
		expect(answers[0]!.body).toContain('#EXTM3U');
		expect(origin.packager.counters.heldRequests).toBe(0);
		const given = Array.from({ length: 5 }, () => client.get(path.replace('part=3', 'part=6')).catch(() => undefined));
		await untilHeld(origin, 5);
		client.hangUp();
		await untilHeld(origin, 0);
		await Promise.all(given);
	});
});
