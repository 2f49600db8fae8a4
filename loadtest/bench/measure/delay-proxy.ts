/** UDP and TCP proxies that delay what the server sends, for the load tester's self-test. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket as TcpSocket } from 'node:net';

/** Bytes that wait in the proxy. Above it, the newest datagram is dropped and a TCP connection is closed. */
const MAX_WAITING_BYTES = 64_000_000;

/** A running proxy. */
export interface DelayProxy {
	/** To connect to, on 127.0.0.1. */
	readonly port: number;
	/** Datagrams or chunks delayed so far. */
	readonly heldCount: number;
	close(): Promise<void>;
}

/** A queue whose entries leave in their order, each after the delay. */
class DelayLine {
	readonly #delayMs: number;
	readonly #waiting: { dueMs: number; bytes: number; leave: () => void }[] = [];
	#timer: NodeJS.Timeout | undefined;
	#waitingBytes = 0;
	heldCount = 0;

	constructor(delayMs: number) {
		this.#delayMs = delayMs;
	}

	/** False when it is full. */
	add(bytes: number, leave: () => void): boolean {
		if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
			return false;
		}
		this.heldCount++;
		this.#waitingBytes += bytes;
		this.#waiting.push({ dueMs: performance.now() + this.#delayMs, bytes, leave });
		this.#schedule();
		return true;
	}

	clear(): void {
		clearTimeout(this.#timer);
		this.#waiting.splice(0);
	}

	#schedule(): void {
		const first = this.#waiting[0];
		if (first !== undefined && this.#timer === undefined) {
			this.#timer = setTimeout(() => this.#release(), Math.max(0, first.dueMs - performance.now()));
		}
	}

	#release(): void {
		this.#timer = undefined;
		while (this.#waiting[0] !== undefined && this.#waiting[0].dueMs <= performance.now()) {
			const { bytes, leave } = this.#waiting.shift()!;
			this.#waitingBytes -= bytes;
			leave();
		}
		this.#schedule();
	}
}

/** Forwards datagrams to 127.0.0.1:`targetPort` without a delay, and the answers after `delayMs`. */
export async function startUdpDelayProxy(targetPort: number, delayMs: number): Promise<DelayProxy> {
	const outer = createSocket('udp4');
	const line = new DelayLine(delayMs);
	const inner = new Map<number, UdpSocket>();
	outer.on('message', (data, { port }) => {
		let socket = inner.get(port);
		if (socket === undefined) {
			socket = createSocket('udp4');
			inner.set(port, socket);
			socket.on('message', (answer) => {
				line.add(answer.length, () => outer.send(answer, port, '127.0.0.1'));
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
		const line = new DelayLine(delayMs);
		lines.add(line);
		for (const socket of [outer, inner]) {
			sockets.add(socket);
			socket.on('error', () => socket.destroy());
			socket.on('close', () => sockets.delete(socket));
		}
		outer.on('data', (data) => inner.write(data));
		outer.on('close', () => inner.destroy());
		inner.on('data', (data) => {
			if (!line.add(data.length, () => outer.write(data))) {
				outer.destroy();
			}
		});
		inner.on('end', () => void line.add(0, () => outer.end()));
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
