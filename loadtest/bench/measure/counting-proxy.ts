/** A proxy between a cache and a server that counts what the cache asks for, and can be killed as a server is. */
import { once } from 'node:events';
import { Agent, createServer, type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';

/** A running proxy. */
export interface CountingProxy {
	/** To connect to, on 127.0.0.1. */
	readonly port: number;
	/** Requests by address with its query, in the order of the first one. */
	readonly counts: ReadonlyMap<string, number>;
	/** Requests for an address with its query. */
	count(address: string): number;
	/** Headers of the newest request for a recent address. */
	headersOf(address: string): IncomingHttpHeaders | undefined;
	/** Forgets the counts. */
	reset(): void;
	/** Ends all connections and the port. Idempotent. */
	close(): Promise<void>;
}

/** More addresses are not counted. */
const MAX_ADDRESSES = 200_000;
const KEPT_HEADERS = 200;

/**
 * `targetPort`: undefined while the server has not started. `answer`: instead of the server's, for addresses for which
 * it returns a status; the body is empty then.
 */
export async function startCountingProxy(
	targetPort: () => number | undefined,
	answer: (address: string) => number | undefined = () => undefined,
): Promise<CountingProxy> {
	const counts = new Map<string, number>();
	const newestHeaders = new Map<string, IncomingHttpHeaders>();
	const agent = new Agent({ keepAlive: true });
	const sockets = new Set<Socket>();
	const server = createServer((outer, response) => {
		const address = outer.url ?? '';
		if (counts.has(address) || counts.size < MAX_ADDRESSES) {
			counts.set(address, (counts.get(address) ?? 0) + 1);
		}
		newestHeaders.delete(address);
		newestHeaders.set(address, outer.headers);
		if (newestHeaders.size > KEPT_HEADERS) {
			newestHeaders.delete(newestHeaders.keys().next().value!);
		}
		const port = targetPort();
		const status = port === undefined ? 503 : answer(address);
		if (status !== undefined) {
			response.writeHead(status, { 'cache-control': 'no-store' }).end();
			return;
		}
		const { method, headers } = outer;
		const inner = httpRequest({ host: '127.0.0.1', port, path: address, method, headers, agent });
		inner.on('response', (from) => {
			response.writeHead(from.statusCode!, from.headers);
			from.pipe(response);
		});
		inner.on('error', () => response.destroy());
		response.on('close', () => inner.destroy());
		outer.pipe(inner);
	});
	server.on('connection', (socket) => {
		sockets.add(socket);
		socket.on('close', () => sockets.delete(socket));
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return {
		port: (server.address() as { port: number }).port,
		counts,
		count: (address) => counts.get(address) ?? 0,
		headersOf: (address) => newestHeaders.get(address),
		reset: () => counts.clear(),
		close: async () => {
			agent.destroy();
			sockets.forEach((socket) => socket.destroy());
			if (server.listening) {
				await new Promise((resolve) => server.close(resolve));
			}
		},
	};
}
