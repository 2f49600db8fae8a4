/** Waits for the PROXY header of a connection that a proxy opened, before anything else is read from it. */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { MAX_PROXY_HEADER_BYTES, readProxyHeader } from './proxy-protocol.ts';

/**
 * For whom the proxy comes, undefined for itself, and what came behind the header; or why the connection must be
 * dropped.
 */
type ProxyAnnouncement = { address: string | undefined; rest: Uint8Array } | { why: string };

/**
 * Never rejects. Whatever it says, the socket has no listener of this function any more, and is paused until there are
 * others.
 */
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
		// HAProxy's paper asks for 3 s at least; who loses the first packet of a connection within a data centre tries
		// again.
		const cancelTimer = clock.setTimeout(
			() => settle({ why: `no PROXY header within ${timeoutMs} ms; is the proxy set up to send one?` }),
			timeoutMs,
		);
		socket.on('data', receive);
		socket.once('close', onClosed);
	});
}
