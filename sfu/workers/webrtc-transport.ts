/** How the WebRTC transports of publishers and viewers are opened, and how they end. */
import type { Router, WebRtcServer, WebRtcTransport } from 'mediasoup/types';
import { remoteDtlsParameters, type NegotiatedTransport } from '../sdp/bundle.ts';

/** Seconds without a consent check (RFC 7675) until the other side counts as gone. The default, 30, is too long. */
const ICE_CONSENT_TIMEOUT_SECONDS = 12;

/** Opens the transport; the DTLS parameters of the other side are known from its offer. */
export async function openWebRtcTransport(
	router: Router,
	webRtcServer: WebRtcServer,
	remote: NegotiatedTransport,
	estimate: { initialAvailableOutgoingBitrate?: number } = {},
): Promise<WebRtcTransport> {
	const transport = await router.createWebRtcTransport({
		webRtcServer,
		enableUdp: true,
		enableTcp: true,
		preferUdp: true,
		iceConsentTimeout: ICE_CONSENT_TIMEOUT_SECONDS,
		...estimate,
	});
	try {
		await transport.connect({ dtlsParameters: remoteDtlsParameters(remote) });
		return transport;
	} catch (error) {
		transport.close();
		throw error;
	}
}

/** How a transport may end without the other side's close_notify. */
type TransportFailure = 'worker-died' | 'ice-failed' | 'dtls-failed';

/** Reports when DTLS is up, and why the transport ends. `goodbye`: the reason of the other side's close_notify. */
export function watchWebRtcTransport<Goodbye extends string>(
	transport: WebRtcTransport,
	goodbye: Goodbye,
	listener: { connected: () => void; ended: (reason: TransportFailure | Goodbye) => void },
): void {
	transport.observer.once('close', () => listener.ended('worker-died'));
	transport.on('icestatechange', (state) => {
		if (state === 'disconnected') {
			listener.ended('ice-failed');
		}
	});
	transport.on('dtlsstatechange', (state) => {
		if (state === 'connected') {
			listener.connected();
		} else if (state === 'failed' || state === 'closed') {
			listener.ended(state === 'closed' ? goodbye : 'dtls-failed');
		}
	});
}
