/** Tests of the HTTP server's limits with TLS over real sockets: both versions of HTTP, slow bodies, many streams. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from '../../testing/tls-fixture.ts';
import { createApp } from './create-app.ts';
import { registerErrorHandler } from './error-handler.ts';

const INSECURE = { rejectUnauthorized: false } as const;

let folder: string;
let clock: FakeClock;
let app: FastifyInstance;
let url: string;
let release: () => void;

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'spillway-tls-'));
	const [tlsCertificateFile, tlsKeyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
	await writeFile(tlsCertificateFile, TEST_CERTIFICATE);
	await writeFile(tlsKeyFile, TEST_CERTIFICATE_KEY);
	clock = new FakeClock();
	const logger = new RecordingLogger();
	app = await createApp({ trustedProxies: [], tlsCertificateFile, tlsKeyFile }, { clock, logger, isSecure: true });
	registerErrorHandler(app, logger, clock);
	const held = new Promise<void>((resolve) => (release = resolve));
	app.get('/held', async () => {
		await held;
		return 'released';
	});
	app.post('/body', async (request) => request.body);
	await app.listen({ host: '127.0.0.1', port: 0 });
	url = `https://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
});

afterEach(async () => {
	release();
	await app.close();
	await rm(folder, { recursive: true });
});

/** Opens a session and waits for the server's settings. */
async function connect(): Promise<http2.ClientHttp2Session> {
	const session = http2.connect(url, INSECURE);
	session.on('error', () => undefined);
	await once(session, 'remoteSettings');
	return session;
}

function open(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream {
	const stream = session.request(headers, { endStream: headers[':method'] !== 'POST' });
	stream.on('error', () => undefined);
	return stream;
}

async function read(stream: http2.ClientHttp2Stream): Promise<{ status: unknown; body: string }> {
	let body = '';
	let status: unknown;
	stream.on('response', (headers) => (status = headers[':status']));
	stream.setEncoding('utf8').on('data', (text: string) => (body += text));
	await once(stream, 'close');
	return { status, body };
}

describe('the HTTP server with TLS', () => {
	it('speaks both versions, and sends Strict-Transport-Security', async () => {
		const session = await connect();
		const post = open(session, { ':method': 'POST', ':path': '/body', 'content-type': 'application/json' });
		post.end('{"a":1}');
		expect(await read(post)).toEqual({ status: 200, body: '{"a":1}' });
		session.close();
		const request = https.get(`${url}/nothing`, INSECURE);
		const [response] = (await once(request, 'response')) as [IncomingMessage];
		response.resume();
		expect([response.httpVersion, response.statusCode]).toEqual(['1.1', 404]);
		expect(response.headers['strict-transport-security']).toBe('max-age=15552000');
	});

	it('answers a hundred requests at once over one connection', async () => {
		const session = await connect();
		expect(session.remoteSettings.maxConcurrentStreams).toBe(100);
		const streams = Array.from({ length: 100 }, () => open(session, { ':path': '/held' }));
		const answers = streams.map(read);
		await new Promise((resolve) => session.ping((_error, duration) => resolve(duration)));
		release();
		expect((await Promise.all(answers)).filter(({ body }) => body === 'released')).toHaveLength(100);
		session.close();
	});

	it('cancels an HTTP/2 request whose body does not arrive, and no other of the connection', async () => {
		const session = await connect();
		const slow = open(session, { ':method': 'POST', ':path': '/body', 'content-type': 'application/json' });
		slow.write('{');
		const other = read(open(session, { ':path': '/held' }));
		// Some clients end a request without a body with a separate frame.
		const bodyless = session.request({ ':path': '/held' }, { endStream: false });
		bodyless.end();
		const bodylessAnswer = read(bodyless);
		await new Promise((resolve) => session.ping((_error, duration) => resolve(duration)));
		await clock.advance(9999);
		expect(slow.destroyed).toBe(false);
		slow.write(' ');
		const cut = read(slow);
		await clock.advance(1);
		expect(await cut).toEqual({ status: undefined, body: '' });
		expect(slow.rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
		release();
		expect(await other).toEqual({ status: 200, body: 'released' });
		expect(await bodylessAnswer).toEqual({ status: 200, body: 'released' });
		expect(clock.pendingCount).toBe(0);
		session.close();
	});

	it('refuses addresses with %00, wherever they have it', async () => {
		for (const address of ['/held?before=%00', '/held/%00', '/%00']) {
			const answer = await app.inject(address);
			expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([400, 'REQUEST_INVALID']);
		}
	});

	it('has the deadlines of HTTP/1.1 with TLS too', () => {
		expect(app.server).toMatchObject({
			headersTimeout: 10_000,
			requestTimeout: 10_000,
			keepAliveTimeout: 72_000,
			connectionsCheckingInterval: 2000,
		});
	});
});
