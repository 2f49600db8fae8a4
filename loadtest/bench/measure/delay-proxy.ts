/**
 * UDP and TCP proxies that delay what the server sends, for the load tester's self-test. When too much waits, the
 * newest datagram is dropped and a TCP connection is closed.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket as TcpSocket } from 'node:net';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { DelayLine } from './delay-line.ts';

/** A running proxy. */
export interface DelayProxy {
	/** To connect to, on 127.0.0.1. */
	readonly port: number;
	/** Datagrams or chunks delayed so far. */
	readonly heldCount: number;
	close(): Promise<void>;
}

/** Forwards datagrams to 127.0.0.1:`targetPort` without a delay, and the answers after `delayMs`. */
export async function startUdpDelayProxy(targetPort: number, delayMs: number): Promise<DelayProxy> {
	const outer = createSocket('udp4');
	const line = new DelayLine(systemClock);
	const inner = new Map<number, UdpSocket>();
	outer.on('message', (data, { port }) => {
		let socket = inner.get(port);
		if (socket === undefined) {
			socket = createSocket('udp4');
			inner.set(port, socket);
			socket.on('message', (answer) => {
				line.add(answer.length, () => outer.send(answer, port, '127.0.0.1'), delayMs);
			});
			// The server has closed its port: datagrams are lost, as on a real wire.
			socket.on('error', () => undefined);
		}
		socket.send(data, targetPort, '127.0.0.1');
	});
	outer.bind(0, '127.0.0.1');
	await once(outer, 'listening');
	return {
		port: outer.address().port,
		get heldCount() {
			return line.heldCount;
		},
		close: async () => {
			line.clear();
			const sockets = [outer, ...inner.values()];
			await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(resolve))));
		},
	};
}

/** Forwards TCP connections to 127.0.0.1:`targetPort`; the answers leave after `delayMs`. */
export async function startTcpDelayProxy(targetPort: number, delayMs: number): Promise<DelayProxy> {
	const sockets = new Set<TcpSocket>();
	const lines = new Set<DelayLine>();
	const server = createServer((outer) => {
		const inner = connect(targetPort, '127.0.0.1');
		const line = new DelayLine(systemClock);
		lines.add(line);
		for (const socket of [outer, inner]) {
			sockets.add(socket);
			socket.on('error', () => socket.destroy());
			socket.on('close', () => sockets.delete(socket));
		}
		outer.on('data', (data) => inner.write(data));
		outer.on('close', () => inner.destroy());
		inner.on('data', (data) => {
			if (!line.add(data.length, () => outer.write(data), delayMs)) {
				outer.destroy();
			}
		});
		inner.on('end', () => void line.add(0, () => outer.end(), delayMs));
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return {
		port: (server.address() as { port: number }).port,
		get heldCount() {
			return [...lines].reduce((sum, line) => sum + line.heldCount, 0);
		},
		close: async () => {
			lines.forEach((line) => line.clear());
			sockets.forEach((socket) => socket.destroy());
			await new Promise((resolve) => server.close(resolve));
		},
	};
}
