/** A server at its limits is stopped: no viewer is cut off, and its child processes have no secrets. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childProcesses } from '../../loadtest/bench/measure/process-cpu.ts';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { unconnectedOffer } from '../../loadtest/clients/whep/whep-offer.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../../loadtest/source/publisher.ts';
import { ServerUnderTest, waitUntilLive } from '../../loadtest/bench/measure/server-under-test.ts';
import { until } from '../testing/until.ts';

describe.runIf(process.platform === 'linux')('a server with little room', () => {
	let server: ServerUnderTest;
	let publisher: Publisher;

	beforeAll(async () => {
		server = await ServerUnderTest.start({
			SPILLWAY_OPERATION_DRAIN_SECONDS: '1',
			SPILLWAY_INGEST_MAX_ENCODER_PIXELS_PER_SECOND: '1000',
			SPILLWAY_METRICS_TOKEN: 'a-secret-that-no-child-needs',
		});
		publisher = createPublisher('rtmp-b-frames', TEST_SETTINGS, server.addresses);
		await publisher.start();
		await until(async () => (await get('/hls/demo/index.m3u8')).body.includes('video0'), 'the picture is in LL-HLS');
	});

	afterAll(async () => {
		await publisher.stop();
		await server.stop();
	});

	const get = async (path: string): Promise<{ status: number; body: string }> => {
		const response = await fetch(new URL(path, server.addresses.httpUrl), { signal: AbortSignal.timeout(15_000) });
		return { status: response.status, body: await response.text() };
	};

	it('leaves WebRTC without the picture that it cannot re-encode, with a reason, and shows LL-HLS', async () => {
		type Leg = { track: string; tier: string; mode: string; reason: string };
		const { state, legs } = JSON.parse((await get('/api/v1/channels/demo')).body) as { state: string; legs: Leg[] };
		expect(state).toBe('live');
		const modeOf = (tier: string): string | undefined =>
			legs.find((leg) => leg.track === 'video' && leg.tier === tier)?.mode;
		expect([modeOf('webrtc'), modeOf('ll-hls')]).toEqual(['off', 'pass-through']);
		expect(legs.find(({ mode }) => mode === 'off')!.reason).toMatch(/B-frames.*too large to be re-encoded here/);
	});

	it('gives its children no secret, and starts one SFU worker for one broadcast', async () => {
		const children = childProcesses(server.pid!);
		expect(children.filter(({ name }) => name.startsWith('mediasoup'))).toHaveLength(1);
		const encoders = children.filter(({ name }) => name === 'ffmpeg');
		expect(encoders.length).toBeGreaterThan(0);
		for (const { pid } of children) {
			const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
			expect(environment).not.toMatch(/SPILLWAY_|a-secret/);
		}
	});

	it('reports not ready first, answers held requests with the end of the playlist, and exits with 0', async () => {
		const path = '/hls/demo/index.m3u8';
		const relative = /\S+video0\/index\.m3u8/.exec((await get(path)).body)![0];
		const playlist = new URL(relative, new URL(path, server.addresses.httpUrl)).pathname;
		const { body } = await get(playlist);
		const first = Number(/MEDIA-SEQUENCE:(\d+)/.exec(body)![1]);
		const next = first + (body.match(/#EXTINF/g) ?? []).length;
		const held = get(`${playlist}?_HLS_msn=${next + 1}`);
		const exited = server.exit();
		process.kill(server.pid!, 'SIGTERM');
		await until(async () => (await get('/readyz')).status === 503, 'not ready');
		// Meanwhile it still serves requests.
		expect((await get('/healthz')).status).toBe(200);
		expect(childProcesses(server.pid!).filter(({ name }) => name.startsWith('mediasoup'))).toHaveLength(1);
		expect((await get(playlist)).body).not.toContain('#EXT-X-ENDLIST');
		await until(async () => (await get(playlist)).body.includes('#EXT-X-ENDLIST'), 'the end can be fetched');
		expect(await held).toMatchObject({ status: 200 });
		expect(await exited).toEqual({ code: 0, signal: null });
		expect(server.errors).toEqual([]);
	});
});

it.each(['SIGTERM', 'SIGINT'] as const)('admits WebRTC viewers until the drain is over, after %s', async (signal) => {
	const server = await ServerUnderTest.start({ SPILLWAY_OPERATION_DRAIN_SECONDS: '3' });
	const publisher = createPublisher('rtmp', TEST_SETTINGS, server.addresses);
	try {
		await publisher.start();
		await waitUntilLive(server.addresses);
		const ask = async (path: string, init: RequestInit = {}): Promise<number> =>
			(await fetch(new URL(path, server.addresses.httpUrl), { ...init, signal: AbortSignal.timeout(15_000) })).status;
		const exited = server.exit();
		process.kill(server.pid!, signal);
		await until(async () => (await ask('/readyz')) === 503, 'not ready');
		const headers = { 'content-type': 'application/sdp' };
		expect(await ask('/whep/demo', { method: 'POST', headers, body: unconnectedOffer('late') })).toBe(201);
		expect(await exited).toEqual({ code: 0, signal: null });
	} finally {
		await publisher.stop();
		await server.stop();
	}
});
