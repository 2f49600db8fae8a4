/**
 * A publishing RTMP connection of our own, for where the stream key must not stand on a process list: FFmpeg encodes to a
 * pipe, and its FLV tags go out here. Publishing only; Adobe's RTMP 1.0.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { systemClock, withDeadline } from '../../../core/lifecycle/clock.ts';
import { type AmfValue, formatAmf0, parseAmf0 } from './amf0-values.ts';
import type { FlvTag } from '../../source/flv-reader.ts';
import { formatRtmpMessage, type RtmpMessage, RtmpMessageReader } from './rtmp-messages.ts';

/** Messages (RTMP 1.0 §5.4, §7.1). */
const TYPE = {
	setChunkSize: 1,
	acknowledgement: 3,
	windowSize: 5,
	audio: 8,
	video: 9,
	script: 18,
	command: 20,
} as const;
const TYPE_OF_TAG = { audio: TYPE.audio, video: TYPE.video, script: TYPE.script } as const;
const HANDSHAKE_BYTES = 1536;
/** One chunk for nearly every picture: fewer headers, and no delay for others, since nothing else is sent. */
const OUT_CHUNK_BYTES = 65_536;
const CONTROL_CHUNK_STREAM = 2;
const COMMAND_CHUNK_STREAM = 3;
const AUDIO_CHUNK_STREAM = 4;
const VIDEO_CHUNK_STREAM = 6;
const CONNECT_DEADLINE_MS = 5000;
/** Unsent bytes above which the server, or the way to it, counts as stuck: some seconds of 720p. */
const MAX_UNSENT_BYTES = 4_000_000;

/** A refusal or loss; `isRefusal` tells that trying again with the same key is useless. */
export class RtmpError extends Error {
	override readonly name = 'RtmpError';
	readonly isRefusal: boolean;

	constructor(message: string, isRefusal = false) {
		super(message);
		this.isRefusal = isRefusal;
	}
}

/** Connects, publishes tags, closes. */
export class RtmpConnection {
	readonly #socket: Socket;
	readonly #reader = new RtmpMessageReader();
	#handshake: Buffer | undefined = Buffer.alloc(0);
	#waiting: { accepts: (values: AmfValue[]) => boolean; resolve: (values: AmfValue[]) => void } | undefined;
	#streamId = 0;
	#lost: RtmpError | undefined;
	readonly #loss: Promise<never>;
	#failLoss!: (error: RtmpError) => void;
	/** Called once when the connection ends without having been closed by us. */
	onLost: ((error: RtmpError) => void) | undefined;

	private constructor(socket: Socket) {
		this.#socket = socket.setNoDelay(true);
		this.#loss = new Promise((_resolve, reject) => (this.#failLoss = reject));
		// Looked at by whoever waits; nobody may be waiting when it happens.
		this.#loss.catch(() => undefined);
		socket.on('data', (bytes: Buffer) => this.#receive(bytes));
		socket.on('error', (error) => this.#end(new RtmpError(`The RTMP connection failed: ${error.message}`)));
		socket.on('close', () => this.#end(new RtmpError('The server closed the RTMP connection.')));
	}

	/** Connects to `rtmp://host:port/app` and publishes under the key. Rejects with an {@link RtmpError}. */
	static async publish(url: string, streamKey: string, localAddress?: string): Promise<RtmpConnection> {
		const { hostname, port, pathname, host } = new URL(url);
		const app = pathname.replace(/^\/|\/$/g, '');
		const from = localAddress === undefined ? {} : { localAddress };
		const socket = connect({ port: Number(port || 1935), host: hostname, ...from });
		const connection = new RtmpConnection(socket);
		const begun = connection.#begin(app, `rtmp://${host}/${app}`, streamKey);
		await withDeadline(systemClock, Promise.race([begun, connection.#loss]), CONNECT_DEADLINE_MS, () => {
			return new RtmpError(`The RTMP server did not answer within ${CONNECT_DEADLINE_MS} ms.`);
		}).catch((error: unknown) => {
			connection.close();
			throw error;
		});
		return connection;
	}

	/** Sends one FLV tag. Drops the connection when the server takes nothing any more. */
	send(tag: FlvTag): void {
		if (this.#lost !== undefined) {
			return;
		}
		if (this.#socket.writableLength > MAX_UNSENT_BYTES) {
			this.#end(new RtmpError('The RTMP server takes media more slowly than it is made.'));
			return;
		}
		// FFmpeg writes onMetaData bare into the file; over RTMP it is a call of @setDataFrame.
		const body = tag.type === 'script' ? Buffer.concat([formatAmf0(['@setDataFrame']), tag.body]) : tag.body;
		const chunkStreamId = tag.type === 'video' ? VIDEO_CHUNK_STREAM : AUDIO_CHUNK_STREAM;
		this.#write(
			{ type: TYPE_OF_TAG[tag.type], timestampMs: tag.timestampMs, streamId: this.#streamId, body },
			chunkStreamId,
		);
	}

	/** Says goodbye and closes. Idempotent. */
	close(): void {
		if (this.#lost === undefined) {
			this.#lost = new RtmpError('closed');
			if (this.#streamId !== 0) {
				this.#command(['deleteStream', 0, null, this.#streamId], 0);
			}
			this.#socket.end();
			// Should the other side never close its half.
			systemClock.setTimeout(() => this.#socket.destroy(), 1000);
		}
	}

	/** Breaks off without a word, as a crash would: the server keeps the broadcast for whoever comes back. Idempotent. */
	abort(): void {
		this.#lost ??= new RtmpError('broken off');
		this.#socket.destroy();
	}

	async #begin(app: string, tcUrl: string, streamKey: string): Promise<void> {
		const shaken = this.#wait(() => true);
		this.#socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(8), randomBytes(HANDSHAKE_BYTES - 8)]));
		await shaken;
		const size = Buffer.alloc(4);
		size.writeUInt32BE(OUT_CHUNK_BYTES);
		this.#write({ type: TYPE.setChunkSize, timestampMs: 0, streamId: 0, body: size }, CONTROL_CHUNK_STREAM);
		this.#reader.outChunkBytes = OUT_CHUNK_BYTES;
		await this.#call(
			['connect', 1, { app, type: 'nonprivate', flashVer: 'FMLE/3.0 (compatible; Spillway)', tcUrl }],
			0,
		);
		const created = await this.#call(['createStream', 2, null], 0);
		this.#streamId = Number(created[3]);
		const status = this.#wait((values) => values[0] === 'onStatus');
		this.#command(['publish', 3, null, streamKey, 'live'], this.#streamId);
		const detail = (await status)[3] as Record<string, AmfValue> | null;
		if (detail?.['code'] !== 'NetStream.Publish.Start') {
			throw new RtmpError(
				`The server refused to publish: ${String(detail?.['description'] ?? detail?.['code'])}`,
				true,
			);
		}
	}

	async #call(values: AmfValue[], streamId: number): Promise<AmfValue[]> {
		const answer = this.#wait(
			([name, transaction]) => (name === '_result' || name === '_error') && transaction === values[1],
		);
		this.#command(values, streamId);
		const answered = await answer;
		if (answered[0] === '_error') {
			const detail = answered[3] as Record<string, AmfValue> | null;
			throw new RtmpError(`The server refused "${String(values[0])}": ${String(detail?.['description'] ?? '')}`, true);
		}
		return answered;
	}

	#wait(accepts: (values: AmfValue[]) => boolean): Promise<AmfValue[]> {
		const answer = new Promise<AmfValue[]>((resolve) => (this.#waiting = { accepts, resolve }));
		return Promise.race([answer, this.#loss]);
	}

	#command(values: AmfValue[], streamId: number): void {
		this.#write({ type: TYPE.command, timestampMs: 0, streamId, body: formatAmf0(values) }, COMMAND_CHUNK_STREAM);
	}

	#write(message: RtmpMessage, chunkStreamId: number): void {
		this.#socket.write(formatRtmpMessage(message, chunkStreamId, this.#reader.outChunkBytes));
	}

	#receive(bytes: Buffer): void {
		try {
			if (this.#handshake !== undefined) {
				this.#handshake = Buffer.concat([this.#handshake, bytes]);
				// S0, S1 and S2 (§5.2); S1 goes back as C2.
				if (this.#handshake.length < 1 + 2 * HANDSHAKE_BYTES) {
					return;
				}
				this.#socket.write(this.#handshake.subarray(1, 1 + HANDSHAKE_BYTES));
				bytes = this.#handshake.subarray(1 + 2 * HANDSHAKE_BYTES);
				this.#handshake = undefined;
				this.#settle([]);
			}
			for (const message of this.#reader.push(bytes)) {
				if (message.type === TYPE.command) {
					this.#settle(parseAmf0(message.body));
				}
			}
		} catch (error) {
			this.#end(new RtmpError(`The server broke RTMP: ${(error as Error).message}`));
		}
	}

	#settle(values: AmfValue[]): void {
		if (this.#waiting?.accepts(values)) {
			const { resolve } = this.#waiting;
			this.#waiting = undefined;
			resolve(values);
		} else if (values[0] === 'onStatus' && (values[3] as Record<string, AmfValue> | null)?.['level'] === 'error') {
			const detail = values[3] as Record<string, AmfValue>;
			this.#end(new RtmpError(`The server ended publishing: ${String(detail['description'] ?? detail['code'])}`));
		}
	}

	#end(error: RtmpError): void {
		if (this.#lost === undefined) {
			this.#lost = error;
			this.#socket.destroy();
			this.#failLoss(error);
			this.onLost?.(error);
		}
	}
}
