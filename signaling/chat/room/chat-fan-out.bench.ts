/**
 * Measures how long a chat message takes to 2000 sockets at 20 messages a second. The server runs in this process, the
 * sockets in another; both read the same clock. Prints one line of JSON.
 *
 * node signaling/chat/room/chat-fan-out.bench.ts [--members 2000] [--rate 20] [--seconds 15]
 */
import websocket from '@fastify/websocket';
import fastify from 'fastify';
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { ChannelId } from '../../../core/ids.ts';
import { silentLogger } from '../../../core/logger.ts';
import { percentile } from '../../../core/percentiles.ts';
import { InProcessBus } from '../../platform/bus/in-process-bus.ts';
import { createTestRooms } from '../testing/fake-room-store.ts';

const { values } = parseArgs({
	options: {
		members: { type: 'string', default: '2000' },
		rate: { type: 'string', default: '20' },
		seconds: { type: 'string', default: '15' },
		port: { type: 'string' },
	},
});
const [memberCount, rate, seconds] = [Number(values.members), Number(values.rate), Number(values.seconds)];
const AUTHORS = 50;

type Report = { deliveries: number; latenciesMs: number[]; cpuMs: number };

if (values.port === undefined) {
	await serve();
} else {
	await listen(Number(values.port));
}

async function serve(): Promise<void> {
	const bus = new InProcessBus({ clock: systemClock, logger: silentLogger });
	const rooms = createTestRooms({ bus, clock: systemClock });
	const room = rooms.open('bench' as ChannelId);
	const app = fastify();
	await app.register(websocket, { options: { perMessageDeflate: false } });
	let nextId = 0;
	app.get('/', { websocket: true }, async (socket) => {
		const id = `member-${nextId++}`;
		await room.join(
			{ id, user: undefined, remoteAddress: '127.0.0.1', deliver: ({ text }) => socket.send(text) },
			undefined,
		);
	});
	await app.listen({ host: '127.0.0.1', port: 0 });
	for (let index = 0; index < AUTHORS; index++) {
		const user = { id: `author-${index}`, name: `author${index}`, role: 'moderator' as const };
		await room.join({ id: user.id, user, remoteAddress: '127.0.0.1', deliver: () => undefined }, undefined);
	}
	const { port } = app.server.address() as AddressInfo;
	const child = fork(process.argv[1]!, [...process.argv.slice(2), '--port', String(port)]);
	await new Promise((resolve) => child.once('message', resolve));
	const delay = monitorEventLoopDelay({ resolution: 5 });
	delay.enable();
	const cpuBefore = process.cpuUsage();
	const startMs = performance.now();
	const messageCount = rate * seconds;
	for (let index = 0; index < messageCount; index++) {
		// People write at random: exponential gaps, the same in each run.
		const gap = -Math.log(1 - ((index * 0.618_033_988_749) % 1)) / rate;
		void room.send(`author-${index % AUTHORS}`, { text: `message ${index} of an ordinary length, with some words` });
		await sleep(systemClock, gap * 1000);
	}
	await sleep(systemClock, 500);
	const elapsedMs = performance.now() - startMs;
	const cpu = process.cpuUsage(cpuBefore);
	const report = await new Promise<Report>((resolve) => {
		child.once('message', (message) => resolve(message as Report));
		child.send('report');
	});
	const at = (p: number): number => Math.round(percentile(report.latenciesMs, p) * 10) / 10;
	process.stdout.write(
		`${JSON.stringify({
			memberCount,
			messageCount,
			rate,
			deliveries: report.deliveries,
			lost: messageCount * memberCount - report.deliveries,
			latencyMs: { p50: at(50), p95: at(95), p99: at(99), max: at(100) },
			serverCpuRatio: Math.round((cpu.user + cpu.system) / 10 / elapsedMs) / 100,
			clientCpuRatio: Math.round((report.cpuMs / elapsedMs) * 100) / 100,
			eventLoopDelayP99Ms: Math.round(delay.percentile(99) / 1e5) / 10,
		})}\n`,
	);
	child.disconnect();
	app.server.closeAllConnections();
	await rooms.close();
	await app.close();
	await bus.close();
}

async function listen(port: number): Promise<void> {
	const report: Report = { deliveries: 0, latenciesMs: [], cpuMs: 0 };
	const sockets: Socket[] = [];
	for (let index = 0; index < memberCount; index += 100) {
		const batch = Array.from({ length: Math.min(100, memberCount - index) }, () => openSocket(port, report));
		sockets.push(...(await Promise.all(batch)));
	}
	const cpuBefore = process.cpuUsage();
	process.on('message', () => {
		const cpu = process.cpuUsage(cpuBefore);
		report.cpuMs = (cpu.user + cpu.system) / 1000;
		process.send!(report);
	});
	process.on('disconnect', () => sockets.forEach((socket) => socket.destroy()));
	process.send!('ready');
}

/** A WebSocket client that only reads: the server's frames are not masked (RFC 6455 §5.1). */
async function openSocket(port: number, report: Report): Promise<Socket> {
	const socket = connect(port, '127.0.0.1');
	const key = randomBytes(16).toString('base64');
	socket.write(
		`GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
	);
	let rest: Buffer = Buffer.alloc(0);
	let isOpen = false;
	await new Promise<void>((resolve, reject) => {
		socket.on('error', reject);
		socket.on('data', (bytes: Buffer) => {
			const nowMs = systemClock.nowMs();
			rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
			if (!isOpen) {
				const end = rest.indexOf('\r\n\r\n');
				if (end === -1) {
					return;
				}
				isOpen = true;
				rest = rest.subarray(end + 4);
				resolve();
			}
			rest = readFrames(rest, (text) => {
				for (const [, sentAt] of text.matchAll(/"sentAtMs":([\d.]+)/g)) {
					report.deliveries++;
					report.latenciesMs.push(nowMs - Number(sentAt));
				}
			});
		});
	});
	return socket;
}

function readFrames(bytes: Buffer, onText: (text: string) => void): Buffer {
	let from = 0;
	while (bytes.length - from >= 4) {
		const short = bytes[from + 1]! & 0x7f;
		const header = short < 126 ? 2 : 4;
		const length = short < 126 ? short : bytes.readUInt16BE(from + 2);
		if (bytes.length - from < header + length) {
			break;
		}
		onText(bytes.toString('utf8', from + header, from + header + length));
		from += header + length;
	}
	return bytes.subarray(from);
}
