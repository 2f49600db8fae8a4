/** A viewer without ICE and DTLS: a Consumer on a PlainTransport, whose packets arrive at a socket of the test. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Consumer, PlainTransport, Router } from 'mediasoup/types';
import { silentLogger } from '../../core/logger.ts';
import { SentPackets, type SentPacket } from '../stage/testing/sent-packets.ts';
import type { Stage } from '../stage/stage.ts';
import { beginPicture } from '../viewer/viewer-transport.ts';

/** Receives one track. */
export class PlainViewer implements AsyncDisposable {
	readonly consumer: Consumer;
	readonly received: SentPackets;
	readonly #socket: Socket;
	readonly #transport: PlainTransport;
	#leave: (() => void) | undefined;

	private constructor(consumer: Consumer, received: SentPackets, socket: Socket, transport: PlainTransport) {
		this.consumer = consumer;
		this.received = received;
		this.#socket = socket;
		this.#transport = transport;
	}

	/** Consumes paused, as viewers do until DTLS is up. */
	static async open(router: Router, producerId: string): Promise<PlainViewer> {
		const socket = createSocket('udp4');
		socket.bind(0, '127.0.0.1');
		await once(socket, 'listening');
		socket.setRecvBufferSize(4_000_000);
		const received = new SentPackets();
		socket.on('message', received.take);
		const transport = await router.createPlainTransport({
			listenInfo: { protocol: 'udp', ip: '127.0.0.1' },
			rtcpMux: true,
		});
		await transport.connect({ ip: '127.0.0.1', port: socket.address().port });
		const consumer = await transport.consume({
			producerId,
			rtpCapabilities: router.rtpCapabilities,
			paused: true,
			enableRtx: false,
		});
		return new PlainViewer(consumer, received, socket, transport);
	}

	/** What the Consumer sent; the worker's own probe packets, which make the transport known, are left out. */
	get packets(): readonly SentPacket[] {
		return this.received.of(this.consumer.rtpParameters.encodings![0]!.ssrc!);
	}

	/** Begins as every viewer does; resolves when the Consumer runs. */
	async join(stage: Stage): Promise<void> {
		this.#leave = await beginPicture(this.consumer, stage.video, silentLogger);
	}

	[Symbol.asyncDispose](): Promise<void> {
		this.#leave?.();
		this.#transport.close();
		return new Promise((resolve) => this.#socket.close(() => resolve()));
	}
}
