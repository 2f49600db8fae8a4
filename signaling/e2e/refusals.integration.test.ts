/** Invalid requests of untrusted clients: each gets a clear error, and the broadcast continues. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import path from 'node:path';
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

	const post = (headers: Record<string, string>, body: string): RequestInit => ({ method: 'POST', headers, body });

	it('refuses an invalid publish by WHIP, each with its own code', async () => {
		const authorized = bearer(server.addresses.streamKey);
		const sdp = { ...SDP, ...authorized };
		const rows: [string, RequestInit, number, string][] = [
			['/whip', post(SDP, 'v=0\r\n'), 401, 'STREAM_KEY_MISSING'],
			['/whip', post({ ...SDP, ...bearer('wrong') }, 'v=0\r\n'), 401, 'STREAM_KEY_REFUSED'],
			['/whip', post(sdp, 'hello'), 400, 'SDP_MALFORMED'],
			['/whip', post({ 'content-type': 'text/plain', ...authorized }, 'v=0'), 415, 'CONTENT_TYPE_UNSUPPORTED'],
			['/whip', post(sdp, 'v=0\r\n'.padEnd(300_000, 'a')), 413, 'BODY_TOO_LARGE'],
			['/whip/unknown', { method: 'DELETE', headers: authorized }, 404, 'SESSION_NOT_FOUND'],
			['/whip', { method: 'PUT', headers: SDP, body: 'v=0' }, 405, 'METHOD_NOT_ALLOWED'],
		];
		for (const [path, init, status, code] of rows) {
			expect(await request(path, init), code).toEqual({ status, code });
		}
	});

	it('ignores a content type without content', async () => {
		const headers = { 'content-type': 'application/json' };
		expect(await request('/whep/demo/none', { method: 'DELETE', headers })).toEqual({
			status: 404,
			code: 'SESSION_NOT_FOUND',
		});
	});

	it.each([
		['/hls/nobody/index.m3u8', {}, { status: 404, code: 'CHANNEL_NOT_FOUND' }],
		['/whep/demo', post(SDP, 'x'), { status: 400, code: 'SDP_MALFORMED' }],
		['/api/v1/channels/nobody', {}, { status: 404, code: 'CHANNEL_NOT_FOUND' }],
		['/hls/demo/../../etc/passwd', {}, { status: 404 }],
		['/api/v1/nothing', {}, { status: 404, code: 'ROUTE_NOT_FOUND' }],
	] as const)('refuses to show %s', async (path, init, answer) => {
		expect(await request(path, init)).toMatchObject(answer);
	});

	it('counts no viewer who has left', async () => {
		const options = { viewerCount: 100, atOnce: 20, whepEvery: 10, settleMs: 0 };
		const run = await runChurn(server, options);
		expect([run.failures, run.whepCount]).toEqual([[], 10]);
		// A viewer whose socket was cut is counted for some seconds more.
		await expect
			.poll(async () => (await runChurn(server, { ...options, viewerCount: 0 })).leftCount, { timeout: 30_000 })
			.toBe(0);
	});

	it('closes RTMP connections that send garbage, and accepts the next encoder', async () => {
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

	it('refuses an option that it does not know, and does not start', async () => {
		const main = path.join(import.meta.dirname, '../main.ts');
		const error = await promisify(execFile)(process.execPath, [main, '--dmeo'], { timeout: 30_000 }).catch(
			(reason: unknown) => reason,
		);
		expect(error).toMatchObject({ code: 1, stderr: expect.stringContaining('no option "--dmeo"') });
	});

	it('keeps streaming meanwhile', async () => {
		const text = await (await fetch(new URL('/hls/demo/index.m3u8', server.addresses.httpUrl))).text();
		expect(text).toContain('#EXT-X-STREAM-INF');
		const { status } = await request('/readyz');
		expect(status).toBe(200);
	});
});
