/**
 * One RTMP connection from its first byte to its last: handshake, commands, the key check, then media into the
 * publisher. Bytes in, bytes out; the owner of the socket moves them. Long because it answers each command of the
 * protocol.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { errorMessage, SpillwayError } from '../../core/errors/errors.ts';
import { createId, type PublisherId, type StreamKey } from '../../core/ids.ts';
import { debugOnly, type Logger } from '../../core/logger.ts';
import { StateMachine } from '../../core/lifecycle/state-machine.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { ChunkReader, type ChunkReaderLimits } from '../../core/wire/rtmp/chunk-reader.ts';
import { Handshake } from '../../core/wire/rtmp/handshake.ts';
import { findStreamKeys } from './publish-address.ts';
import {
	endAnswer,
	KEY_CHECK_FAILED_ANSWER,
	NO_KEY_ANSWER,
	NO_PLAYBACK_ANSWER,
	refusalAnswer,
	type RtmpAnswer,
} from './rtmp-answers.ts';
import {
	commandError,
	commandResult,
	connectResult,
	namesOtherStream,
	parseCommand,
	parseMetadata,
	readConnectFacts,
	type ConnectFacts,
	type RtmpCommand,
} from '../../core/wire/rtmp/rtmp-commands.ts';
import { ACKNOWLEDGEMENT_WINDOW_BYTES, RtmpOutbound, type RtmpConnection } from './rtmp-connection.ts';
import * as messages from '../../core/wire/rtmp/rtmp-messages.ts';
import { MESSAGE_TYPE, type RtmpMessage } from '../../core/wire/rtmp/rtmp-messages.ts';
import { RtmpPublisher } from './rtmp-publisher.ts';
import {
	MAX_CHUNK_STREAM_COUNT,
	MAX_STREAM_COUNT,
	OUTBOUND_CHUNK_SIZE_BYTES,
	ReceiveDeadlines,
	UNUSABLE_AFTER_MS,
	WaitingMessages,
	type RtmpSessionLimits,
} from './rtmp-session-limits.ts';
import {
	RTMP_SESSION_TRANSITIONS,
	type RtmpSessionEndReason,
	type RtmpSessionEvent,
	type RtmpSessionState,
} from './rtmp-session-state.ts';

type RtmpSessionDependencies<Authorization> = {
	clock: Clock;
	logger: Logger;
	connection: RtmpConnection;
	/** Checks the keys that the address may hold, as one attempt; throws SpillwayError. */
	authorize(streamKeys: readonly StreamKey[], remoteAddress: string): Promise<Authorization>;
	/** A publisher was accepted; media follows after this returns. */
	onPublisher(publisher: RtmpPublisher, authorization: Authorization): void;
};

/** Never throws for input. */
export class RtmpSession<Authorization> {
	readonly #deps: RtmpSessionDependencies<Authorization>;
	readonly #limits: RtmpSessionLimits;
	readonly #scope: CloseScope<RtmpSessionEndReason>;
	readonly #state: StateMachine<RtmpSessionState, RtmpSessionEvent>;
	readonly #deadlines: ReceiveDeadlines;
	readonly #outbound: RtmpOutbound;
	readonly #reader: ChunkReader;
	#handshake: Handshake | undefined = new Handshake();
	#bytesReceived = 0;
	#connectFacts: ConnectFacts | undefined;
	#streamCount = 0;
	readonly #waiting: WaitingMessages;
	#publisher: RtmpPublisher | undefined;
	#hasPublished = false;
	readonly #usableCheck: Timer;

	constructor(deps: RtmpSessionDependencies<Authorization>, limits: RtmpSessionLimits) {
		this.#deps = deps;
		this.#limits = limits;
		this.#scope = new CloseScope(deps.logger);
		this.#waiting = new WaitingMessages(2 * limits.maxUnauthenticatedBytes);
		this.#state = new StateMachine({
			table: RTMP_SESSION_TRANSITIONS,
			initial: 'handshaking',
			// Above debug there is one line for each connection.
			logger: debugOnly(deps.logger),
		});
		const { connection, clock } = deps;
		const onNotReading = (): void => this.#close('timed-out', 'it does not read our answers');
		this.#outbound = new RtmpOutbound({ connection, onNotReading }, limits);
		this.#reader = new ChunkReader(
			(message) => this.#receiveMessage(message),
			this.#readerLimits(limits.maxUnauthenticatedBytes),
		);
		const onExpired = (what: string): void => this.#close('timed-out', what);
		this.#deadlines = new ReceiveDeadlines({ clock, onExpired }, limits);
		this.#usableCheck = new Timer(clock, () => this.#checkUsable());
		this.#scope.onClose(() => connection.end());
	}

	get state(): RtmpSessionState {
		return this.#state.state;
	}

	/** Why it ended; undefined while it runs. */
	get endReason(): RtmpSessionEndReason | undefined {
		return this.#scope.reason;
	}

	/** Memory held for incomplete and queued messages. */
	get bufferedBytes(): number {
		return this.#reader.bufferedBytes + this.#waiting.bytes;
	}

	/** Reads received bytes, in pieces of any size. Does nothing once closed. */
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

	#readerLimits(maxBufferedBytes: number): ChunkReaderLimits {
		const { maxMessageBytes } = this.#limits;
		return { maxMessageBytes, maxBufferedBytes, maxChunkStreamCount: MAX_CHUNK_STREAM_COUNT };
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
			this.#deadlines.publishAwaited();
			this.#reader.push(rest);
		}
	}

	#receiveMessage(message: RtmpMessage): void {
		if (this.#scope.closed) {
			return;
		}
		if (this.#state.state === 'authorizing' && message.typeId > MESSAGE_TYPE.SET_PEER_BANDWIDTH) {
			this.#waiting.add(message);
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
				this.#receiveCommand(message);
				break;
			case MESSAGE_TYPE.DATA_AMF0:
			case MESSAGE_TYPE.DATA_AMF3:
				this.#receiveData(message);
				break;
			case MESSAGE_TYPE.AGGREGATE:
				this.#receiveAggregate(message);
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
			// Acknowledgements, shared objects and unknown types need no answer.
		}
	}

	#receiveUserControl(payload: Uint8Array): void {
		if (payload[0] === 0 && payload[1] === messages.USER_CONTROL_EVENT.PING_REQUEST) {
			this.#send(messages.pingResponseMessage(messages.readUint32(payload, 2, 'a ping')));
		}
	}

	#receiveAggregate(message: RtmpMessage): void {
		const { parts, problem } = messages.splitAggregate(message);
		if (problem !== undefined) {
			this.#publisher?.ignoreMessage('video-damaged', problem);
		}
		for (const part of parts) {
			this.#receiveMessage(part);
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
			// Metadata is optional, so an unreadable one does not end the stream; an unreadable command does.
			this.#publisher.ignoreMessage('metadata-unreadable', error.message);
		}
	}

	#receiveCommand(message: RtmpMessage): void {
		const command = parseCommand(message);
		switch (command.name) {
			case '@setDataFrame':
			case 'onMetaData':
				// Some encoders send their metadata as if it were a command.
				this.#receiveData(message);
				break;
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
				this.#publish(command, message.messageStreamId);
				break;
			case 'FCUnpublish':
			case 'deleteStream':
			case 'closeStream':
				this.#answer(command, undefined);
				this.#unpublish(command);
				break;
			case 'releaseStream':
			case 'FCPublish':
			case '_checkbw':
			case 'getStreamLength':
				// Some encoders wait for these answers before they continue.
				this.#answer(command, undefined);
				break;
			case 'play':
			case 'play2':
				if (this.#publisher !== undefined) {
					throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['play on a publishing connection']);
				}
				this.#refuse(NO_PLAYBACK_ANSWER, 'it asked to play');
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
		const { app, tcUrl } = this.#connectFacts;
		const name = command.parameters[1];
		const streamKeys = findStreamKeys({ app, tcUrl, streamName: typeof name === 'string' ? name : '' });
		this.#state.handle('publish-requested');
		// One more piece may be on its way from the socket; buffers grow by doubling.
		this.#reader.setLimits(this.#readerLimits(4 * this.#limits.maxUnauthenticatedBytes));
		if (streamKeys.length === 0) {
			this.#refuseLater(NO_KEY_ANSWER, 'no stream key in its address');
			return;
		}
		// Called in a promise so that an authorizer that throws at once is treated like one that rejects.
		new Promise<Authorization>((resolve) =>
			resolve(this.#deps.authorize(streamKeys, this.#deps.connection.remoteAddress)),
		).then(
			(authorization) => this.#accept(authorization),
			(error: unknown) => this.#refuseKey(error),
		);
	}

	#accept(authorization: Authorization): void {
		// The time may be over meanwhile, or the encoder gone.
		if (this.#scope.closed) {
			return;
		}
		this.#state.handle('publish-accepted');
		this.#deadlines.publishAccepted();
		this.#reader.setLimits(this.#readerLimits(this.#limits.maxBufferedBytes));
		const publisher = this.#createPublisher();
		this.#usableCheck.arm(UNUSABLE_AFTER_MS);
		try {
			this.#deps.onPublisher(publisher, authorization);
			// A listener may have closed it.
			if (!this.#scope.closed) {
				this.#send(messages.streamBeginMessage(this.#outbound.statusStreamId));
				this.#sendStatus({ code: 'NetStream.Publish.Start', description: 'Publishing started.' });
			}
			for (const message of this.#waiting.drain()) {
				this.#receiveMessage(message);
			}
		} catch (error) {
			this.#closeBecauseOf(error);
		}
	}

	#createPublisher(): RtmpPublisher {
		const { clock, connection } = this.#deps;
		const id = createId<PublisherId>(clock.nowMs());
		const logger = this.#deps.logger.child({ publisherId: id });
		const publisher = new RtmpPublisher(
			{
				clock,
				logger,
				// After it unpublishes a publisher has ended, while its connection may publish again.
				requestClose: (reason) => (this.#publisher?.id === id ? this.close(reason) : Promise.resolve()),
				readBytesReceived: () => this.#bytesReceived,
			},
			{ id, remoteAddress: connection.remoteAddress, flashVersion: this.#connectFacts?.flashVersion ?? '' },
		);
		this.#publisher = publisher;
		this.#hasPublished = true;
		const { remoteAddress, encoderName } = publisher;
		logger.info({ remoteAddress, encoderName }, 'RTMP publisher accepted');
		return publisher;
	}

	#refuseKey(error: unknown): void {
		if (this.#scope.closed) {
			return;
		}
		if (!(error instanceof SpillwayError)) {
			this.#deps.logger.error({ err: error }, 'checking a stream key failed');
			this.#refuse(KEY_CHECK_FAILED_ANSWER, 'the key check failed');
			return;
		}
		if (error.code === 'STREAM_KEY_REFUSED') {
			this.#refuseLater(refusalAnswer(error), error.code);
		} else {
			this.#refuse(refusalAnswer(error), error.code);
		}
	}

	// Delayed, so that guessing keys is slow.
	#refuseLater(answer: RtmpAnswer, why: string): void {
		this.#scope.after(this.#deps.clock, this.#limits.refusalDelayMs, () => this.#refuse(answer, why));
	}

	#refuse(answer: RtmpAnswer, why: string): void {
		this.#sendStatus(answer);
		this.#close('refused', why);
	}

	// Nothing is usable, nor will be: the encoder gets the reason now, and its user does not wait for a dead stream.
	#checkUsable(): void {
		const { hasUsableMedia, problems } = this.#publisher!;
		if (!hasUsableMedia && problems.length > 0) {
			this.#close('media-unusable', problems.map(({ code }) => code).join(', '));
		}
	}

	// The encoder may publish again on the same connection. Many unpublish first, for the remains of an earlier
	// connection.
	#unpublish(command: RtmpCommand): void {
		const publisher = this.#publisher;
		if (
			this.#state.state !== 'publishing' ||
			publisher === undefined ||
			namesOtherStream(command, this.#outbound.statusStreamId, this.#streamCount)
		) {
			return;
		}
		this.#sendStatus({ code: 'NetStream.Unpublish.Success', description: 'Publishing stopped.' });
		if (this.#scope.closed) {
			return;
		}
		this.#usableCheck.disarm();
		this.#state.handle('publish-ended');
		this.#deadlines.publishAwaited();
		this.#publisher = undefined;
		this.#logPublisherEnd(publisher, 'unpublished', undefined);
		publisher.end('unpublished');
	}

	#sendStatus({ code, description }: RtmpAnswer): void {
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
			this.#deps.logger.error({ err: error }, 'an RTMP session failed');
			this.#close('internal-error', errorMessage(error));
		}
	}

	#close(reason: RtmpSessionEndReason, why: string | undefined): void {
		if (this.#scope.closed) {
			return;
		}
		this.#announceEnd(reason);
		// Sending the answer closes a connection that does not read.
		if (this.#scope.closed) {
			return;
		}
		const { state } = this.#state;
		this.#state.handle(reason);
		this.#deadlines.cancel();
		this.#usableCheck.disarm();
		this.#waiting.drain();
		void this.#scope.close(reason);
		if (this.#publisher === undefined) {
			const { remoteAddress } = this.#deps.connection;
			if (this.#hasPublished) {
				this.#deps.logger.debug({ remoteAddress, reason, state, why }, 'RTMP connection ended after its publisher');
			} else {
				this.#deps.logger.info({ remoteAddress, reason, state, why }, 'RTMP connection ended before it published');
			}
			return;
		}
		this.#logPublisherEnd(this.#publisher, reason, why);
		this.#publisher.end(reason === 'refused' || reason === 'internal-error' ? 'connection-lost' : reason);
	}

	#announceEnd(reason: RtmpSessionEndReason): void {
		if (this.#state.state !== 'publishing' || reason === 'refused' || reason === 'internal-error') {
			return;
		}
		const answer = endAnswer(reason, this.#publisher?.problems ?? []);
		if (answer !== undefined) {
			this.#sendStatus(answer);
		}
	}

	#logPublisherEnd(publisher: RtmpPublisher, reason: RtmpSessionEndReason, why: string | undefined): void {
		const fields = { publisherId: publisher.id, reason, why, ...publisher.statistics };
		this.#deps.logger.info(fields, 'RTMP publisher closed');
	}
}
