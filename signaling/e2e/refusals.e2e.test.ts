/** What strangers send: each is answered with a clear error, and the broadcast beside it goes on. */
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../../loadtest/source/publisher.ts';
import { runChurn } from '../../loadtest/bench/churn.ts';
import { RtmpConnection } from '../../loadtest/clients/rtmp/rtmp-connection.ts';
import { ServerUnderTest, waitUntilLive } from '../../loadtest/bench/measure/server-under-test.ts';

const SDP = { 'content-type': 'application/sdp' };

describe('a running server', () => {
	let server: ServerUnderTest;
	let publisher: Publisher;

	beforeAll(async () => {
		server = await ServerUnderTest.start();
		publisher = createPublisher('rtmp', TEST_SETTINGS, server.addresses);
		await publisher.start();
		await waitUntilLive(server.addresses);
	});

	afterAll(async () => {
		await publisher.stop();
		await server.stop();
	});

	const request = async (path: string, init?: RequestInit): Promise<{ status: number; code: unknown }> => {
		const response = await fetch(new URL(path, server.addresses.httpUrl), {
			...init,
			signal: AbortSignal.timeout(10_000),
		});
		const body = await response.text();
		return {
			status: response.status,
			code: body.startsWith('{') ? (JSON.parse(body) as { code?: unknown }).code : undefined,
		};
	};
	const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

	it('refuses what is wrong with a publish by WHIP, each with its own code', async () => {
		const key = server.addresses.streamKey;
		expect(await request('/whip', { method: 'POST', headers: SDP, body: 'v=0\r\n' })).toEqual({
			status: 401,
			code: 'STREAM_KEY_MISSING',
		});
		expect(
			await request('/whip', { method: 'POST', headers: { ...SDP, ...bearer('wrong') }, body: 'v=0\r\n' }),
		).toEqual({
			status: 401,
			code: 'STREAM_KEY_REFUSED',
		});
		expect(await request('/whip', { method: 'POST', headers: { ...SDP, ...bearer(key) }, body: 'hello' })).toEqual({
			status: 400,
			code: 'SDP_MALFORMED',
		});
		expect(
			await request('/whip', {
				method: 'POST',
				headers: { 'content-type': 'text/plain', ...bearer(key) },
				body: 'v=0',
			}),
		).toEqual({
			status: 415,
			code: 'CONTENT_TYPE_UNSUPPORTED',
		});
		expect(
			await request('/whip', {
				method: 'POST',
				headers: { ...SDP, ...bearer(key) },
				body: 'v=0\r\n'.padEnd(300_000, 'a'),
			}),
		).toEqual({
			status: 413,
			code: 'BODY_TOO_LARGE',
		});
		expect(await request('/whip/unknown', { method: 'DELETE', headers: bearer(key) })).toEqual({
			status: 404,
			code: 'SESSION_NOT_FOUND',
		});
		expect(await request('/whip', { method: 'PUT', headers: SDP, body: 'v=0' })).toEqual({
			status: 405,
			code: 'METHOD_NOT_ALLOWED',
		});
	});

	it('does not mind a content type where there is no content', async () => {
		const headers = { 'content-type': 'application/json' };
		expect(await request('/whep/demo/none', { method: 'DELETE', headers })).toEqual({
			status: 404,
			code: 'SESSION_NOT_FOUND',
		});
	});

	it('refuses what is wrong with watching', async () => {
		expect(await request('/hls/nobody/index.m3u8')).toEqual({ status: 404, code: 'CHANNEL_NOT_FOUND' });
		expect(await request('/whep/demo', { method: 'POST', headers: SDP, body: 'x' })).toEqual({
			status: 400,
			code: 'SDP_MALFORMED',
		});
		expect(await request('/api/v1/channels/nobody')).toEqual({ status: 404, code: 'CHANNEL_NOT_FOUND' });
		expect(await request('/hls/demo/../../etc/passwd')).toMatchObject({ status: 404 });
		expect(await request('/api/v1/nothing')).toEqual({ status: 404, code: 'ROUTE_NOT_FOUND' });
	});

	it('forgets viewers who came and went', async () => {
		const options = { viewerCount: 100, atOnce: 20, whepEvery: 10, settleMs: 0 };
		const run = await runChurn(server, options);
		expect([run.failures, run.whepCount]).toEqual([[], 10]);
		// Whose socket is closed is counted for some seconds: who comes again was never away.
		await expect
			.poll(async () => (await runChurn(server, { ...options, viewerCount: 0 })).leftCount, { timeout: 30_000 })
			.toBe(0);
	});

	it('closes garbage on the RTMP port and takes the next encoder', async () => {
		const port = Number(new URL(server.addresses.rtmpUrl).port);
		for (const garbage of [
			Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
			Buffer.alloc(4000, 0xff),
			Buffer.from([0x16, 3, 1, 2, 0]),
		]) {
			await new Promise<void>((resolve, reject) => {
				const socket = net.connect(port, '127.0.0.1', () => socket.write(garbage));
				socket.setTimeout(15_000, () => reject(new Error('The connection was left open.')));
				socket.on('close', () => resolve());
				socket.on('error', () => undefined);
			});
		}
		await expect(RtmpConnection.publish(server.addresses.rtmpUrl, 'wrong-key')).rejects.toThrow();
		const next = await RtmpConnection.publish(server.addresses.rtmpUrl, server.addresses.streamKey);
		next.close();
	});

	it('goes on streaming through all of it', async () => {
		const text = await (await fetch(new URL('/hls/demo/index.m3u8', server.addresses.httpUrl))).text();
		expect(text).toContain('#EXT-X-STREAM-INF');
		const { status } = await request('/readyz');
		expect(status).toBe(200);
	});
});
