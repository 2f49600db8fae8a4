/**
 * A publishing connection of Adobe's RTMP 1.0. It keeps the stream key off the process list: FFmpeg encodes to a pipe,
 * and its FLV tags are sent here.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { systemClock, withDeadline } from '../../../core/lifecycle/clock.ts';
import { amf0Object, type Amf0Object, type Amf0Value, encodeAmf0 } from '../../../core/wire/amf0.ts';
import type { FlvTag } from '../../../core/wire/flv.ts';
import { ChunkReader } from '../../../core/wire/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../../core/wire/rtmp/chunk-writer.ts';
import { HANDSHAKE_PACKET_BYTES, HANDSHAKE_RANDOM_BYTES } from '../../../core/wire/rtmp/handshake.ts';
import { commandMessage, parseCommand, type RtmpCommand } from '../../../core/wire/rtmp/rtmp-commands.ts';
import { MESSAGE_TYPE, type RtmpMessage, setChunkSizeMessage } from '../../../core/wire/rtmp/rtmp-messages.ts';

/** One chunk for nearly every picture, for fewer headers; no other data waits behind it. */
const OUT_CHUNK_BYTES = 65_536;
const AUDIO_CHUNK_STREAM = 4;
const VIDEO_CHUNK_STREAM = 6;
const CONNECT_DEADLINE_MS = 5000;
/** Unsent bytes above which the server counts as stuck: some seconds of 720p. */
const MAX_UNSENT_BYTES = 4_000_000;

/** A refusal or loss. `isRefusal`: another attempt with the same key is useless. */
export class RtmpError extends Error {
	override readonly name = 'RtmpError';
	readonly isRefusal: boolean;

	constructor(message: string, isRefusal = false) {
		super(message);
		this.isRefusal = isRefusal;
	}
}

export class RtmpConnection {
	readonly #socket: Socket;
	readonly #reader = new ChunkReader((message) => this.#onMessage(message));
	readonly #writer = new ChunkWriter();
	#handshake: Buffer | undefined = Buffer.alloc(0);
	#onShaken: () => void = () => undefined;
	#waiting: { accepts: (command: RtmpCommand) => boolean; resolve: (command: RtmpCommand) => void } | undefined;
	#streamId = 0;
	#lost: RtmpError | undefined;
	readonly #loss: Promise<never>;
	#failLoss!: (error: RtmpError) => void;
	/** Called once when the connection ends and we have not closed it. */
	onLost: ((error: RtmpError) => void) | undefined;

	private constructor(socket: Socket) {
		this.#socket = socket.setNoDelay(true);
		this.#loss = new Promise((_resolve, reject) => (this.#failLoss = reject));
		// There may be no waiter when it rejects.
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

	/** Sends one FLV tag. Closes the connection when too much is unsent. */
	send(tag: FlvTag): void {
		if (this.#lost !== undefined) {
			return;
		}
		if (this.#socket.writableLength > MAX_UNSENT_BYTES) {
			this.#end(new RtmpError('The RTMP server takes media more slowly than it is made.'));
			return;
		}
		// FFmpeg writes plain onMetaData into the file; over RTMP it is a call of @setDataFrame.
		const { typeId, timestampMs } = tag;
		const isScript = typeId === MESSAGE_TYPE.DATA_AMF0;
		const payload = isScript ? Buffer.concat([encodeAmf0(['@setDataFrame']), tag.body]) : tag.body;
		const chunkStreamId = typeId === MESSAGE_TYPE.VIDEO ? VIDEO_CHUNK_STREAM : AUDIO_CHUNK_STREAM;
		this.#write({ typeId, timestampMs, messageStreamId: this.#streamId, payload }, chunkStreamId);
	}

	/** Ends the stream and closes. Idempotent. */
	close(): void {
		if (this.#lost === undefined) {
			this.#lost = new RtmpError('closed');
			if (this.#streamId !== 0) {
				this.#write(commandMessage(0, ['deleteStream', 0, null, this.#streamId]));
			}
			this.#socket.end();
			// The server may never close its half.
			systemClock.setTimeout(() => this.#socket.destroy(), 1000);
		}
	}

	/** Closes without ending the stream, as a crash does: the server waits for the publisher's return. Idempotent. */
	abort(): void {
		this.#lost ??= new RtmpError('broken off');
		this.#socket.destroy();
	}

	async #begin(app: string, tcUrl: string, streamKey: string): Promise<void> {
		const shaken = new Promise<void>((resolve) => (this.#onShaken = resolve));
		this.#socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(8), randomBytes(HANDSHAKE_RANDOM_BYTES)]));
		await shaken;
		this.#write(setChunkSizeMessage(OUT_CHUNK_BYTES));
		const flashVer = 'FMLE/3.0 (compatible; Spillway)';
		await this.#call(['connect', 1, amf0Object({ app, type: 'nonprivate', flashVer, tcUrl })]);
		const created = await this.#call(['createStream', 2, null]);
		this.#streamId = Number(created.parameters[1]);
		const status = this.#wait(({ name }) => name === 'onStatus');
		this.#write(commandMessage(this.#streamId, ['publish', 3, null, streamKey, 'live']));
		const detail = detailOf(await status);
		if (detail?.get('code') !== 'NetStream.Publish.Start') {
			throw new RtmpError(`The server refused to publish: ${textOf(detail)}`, true);
		}
	}

	async #call(values: readonly Amf0Value[]): Promise<RtmpCommand> {
		const [name, transactionId] = values;
		const answer = this.#wait((command) => {
			return (command.name === '_result' || command.name === '_error') && command.transactionId === transactionId;
		});
		this.#write(commandMessage(0, values));
		const answered = await answer;
		if (answered.name === '_error') {
			throw new RtmpError(`The server refused "${String(name)}": ${textOf(detailOf(answered))}`, true);
		}
		return answered;
	}

	#wait(accepts: (command: RtmpCommand) => boolean): Promise<RtmpCommand> {
		const answer = new Promise<RtmpCommand>((resolve) => (this.#waiting = { accepts, resolve }));
		return Promise.race([answer, this.#loss]);
	}

	#write(message: RtmpMessage, chunkStreamId?: number): void {
		this.#socket.write(this.#writer.write(message, chunkStreamId));
	}

	#receive(bytes: Buffer): void {
		try {
			if (this.#handshake !== undefined) {
				this.#handshake = Buffer.concat([this.#handshake, bytes]);
				// S0, S1 and S2 (§5.2); S1 is sent back as C2.
				if (this.#handshake.length < 1 + 2 * HANDSHAKE_PACKET_BYTES) {
					return;
				}
				this.#socket.write(this.#handshake.subarray(1, 1 + HANDSHAKE_PACKET_BYTES));
				bytes = this.#handshake.subarray(1 + 2 * HANDSHAKE_PACKET_BYTES);
				this.#handshake = undefined;
				this.#onShaken();
			}
			this.#reader.push(bytes);
		} catch (error) {
			this.#end(new RtmpError(`The server broke RTMP: ${(error as Error).message}`));
		}
	}

	#onMessage(message: RtmpMessage): void {
		if (message.typeId !== MESSAGE_TYPE.COMMAND_AMF0) {
			return;
		}
		const command = parseCommand(message);
		const detail = detailOf(command);
		if (this.#waiting?.accepts(command)) {
			const { resolve } = this.#waiting;
			this.#waiting = undefined;
			resolve(command);
		} else if (command.name === 'onStatus' && detail?.get('level') === 'error') {
			this.#end(new RtmpError(`The server ended publishing: ${textOf(detail)}`));
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

// The information object of `_error` and `onStatus`.
function detailOf(command: RtmpCommand): Amf0Object | undefined {
	const detail = command.parameters[1];
	return detail instanceof Map ? detail : undefined;
}

function textOf(detail: Amf0Object | undefined): string {
	const text = detail?.get('description') ?? detail?.get('code');
	return typeof text === 'string' ? text : 'no reason given';
}
