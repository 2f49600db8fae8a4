/** Reads the PROXY header of a proxy's connection, before anything else. */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { MAX_PROXY_HEADER_BYTES, readProxyHeader } from './proxy-protocol.ts';

/** The client's address (undefined: the proxy itself) and the bytes after the header; or why to drop the connection. */
type ProxyAnnouncement = { address: string | undefined; rest: Uint8Array } | { why: string };

/** Never rejects. When it resolves, its listeners are removed and the socket is paused. */
export function receiveProxyHeader(socket: Socket, clock: Clock, timeoutMs: number): Promise<ProxyAnnouncement> {
	return new Promise((resolve) => {
		let received = Buffer.alloc(0);
		const settle = (announcement: ProxyAnnouncement): void => {
			cancelTimer();
			socket.off('data', receive);
			socket.off('close', onClosed);
			socket.pause();
			resolve(announcement);
		};
		const onClosed = (): void => settle({ why: 'it was closed before the PROXY header was complete' });
		const receive = (bytes: Uint8Array): void => {
			received = Buffer.concat([received, bytes]);
			const header = readProxyHeader(received);
			if (header.state === 'complete') {
				settle({ address: header.address, rest: received.subarray(header.headerBytes) });
			} else if (header.state === 'malformed') {
				settle({ why: `malformed PROXY header: ${header.why}` });
			} else if (received.length > MAX_PROXY_HEADER_BYTES) {
				settle({ why: 'malformed PROXY header: it has no end' });
			}
		};
		// HAProxy's paper recommends at least 3 s; within a data centre a retry repairs the rare loss of the first packet.
		const cancelTimer = clock.setTimeout(
			() => settle({ why: `no PROXY header within ${timeoutMs} ms; is the proxy set up to send one?` }),
			timeoutMs,
		);
		socket.on('data', receive);
		socket.once('close', onClosed);
	});
}
