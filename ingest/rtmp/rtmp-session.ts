/**
 * One RTMP connection from its first byte to its last: handshake, commands, the key check, then media into the publisher. Gets
 * bytes and gives bytes; whoever owns the socket moves them.
 */
import type { Clock } from '../../core/clock.ts';
import { CloseScope } from '../../core/close-scope.ts';
import { errorMessage, SpillwayError } from '../../core/errors.ts';
import { createId, type PublisherId, type StreamKey } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { StateMachine } from '../../core/state-machine.ts';
import { ChunkReader } from './chunk-reader.ts';
import { Handshake } from './handshake.ts';
import { findStreamKey } from './publish-address.ts';
import {
	commandError,
	commandResult,
	connectResult,
	parseCommand,
	parseMetadata,
	readConnectFacts,
	type ConnectFacts,
	type RtmpCommand,
	type StatusCode,
} from './rtmp-commands.ts';
import { ACKNOWLEDGEMENT_WINDOW_BYTES, RtmpOutbound, type RtmpConnection } from './rtmp-connection.ts';
import * as messages from './rtmp-messages.ts';
import { MESSAGE_TYPE, type RtmpMessage } from './rtmp-messages.ts';
import { RtmpPublisher } from './rtmp-publisher.ts';
import { ReceiveDeadlines, type RtmpSessionTimeouts } from './receive-deadlines.ts';
import {
	RTMP_SESSION_TRANSITIONS,
	type RtmpPublisherEndReason,
	type RtmpSessionEndReason,
	type RtmpSessionEvent,
	type RtmpSessionState,
} from './rtmp-session-state.ts';

/** Bounds of one session. Defaults are in rtmp-server.ts. */
export type RtmpSessionLimits = RtmpSessionTimeouts & {
	/** Largest RTMP message of a publisher. */
	maxMessageBytes: number;
	/** Sum of all his incomplete messages. */
	maxBufferedBytes: number;
	/** Both, and the sum of what comes while the key is being checked, for those who have not shown a key that is good. */
	maxStrangerBytes: number;
	/** A connection that leaves more than this unread is closed. All that we send are short answers. */
	maxPendingWriteBytes: number;
	/** How long a refused key waits for its answer, so that guessing is slow. */
	refusalDelayMs: number;
};

/** What a session is given. */
export type RtmpSessionOptions<Authorization> = {
	connection: RtmpConnection;
	limits: RtmpSessionLimits;
	clock: Clock;
	logger: Logger;
	/** Checks the key; throws SpillwayError. */
	authorize: (streamKey: StreamKey, remoteAddress: string) => Promise<Authorization>;
	/** A publisher was accepted; media follows after this returns. */
	onPublisher: (publisher: RtmpPublisher, authorization: Authorization) => void;
};

/** Our chunks and, since FFmpeg copies the size, its too: a whole picture in few writes. */
const OUTBOUND_CHUNK_SIZE_BYTES = 65_536;
/** What a queued message costs beyond its payload, so that empty ones are not free. */
const QUEUED_MESSAGE_OVERHEAD_BYTES = 128;
/** Encoders use fewer than ten. */
const MAX_CHUNK_STREAM_COUNT = 64;
/** Encoders create one. */
const MAX_STREAM_COUNT = 16;

/** One connection. Never throws for what the other end sends. */
export class RtmpSession<Authorization> {
	readonly #connection: RtmpConnection;
	readonly #limits: RtmpSessionLimits;
	readonly #clock: Clock;
	readonly #logger: Logger;
	readonly #options: RtmpSessionOptions<Authorization>;
	readonly #scope: CloseScope<RtmpSessionEndReason>;
	readonly #state: StateMachine<RtmpSessionState, RtmpSessionEvent>;
	readonly #deadlines: ReceiveDeadlines;
	readonly #outbound: RtmpOutbound;
	readonly #reader: ChunkReader;
	#handshake: Handshake | undefined = new Handshake();
	#bytesReceived = 0;
	#connectFacts: ConnectFacts | undefined;
	#streamCount = 0;
	/** What came while the key was being checked; taken up afterwards. */
	#queue: RtmpMessage[] = [];
	#queuedBytes = 0;
	#publisher: RtmpPublisher | undefined;

	constructor(options: RtmpSessionOptions<Authorization>) {
		this.#options = options;
		this.#connection = options.connection;
		this.#limits = options.limits;
		this.#clock = options.clock;
		this.#logger = options.logger;
		this.#scope = new CloseScope(options.logger);
		this.#state = new StateMachine({
			table: RTMP_SESSION_TRANSITIONS,
			initial: 'handshaking',
			logger: debugOnly(options.logger),
		});
		this.#outbound = new RtmpOutbound(options.connection, options.limits.maxPendingWriteBytes, () =>
			this.#close('timed-out', 'it does not read our answers'),
		);
		this.#reader = new ChunkReader((message) => this.#receiveMessage(message), {
			maxMessageBytes: options.limits.maxMessageBytes,
			maxBufferedBytes: options.limits.maxStrangerBytes,
			maxChunkStreamCount: MAX_CHUNK_STREAM_COUNT,
		});
		this.#deadlines = new ReceiveDeadlines(options.clock, options.limits, (what) => this.#close('timed-out', what));
		this.#scope.onClose(() => this.#connection.end());
	}

	/** Where it stands. */
	get state(): RtmpSessionState {
		return this.#state.state;
	}

	/** Why it ended; undefined while it runs. */
	get endReason(): RtmpSessionEndReason | undefined {
		return this.#scope.reason;
	}

	/** Memory held for incomplete and queued messages. */
	get bufferedBytes(): number {
		return this.#reader.bufferedBytes + this.#queuedBytes;
	}

	/** Takes what arrived, in pieces of any size. Does nothing once closed. */
	receive(bytes: Uint8Array): void {
		if (this.#scope.closed) {
			return;
		}
		this.#bytesReceived += bytes.length;
		this.#deadlines.received();
		try {
			this.#receiveBytes(bytes);
			if (this.#handshake === undefined && !this.#scope.closed) {
				this.#outbound.acknowledge(this.#bytesReceived);
			}
		} catch (error) {
			this.#closeBecauseOf(error);
		}
	}

	/** The other end closed the connection, or it broke. */
	connectionEnded(): void {
		const isCleanStop = this.#publisher?.isSequenceEnded === true;
		this.#close(isCleanStop ? 'unpublished' : 'connection-lost', 'the connection ended');
	}

	/** Ends it. Resolves when the connection is gone. Idempotent. */
	close(reason: RtmpSessionEndReason): Promise<void> {
		this.#close(reason, undefined);
		return this.#scope.close(reason);
	}

	#receiveBytes(bytes: Uint8Array): void {
		if (this.#handshake === undefined) {
			this.#reader.push(bytes);
			return;
		}
		const { reply, isComplete, rest } = this.#handshake.push(bytes);
		this.#outbound.sendBytes(reply);
		if (isComplete) {
			this.#handshake = undefined;
			this.#state.handle('handshake-completed');
			this.#deadlines.handshakeCompleted();
			this.#reader.push(rest);
		}
	}

	#receiveMessage(message: RtmpMessage): void {
		if (this.#scope.closed) {
			return;
		}
		if (this.#state.state === 'authorizing' && message.typeId > MESSAGE_TYPE.SET_PEER_BANDWIDTH) {
			this.#enqueue(message);
			return;
		}
		switch (message.typeId) {
			case MESSAGE_TYPE.VIDEO:
				this.#publisher?.receiveMedia('video', message);
				break;
			case MESSAGE_TYPE.AUDIO:
				this.#publisher?.receiveMedia('audio', message);
				break;
			case MESSAGE_TYPE.COMMAND_AMF0:
			case MESSAGE_TYPE.COMMAND_AMF3:
				this.#receiveCommand(parseCommand(message), message.messageStreamId);
				break;
			case MESSAGE_TYPE.DATA_AMF0:
			case MESSAGE_TYPE.DATA_AMF3:
				this.#receiveData(message);
				break;
			case MESSAGE_TYPE.AGGREGATE:
				for (const part of messages.splitAggregate(message)) {
					// Not deeper: an aggregate in an aggregate is nothing that an encoder makes.
					if (part.typeId === MESSAGE_TYPE.VIDEO || part.typeId === MESSAGE_TYPE.AUDIO) {
						this.#receiveMessage(part);
					}
				}
				break;
			case MESSAGE_TYPE.WINDOW_ACKNOWLEDGEMENT_SIZE:
				this.#outbound.acknowledgementWindowBytes = Math.max(
					1,
					messages.readUint32(message.payload, 0, 'a window size'),
				);
				break;
			case MESSAGE_TYPE.USER_CONTROL:
				this.#receiveUserControl(message.payload);
				break;
			default:
			// Acknowledgements, shared objects and unknown types ask nothing of us.
		}
	}

	#enqueue(message: RtmpMessage): void {
		this.#queuedBytes += message.payload.length + QUEUED_MESSAGE_OVERHEAD_BYTES;
		if (this.#queuedBytes > 2 * this.#limits.maxStrangerBytes) {
			throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['too much was sent before the key was checked']);
		}
		this.#queue.push(message);
	}

	#receiveUserControl(payload: Uint8Array): void {
		if (payload[0] === 0 && payload[1] === messages.USER_CONTROL_EVENT.PING_REQUEST) {
			this.#send(messages.pingResponseMessage(messages.readUint32(payload, 2, 'a ping')));
		}
	}

	#receiveData(message: RtmpMessage): void {
		if (this.#publisher === undefined) {
			return;
		}
		try {
			const metadata = parseMetadata(message);
			if (metadata !== undefined) {
				this.#publisher.receiveMetadata(metadata);
			}
		} catch (error) {
			if (!(error instanceof SpillwayError)) {
				throw error;
			}
			// Metadata is advice; a stream whose pictures are fine is not ended for it. Commands are not forgiven so.
			this.#publisher.ignoreMessage(error.message);
		}
	}

	#receiveCommand(command: RtmpCommand, messageStreamId: number): void {
		switch (command.name) {
			case 'connect':
				this.#connect(command);
				break;
			case 'createStream':
				if (++this.#streamCount > MAX_STREAM_COUNT) {
					throw new SpillwayError('RTMP_PROTOCOL_ERROR', [`more than ${MAX_STREAM_COUNT} streams`]);
				}
				this.#answer(command, this.#streamCount);
				break;
			case 'publish':
				this.#publish(command, messageStreamId);
				break;
			case 'FCUnpublish':
			case 'deleteStream':
			case 'closeStream':
				this.#answer(command, undefined);
				this.#unpublish();
				break;
			case 'releaseStream':
			case 'FCPublish':
			case '_checkbw':
			case 'getStreamLength':
				// Some encoders wait for these answers before they go on.
				this.#answer(command, undefined);
				break;
			case 'play':
			case 'play2':
				if (this.#publisher !== undefined) {
					throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['play on a publishing connection']);
				}
				this.#refuse(
					'NetStream.Play.Failed',
					'This address only takes streams; nothing plays from it.',
					'it asked to play',
				);
				break;
			case '_result':
			case '_error':
			case 'onStatus':
				break;
			default:
				if (command.transactionId !== 0) {
					this.#send(commandError(command.transactionId));
				}
		}
	}

	#answer(command: RtmpCommand, value: number | undefined): void {
		if (command.transactionId !== 0) {
			this.#send(commandResult(command.transactionId, value));
		}
	}

	#connect(command: RtmpCommand): void {
		if (this.#state.state !== 'connecting') {
			throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['a second connect']);
		}
		this.#connectFacts = readConnectFacts(command);
		this.#send(messages.windowAcknowledgementSizeMessage(ACKNOWLEDGEMENT_WINDOW_BYTES));
		this.#send(messages.setPeerBandwidthMessage(ACKNOWLEDGEMENT_WINDOW_BYTES));
		this.#send(messages.setChunkSizeMessage(OUTBOUND_CHUNK_SIZE_BYTES));
		this.#send(connectResult(command.transactionId, this.#connectFacts));
		this.#state.handle('connect-accepted');
	}

	#publish(command: RtmpCommand, messageStreamId: number): void {
		if (this.#state.state !== 'connected' || this.#connectFacts === undefined) {
			throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['publish before connect, or a second one']);
		}
		this.#outbound.statusStreamId = messageStreamId;
		const name = command.parameters[1];
		const streamKey = findStreamKey(this.#connectFacts.app, typeof name === 'string' ? name : '');
		this.#connectFacts.app = '';
		this.#state.handle('publish-requested');
		// One more piece may be on its way from the socket; buffers grow by doubling.
		const { maxMessageBytes, maxStrangerBytes } = this.#limits;
		this.#reader.setLimits({
			maxMessageBytes,
			maxBufferedBytes: 4 * maxStrangerBytes,
			maxChunkStreamCount: MAX_CHUNK_STREAM_COUNT,
		});
		if (streamKey === undefined) {
			this.#refuseKey(new SpillwayError('STREAM_KEY_REFUSED'));
			return;
		}
		// Called in a promise so that an authorizer that throws at once is treated like one that rejects.
		new Promise<Authorization>((resolve) =>
			resolve(this.#options.authorize(streamKey, this.#connection.remoteAddress)),
		).then(
			(authorization) => this.#accept(authorization),
			(error: unknown) => this.#refuseKey(error),
		);
	}

	#accept(authorization: Authorization): void {
		// The time may have run out meanwhile, or the encoder be gone.
		if (this.#scope.closed) {
			return;
		}
		this.#state.handle('publish-accepted');
		this.#deadlines.publishAccepted();
		const { maxMessageBytes, maxBufferedBytes } = this.#limits;
		this.#reader.setLimits({ maxMessageBytes, maxBufferedBytes, maxChunkStreamCount: MAX_CHUNK_STREAM_COUNT });
		const publisher = this.#createPublisher();
		try {
			this.#options.onPublisher(publisher, authorization);
			// A listener may have closed it.
			if (!this.#scope.closed) {
				this.#send(messages.streamBeginMessage(this.#outbound.statusStreamId));
				this.#sendStatus('NetStream.Publish.Start', 'Publishing started.');
			}
			const queue = this.#queue;
			this.#queue = [];
			this.#queuedBytes = 0;
			for (const message of queue) {
				this.#receiveMessage(message);
			}
		} catch (error) {
			this.#closeBecauseOf(error);
		}
	}

	#createPublisher(): RtmpPublisher {
		const id = createId<PublisherId>(this.#clock.nowMs());
		const logger = this.#logger.child({ publisherId: id });
		const publisher = new RtmpPublisher({
			id,
			remoteAddress: this.#connection.remoteAddress,
			flashVersion: this.#connectFacts?.flashVersion ?? '',
			clock: this.#clock,
			logger,
			requestClose: (reason) => this.close(reason),
			readBytesReceived: () => this.#bytesReceived,
		});
		this.#publisher = publisher;
		logger.info(
			{ remoteAddress: publisher.remoteAddress, encoderName: publisher.encoderName },
			'RTMP publisher accepted',
		);
		return publisher;
	}

	#refuseKey(error: unknown): void {
		if (this.#scope.closed) {
			return;
		}
		if (!(error instanceof SpillwayError)) {
			this.#logger.error({ err: error }, 'checking a stream key failed');
			this.#refuse('NetStream.Publish.Rejected', 'The server could not check the stream key.', 'the key check failed');
			return;
		}
		// librtmp (OBS) knows Denied and Rejected, and stops without trying again; BadName it does not know.
		const isKeyWrong = error.code === 'STREAM_KEY_REFUSED' || error.code === 'TOO_MANY_ATTEMPTS';
		const code = isKeyWrong ? 'NetStream.Publish.Denied' : 'NetStream.Publish.Rejected';
		const delayMs = error.code === 'STREAM_KEY_REFUSED' ? this.#limits.refusalDelayMs : 0;
		const cancel = this.#clock.setTimeout(() => this.#refuse(code, error.message, error.code), delayMs);
		this.#scope.onClose(cancel);
	}

	#refuse(code: StatusCode, description: string, why: string): void {
		this.#sendStatus(code, description);
		this.#close('refused', why);
	}

	#unpublish(): void {
		if (this.#state.state === 'connected') {
			this.#close('unpublished', 'it left without publishing');
		} else if (this.#state.state === 'publishing') {
			this.#sendStatus('NetStream.Unpublish.Success', 'Publishing stopped.');
			this.#close('unpublished', undefined);
		}
	}

	#sendStatus(code: StatusCode, description: string): void {
		if (!this.#scope.closed) {
			this.#outbound.sendStatus(code, description);
		}
	}

	#send(message: RtmpMessage): void {
		if (!this.#scope.closed) {
			this.#outbound.send(message);
		}
	}

	#closeBecauseOf(error: unknown): void {
		if (error instanceof SpillwayError) {
			this.#close('protocol-error', error.message);
		} else {
			this.#logger.error({ err: error }, 'an RTMP session failed');
			this.#close('internal-error', errorMessage(error));
		}
	}

	#close(reason: RtmpSessionEndReason, why: string | undefined): void {
		if (this.#scope.closed) {
			return;
		}
		this.#tellEnd(reason);
		// Telling may have shown that it does not read, which closes it as well.
		if (this.#scope.closed) {
			return;
		}
		const { state } = this.#state;
		this.#state.handle(reason);
		this.#deadlines.cancel();
		this.#queue = [];
		this.#queuedBytes = 0;
		void this.#scope.close(reason);
		if (this.#publisher === undefined) {
			this.#logger.info(
				{ remoteAddress: this.#connection.remoteAddress, reason, state, why },
				'RTMP connection ended before it published',
			);
			return;
		}
		const { statistics } = this.#publisher;
		this.#logger.info({ publisherId: this.#publisher.id, reason, why, ...statistics }, 'RTMP publisher closed');
		this.#publisher.end(reason === 'refused' || reason === 'internal-error' ? 'connection-lost' : reason);
	}

	/** Ends that the encoder's user should learn of. Not those after which the encoder is to come back. */
	#tellEnd(reason: RtmpSessionEndReason): void {
		const description = TOLD_ENDS[reason as RtmpPublisherEndReason];
		if (description !== undefined && this.#state.state === 'publishing') {
			this.#sendStatus('NetStream.Publish.Denied', description);
		}
	}
}

const TOLD_ENDS: Readonly<Partial<Record<RtmpPublisherEndReason, string>>> = {
	replaced: 'Another encoder with the same stream key took over.',
	'key-revoked': 'The stream key is no longer valid.',
	'bitrate-too-high': 'The bit rate is higher than this server takes. Lower it in the encoder.',
};

/** One line tells of each connection; its steps on the way are for debugging. */
function debugOnly(logger: Logger): Logger {
	return {
		debug: (fields, message) => logger.debug(fields, message),
		info: (fields, message) => logger.debug(fields, message),
		warn: (fields, message) => logger.warn(fields, message),
		error: (fields, message) => logger.error(fields, message),
		child: (fields) => debugOnly(logger.child(fields)),
	};
}
