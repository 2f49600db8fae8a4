/** Servers in the place of an S3 service, or of the network before it, for failures that no real one shows. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import type { S3Options } from '../s3-connection.ts';

export type S3Call = { method: string; url: string; headers: IncomingMessage['headers']; body: Buffer };

/** Gets a request whose body has arrived; `attempt` counts all requests from 1. */
export type S3Script = (call: S3Call, response: ServerResponse, attempt: number) => void;

export type ScriptedS3 = AsyncDisposable & {
	readonly options: S3Options;
	readonly calls: S3Call[];
	/** The most connections that were open at once. */
	readonly maxConnections: number;
};

/** With `onHeaders` the script runs before the body is read. */
export async function startScriptedS3(script: S3Script, options: { onHeaders?: boolean } = {}): Promise<ScriptedS3> {
	const calls: S3Call[] = [];
	let openCount = 0;
	let maxConnections = 0;
	const server = createServer((request, response) => {
		const call = { method: request.method!, url: request.url!, headers: request.headers, body: Buffer.alloc(0) };
		calls.push(call);
		const attempt = calls.length;
		if (options.onHeaders === true) {
			script(call, response, attempt);
			return;
		}
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			call.body = Buffer.concat(chunks);
			script(call, response, attempt);
		});
	});
	server.on('connection', (socket) => {
		maxConnections = Math.max(maxConnections, ++openCount);
		socket.on('close', () => openCount--);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const { port } = server.address() as AddressInfo;
	return {
		options: {
			endpoint: `http://127.0.0.1:${port}`,
			region: 'us-east-1',
			bucket: 'recordings',
			accessKeyId: 'key',
			secretAccessKey: 'secret',
			prefix: 'live',
		},
		calls,
		get maxConnections() {
			return maxConnections;
		},
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

/** The XML of an error. */
export function answerError(response: ServerResponse, status: number, code: string, headers: object = {}): void {
	response.writeHead(status, { 'content-type': 'application/xml', ...headers });
	response.end(
		`<?xml version="1.0"?><Error><Code>${code}</Code><Message>As &quot;scripted&quot;</Message><Region>eu-west-9</Region></Error>`,
	);
}

/**
 * A proxy in front of a service that replaces the body of each PUT. A shorter body ends with the connection, as a
 * network does that fails on the way.
 */
export async function startAlteringProxy(
	targetPort: number,
	replacement: Uint8Array,
): Promise<{ port: number; close: () => Promise<void> }> {
	const sockets = new Set<Socket>();
	const server = createTcpServer((client) => {
		const target = connect(targetPort, '127.0.0.1');
		for (const socket of [client, target]) {
			sockets.add(socket);
			socket.on('error', () => undefined);
			socket.on('close', () => {
				sockets.delete(socket);
				client.destroy();
				target.destroy();
			});
		}
		target.pipe(client);
		let received = Buffer.alloc(0);
		client.on('data', (chunk: Buffer) => {
			received = Buffer.concat([received, chunk]);
			const end = received.indexOf('\r\n\r\n') + 4;
			const length = Number(/content-length: (\d+)/i.exec(received.subarray(0, end).toString())?.[1]);
			if (end > 3 && received.length === end + length) {
				target.write(received.subarray(0, end));
				target.write(replacement, () => {
					if (replacement.length < length) {
						target.destroy();
					}
				});
			}
		});
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	return {
		port: (server.address() as AddressInfo).port,
		async close() {
			sockets.forEach((socket) => socket.destroy());
			await new Promise((resolve) => server.close(resolve));
		},
	};
}
