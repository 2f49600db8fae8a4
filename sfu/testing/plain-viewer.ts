/** A viewer on a PlainTransport for tests: what a WHEP viewer's Consumer sends, without ICE, DTLS and SRTP. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Consumer, PlainTransport, Router, RtpCapabilities } from 'mediasoup/types';
import { silentLogger } from '../../core/logger.ts';
import type { Stage } from '../stage/stage.ts';
import { SentPackets, type SentPacket } from '../stage/testing/sent-packets.ts';
import { beginPicture } from '../viewer/viewer-transport.ts';

/** A viewer without ICE and DTLS: a Consumer on a PlainTransport, whose packets arrive at a socket of the test. */
export class PlainViewer implements AsyncDisposable {
	readonly consumer: Consumer;
	readonly received: SentPackets;
	/** Called for each packet that arrives. */
	onPacket: () => void = () => undefined;
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
		const transport = await router.createPlainTransport({
			listenInfo: { protocol: 'udp', ip: '127.0.0.1' },
			rtcpMux: true,
		});
		await transport.connect({ ip: '127.0.0.1', port: socket.address().port });
		const consumer = await transport.consume({
			producerId,
			rtpCapabilities: capabilities(router),
			paused: true,
			enableRtx: false,
		});
		const viewer = new PlainViewer(consumer, received, socket, transport);
		socket.on('message', (packet) => {
			received.add(packet);
			viewer.onPacket();
		});
		return viewer;
	}

	/** Has mediasoup estimate the line from now on, as {@link ViewerTransport} does after trouble. */
	async startEstimator(router: Router): Promise<number | undefined> {
		const dummy = await this.#transport.consume({
			producerId: this.consumer.producerId,
			rtpCapabilities: { ...router.rtpCapabilities },
			paused: true,
		});
		dummy.close();
		return (await this.#transport.getStats())[0]?.availableOutgoingBitrate;
	}

	/** What the Consumer sent, without the worker's own probe packets, which make the transport known. */
	get packets(): readonly SentPacket[] {
		return this.received.of(this.consumer.rtpParameters.encodings![0]!.ssrc!);
	}

	/** Begins as every viewer does; resolves when the Consumer runs. */
	async join(stage: Stage, choice?: Parameters<typeof beginPicture>[3]): Promise<void> {
		this.#leave = await beginPicture(this.consumer, stage.video, silentLogger, choice);
	}

	[Symbol.asyncDispose](): Promise<void> {
		this.#leave?.();
		this.#transport.close();
		return new Promise((resolve) => this.#socket.close(() => resolve()));
	}
}

/** As WHEP viewers': without feedback about bandwidth, so that mediasoup sends the preferred layer at any cost. */
function capabilities({ rtpCapabilities: { codecs, headerExtensions } }: Router): RtpCapabilities {
	return {
		codecs: codecs!.map((codec) => ({
			...codec,
			rtcpFeedback: codec.rtcpFeedback!.filter(({ type }) => type !== 'transport-cc' && type !== 'goog-remb'),
		})),
		headerExtensions: headerExtensions!.filter(({ uri }) => /abs-capture-time|transport-wide-cc/.test(uri)),
	};
}
