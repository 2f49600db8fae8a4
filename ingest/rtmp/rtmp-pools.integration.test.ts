/** Tests of the RTMP server's limits: who gets a place, how much memory it may use, and the clients of a proxy. */
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, withDeadline } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { DEFAULT_RTMP_SERVER_CONFIG, RtmpServer, type RtmpServerConfig } from './rtmp-server.ts';
import { concat, EncoderDouble } from '../../core/wire/rtmp/testing/encoder-double.ts';

const KEY = 'sk_goodkey';
const [ATTACKER, STREAMER] = ['127.0.0.9', '127.0.0.1'];

let server: RtmpServer<string>;
let port: number;
let logger: RecordingLogger;
let sockets: net.Socket[];
let known: Set<string>;
let askedFrom: string[];
let allowPublishing: Promise<void>;

async function start(config: Partial<RtmpServerConfig> = {}): Promise<void> {
	server = new RtmpServer(
		{
			clock: systemClock,
			logger,
			authorizer: {
				async authorize([key], remoteAddress) {
					askedFrom.push(remoteAddress);
					await allowPublishing;
					if (key !== KEY) {
						throw new SpillwayError('STREAM_KEY_REFUSED');
					}
					return 'channel';
				},
				isKnownAddress: (address) => known.has(address),
			},
		},
		{ ...DEFAULT_RTMP_SERVER_CONFIG, port: 0, host: '127.0.0.1', refusalDelayMs: 20, lingerMs: 200, ...config },
	);
	port = (await server.listen()).port;
}

async function connect(localAddress: string): Promise<net.Socket> {
	const socket = net.connect({ port, host: '127.0.0.1', localAddress });
	sockets.push(socket);
	socket.on('error', () => undefined);
	await withDeadline(systemClock, once(socket, 'connect'), 10_000, () => new Error('no connection'));
	return socket;
}

/** Clients that finish the handshake and send nothing more. */
async function fill(count: number, localAddress: string): Promise<net.Socket[]> {
	const opened = await Promise.all(Array.from({ length: count }, () => connect(localAddress)));
	opened.forEach((socket) => socket.resume().write(new EncoderDouble().handshake()));
	return opened;
}

/** The first status for an encoder; "closed" when the connection ends before. */
async function publish(
	socket: net.Socket,
	options: { key?: string; before?: string | Uint8Array } = {},
): Promise<string> {
	const encoder = new EncoderDouble();
	let received = '';
	const answer = new Promise<string>((resolve) => {
		socket.on('data', (bytes) => {
			received += bytes.toString('latin1');
			const status = /NetStream\.Publish\.\w+/.exec(received)?.[0];
			if (status !== undefined) {
				resolve(status);
			}
		});
		socket.once('close', () => resolve('closed'));
	});
	socket.write(Buffer.from(options.before ?? ''));
	socket.write(concat(encoder.handshake(), encoder.connect(), encoder.publish(options.key ?? KEY)));
	return withDeadline(systemClock, answer, 10_000, () => new Error('no answer'));
}

beforeEach(() => {
	logger = new RecordingLogger();
	sockets = [];
	known = new Set();
	askedFrom = [];
	allowPublishing = Promise.resolve();
});

afterEach(async () => {
	sockets.forEach((socket) => socket.destroy());
	await server.close('server-shutdown');
	expect(server.statistics.connectionCount).toBe(0);
	expect(logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
});

describe('RtmpServer full of untrusted clients', () => {
	it('reports an IPv4 address as such when it listens on IPv6', async () => {
		await start({ host: '::' });
		await expect(publish(await connect(STREAMER))).resolves.toBe('NetStream.Publish.Start');
		expect(askedFrom).toEqual([STREAMER]);
	});

	it('admits a streamer of another address, and keeps publishers', async () => {
		await start({ maxConnectionCount: 8, reservedConnectionCount: 2, maxUnauthenticatedPerAddress: 5 });
		const onAir = await connect(STREAMER);
		await expect(publish(onAir)).resolves.toBe('NetStream.Publish.Start');
		await fill(30, ATTACKER);
		expect(server.statistics.connectionCount).toBeLessThanOrEqual(6);
		await expect(publish(await connect('127.0.0.2'))).resolves.toBe('NetStream.Publish.Start');
		expect(onAir.destroyed).toBe(false);
	});

	it('admits a streamer while clients of many addresses fill every place repeatedly', async () => {
		await start({ maxConnectionCount: 12, reservedConnectionCount: 4, maxUnauthenticatedPerAddress: 3 });
		known.add(STREAMER);
		for (let round = 0; round < 5; round++) {
			const flood = Array.from({ length: 10 }, (_, index) => fill(3, `127.0.1.${1 + ((round + index) % 20)}`));
			const streamer = await connect(STREAMER);
			await Promise.all(flood);
			await expect(publish(streamer)).resolves.toBe('NetStream.Publish.Start');
			streamer.destroy();
		}
		expect(server.statistics.droppedConnectionCount).toBeGreaterThan(50);
	});

	it('stops reading during the key check, and continues once the key is accepted', async () => {
		let allow = (): void => undefined;
		allowPublishing = new Promise((resolve) => (allow = resolve));
		await start();
		let publisher: { bytesReceived: number } | undefined;
		server.on('publisherStarted', ({ statistics }) => (publisher = statistics));
		const socket = await connect(STREAMER);
		const answer = publish(socket);
		const encoder = new EncoderDouble();
		// Far more than the kernel's buffers hold: the encoder has to wait.
		const isWritten = socket.write(encoder.video(0, new Uint8Array(9_000_000)));
		expect(isWritten).toBe(false);
		while (askedFrom.length === 0) {
			await new Promise((resolve) => setImmediate(resolve));
		}
		allow();
		await expect(answer).resolves.toBe('NetStream.Publish.Start');
		expect(publisher).toBeDefined();
		await withDeadline(systemClock, once(socket, 'drain'), 10_000, () => new Error('the server does not read'));
	});
});

describe('RtmpServer behind a proxy', () => {
	const isProxy = (address: string): boolean => address === '127.0.0.5';
	const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);

	it('reads the client’s address in both versions of the PROXY protocol', async () => {
		await start({ isProxy });
		const line = 'PROXY TCP4 203.0.113.7 192.0.2.1 54321 1935\r\n';
		await expect(publish(await connect('127.0.0.5'), { before: line })).resolves.toBe('NetStream.Publish.Start');
		const block = [0x20, 1, 0x0d, 0xb8, ...new Array<number>(11).fill(0), 7, ...new Array<number>(20).fill(0)];
		const binary = Uint8Array.of(...SIGNATURE, 0x21, 0x21, 0, block.length, ...block);
		await expect(publish(await connect('127.0.0.5'), { before: binary })).resolves.toBe('NetStream.Publish.Start');
		const local = Uint8Array.of(...SIGNATURE, 0x20, 0, 0, 0);
		await expect(publish(await connect('127.0.0.5'), { before: local })).resolves.toBe('NetStream.Publish.Start');
		await expect(publish(await connect('127.0.0.6'))).resolves.toBe('NetStream.Publish.Start');
		expect(askedFrom).toEqual(['203.0.113.7', '2001:db8:0:0:0:0:0:7', '127.0.0.5', '127.0.0.6']);
	});

	it('drops a proxy’s connection without a header, and a header from any other client', async () => {
		await start({ isProxy, proxyHeaderTimeoutMs: 200 });
		await expect(publish(await connect('127.0.0.5'))).resolves.toBe('closed');
		await expect(publish(await connect('127.0.0.5'), { before: 'PROXY TCP4 x\r\n' })).resolves.toBe('closed');
		const silent = await connect('127.0.0.5');
		silent.resume().write('PROXY TCP4 ');
		await withDeadline(systemClock, once(silent, 'close'), 10_000, () => new Error('it stayed'));
		const line = 'PROXY TCP4 203.0.113.7 192.0.2.1 54321 1935\r\n';
		await expect(publish(await connect('127.0.0.6'), { before: line })).resolves.toBe('closed');
		expect(askedFrom).toEqual([]);
		const reasons = logger.lines.map(({ fields }) => fields['reason']);
		expect(reasons.join()).toMatch(/does not begin with a PROXY header/);
		expect(server.statistics.droppedConnectionCount).toBe(3);
	});

	it('gives each client of a proxy its own share', async () => {
		await start({ isProxy, maxConnectionCount: 6, reservedConnectionCount: 0, maxUnauthenticatedPerAddress: 4 });
		for (let index = 0; index < 20; index++) {
			const socket = await connect('127.0.0.5');
			socket.resume().write('PROXY TCP4 203.0.113.66 192.0.2.1 1 1935\r\n');
		}
		const line = 'PROXY TCP4 203.0.113.7 192.0.2.1 54321 1935\r\n';
		await expect(publish(await connect('127.0.0.5'), { before: line })).resolves.toBe('NetStream.Publish.Start');
	});
});
