/** The UDP socket between our code and one broadcast's router: stage packets in, tapped packets out, RTCP both ways. */
import { createSocket, type Socket } from 'node:dgram';
import type { PlainTransport, Router } from 'mediasoup/types';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { isRtcp, createRtpHeader, readRtpHeader, type RtpHeader } from '../../core/wire/rtp/rtp-packet.ts';
import { readKeyFrameRequests } from '../../core/wire/rtp/rtcp.ts';

type StageLinkEvents = {
	/** The worker asks the stage for a key frame of the stream with this SSRC. */
	keyFrameRequested: [ssrc: number];
	/** The router or its worker is gone. */
	closed: [];
};

/** Called for each packet of one SSRC. The header is reused: read it at once. The packet may be kept. */
type TapListener = (packet: Buffer, header: RtpHeader) => void;

/** Socket buffers asked for; the kernel gives what it allows. A 4 MB burst is half a second at 60 Mbit/s. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

export class StageLink extends TypedEmitter<StageLinkEvents> {
	readonly transport: PlainTransport;
	readonly #deps: { socket: Socket; logger: Logger };
	readonly #scope: CloseScope<'stage-closed' | 'router-closed'>;
	readonly #tapListeners = new Map<number, TapListener>();
	readonly #header = createRtpHeader();

	/** Opens the socket and the PlainTransport; both on loopback. */
	static async create(
		{ router, logger }: { router: Router; logger: Logger },
		ports: { min: number; max: number },
	): Promise<StageLink> {
		const transport = await router.createPlainTransport({
			listenInfo: {
				protocol: 'udp',
				ip: '127.0.0.1',
				portRange: ports,
				sendBufferSize: SOCKET_BUFFER_BYTES,
				recvBufferSize: SOCKET_BUFFER_BYTES,
			},
			rtcpMux: true,
			comedia: false,
		});
		const socket = createSocket('udp4');
		try {
			await new Promise<void>((resolve, reject) => {
				socket.once('error', reject);
				socket.bind({ address: '127.0.0.1', port: 0 }, () => {
					socket.off('error', reject);
					resolve();
				});
			});
			// Connected, so that the kernel drops what others send here and a send needs no address.
			await new Promise<void>((resolve, reject) => {
				socket.connect(transport.tuple.localPort, '127.0.0.1', (error?: Error) => (error ? reject(error) : resolve()));
			});
			await transport.connect({ ip: '127.0.0.1', port: socket.address().port });
		} catch (error) {
			socket.close();
			transport.close();
			throw error;
		}
		return new StageLink({ socket, logger }, transport);
	}

	private constructor(deps: { socket: Socket; logger: Logger }, transport: PlainTransport) {
		const { socket, logger } = deps;
		super(logger);
		this.#deps = deps;
		this.transport = transport;
		this.#scope = new CloseScope(logger);
		try {
			socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
			socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
		} catch (error) {
			logger.debug({ err: error }, 'the kernel keeps its own socket buffer size');
		}
		socket.on('message', (packet) => this.#onPacket(packet));
		// ECONNREFUSED arrives here when the worker dies, which the router's close event reports.
		socket.on('error', (error) => logger.debug({ err: error }, 'stage socket error'));
		transport.observer.once('close', () => void this.#scope.close('router-closed'));
		this.#scope.onClose(() => {
			this.#tapListeners.clear();
			socket.close();
			if (!transport.closed) {
				transport.close();
			}
			this.emit('closed');
		});
	}

	/** Sends one datagram; it must not be changed afterwards. One that the socket refuses is lost, as on the network. */
	send(packet: Buffer): void {
		if (!this.#scope.closed) {
			// Without a callback, which costs a tick of the event loop for each datagram.
			this.#deps.socket.send(packet);
		}
	}

	/** Calls `listener` for each RTP packet with this SSRC. Returns the function that ends it. */
	tap(ssrc: number, listener: TapListener): () => void {
		this.#tapListeners.set(ssrc, listener);
		return () => this.#tapListeners.delete(ssrc);
	}

	/** Closes the socket and the transport. */
	close(): Promise<void> {
		return this.#scope.close('stage-closed');
	}

	#onPacket(packet: Buffer): void {
		if (isRtcp(packet)) {
			for (const ssrc of readKeyFrameRequests(packet)) {
				this.emit('keyFrameRequested', ssrc);
			}
			return;
		}
		if (readRtpHeader(packet, this.#header)) {
			try {
				this.#tapListeners.get(this.#header.ssrc)?.(packet, this.#header);
			} catch (error) {
				this.#deps.logger.error({ err: error }, 'a tap listener failed');
			}
		}
	}
}
