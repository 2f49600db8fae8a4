/** One viewer's socket: deadlines, heartbeat, limits and message dispatch. Knows nothing about channels. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import { TokenBucket, type TokenRate } from '../../../core/limits/token-bucket.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ClientMessage, ServerMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import {
	SIGNALING_CLOSE_CODES,
	type SignalingCloseReason,
} from '../../../core/protocol/signaling/signaling-constants.ts';
import { parseClientMessage } from './message-parser.ts';
import type { User } from '../../accounts/user.ts';
import { OutboundQueue, type Importance } from '../../platform/sockets/outbound-queue.ts';
import type {
	ConnectionEnd,
	JoinMessage,
	SignalingRooms,
	ViewerConnection,
	ViewerMessage,
	ViewerSession,
} from './viewer-session.ts';

/** A socket without a join is closed after this. */
const JOIN_DEADLINE_MS = 10_000;
/** A ping is sent this often; without a sign of life by the next one the socket is closed. A lease is two intervals. */
export const PING_INTERVAL_MS = 6000;
/** A client that does not answer the closing handshake is cut off after this. */
const CLOSE_DEADLINE_MS = 2000;
/** A player sends at most one message a second, and a burst at its start: join, clock samples, first states. */
const MESSAGE_RATE: TokenRate = { perSecond: 10, burst: 60 };
/** Messages that may wait while a viewer is being admitted. */
const MAX_EARLY_MESSAGES = 32;

/** The part of a `ws` socket that is used. */
type RawSocket = {
	readonly bufferedAmount: number;
	send(text: string): void;
	ping(): void;
	close(code: number, reason: string): void;
	terminate(): void;
	on(event: 'message', listener: (bytes: { toString(): string }, isBinary: boolean) => void): unknown;
	on(event: 'pong' | 'error', listener: () => void): unknown;
	on(event: 'close', listener: (code: number) => void): unknown;
};

type SignalingSocketDependencies = {
	raw: RawSocket;
	rooms: SignalingRooms;
	remoteAddress: string;
	user: User | undefined;
	clock: Clock;
	logger: Logger;
	/** Called once, when the socket is closed; `reason` is `viewer` when the viewer closed it. */
	onClosed: (reason: SignalingCloseReason | 'viewer') => void;
};

type State =
	| { name: 'awaiting-join' }
	| { name: 'joining'; early: ViewerMessage[] }
	| { name: 'joined'; session: ViewerSession }
	| { name: 'closed'; how: ConnectionEnd };

/** Listens at once. */
export class SignalingSocket implements ViewerConnection {
	readonly remoteAddress: string;
	readonly user: User | undefined;
	readonly #deps: SignalingSocketDependencies;
	readonly #queue: OutboundQueue;
	readonly #rate: TokenBucket;
	readonly #scope: CloseScope<SignalingCloseReason | 'viewer'>;
	#state: State = { name: 'awaiting-join' };
	#hasLived = true;

	constructor(deps: SignalingSocketDependencies) {
		const { raw, clock } = deps;
		this.#deps = deps;
		this.remoteAddress = deps.remoteAddress;
		this.user = deps.user;
		this.#queue = new OutboundQueue(raw);
		this.#rate = new TokenBucket(clock, MESSAGE_RATE);
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose((reason) => deps.onClosed(reason));
		this.#scope.every(clock, PING_INTERVAL_MS, () => this.#beat());
		this.#scope.after(clock, JOIN_DEADLINE_MS, () => this.#checkJoined());
		raw.on('message', (bytes, isBinary) => this.#onMessage(bytes, isBinary));
		raw.on('pong', () => (this.#hasLived = true));
		// An error is always followed by a close.
		raw.on('error', () => undefined);
		raw.on('close', (code) => this.#onClose(code));
	}

	get isOpen(): boolean {
		return this.#state.name !== 'closed';
	}

	/** Chat and counts that were dropped because this viewer was too slow. */
	get droppedCount(): number {
		return this.#queue.droppedCount;
	}

	send(message: ServerMessage, importance: Importance = 'vital'): void {
		this.sendText(JSON.stringify(message), importance);
	}

	sendText(text: string, importance: Importance): void {
		if (this.isOpen && this.#queue.send(text, importance, this.#deps.clock.monotonicMs()) === 'too-slow') {
			this.close('tooSlow');
		}
	}

	close(reason: SignalingCloseReason): void {
		this.#end(reason === 'heartbeatMissed' ? 'silent' : 'closed', reason);
		const { raw, clock } = this.#deps;
		raw.close(SIGNALING_CLOSE_CODES[reason].code, reason);
		const cancel = clock.setTimeout(() => raw.terminate(), CLOSE_DEADLINE_MS);
		raw.on('close', cancel);
	}

	#onMessage(bytes: { toString(): string }, isBinary: boolean): void {
		const receivedMs = this.#deps.clock.nowMs();
		if (!this.isOpen) {
			return;
		}
		this.#hasLived = true;
		if (!this.#rate.take()) {
			this.close('tooManyMessages');
			return;
		}
		const parsed = parseClientMessage(isBinary ? '' : bytes.toString());
		if ('refusal' in parsed) {
			this.#deps.logger.debug({ detail: parsed.detail }, 'a signaling message was refused');
			this.send({ type: 'error', code: 'REQUEST_INVALID', detail: parsed.detail });
			this.close(parsed.refusal);
			return;
		}
		this.#dispatch(parsed.message, receivedMs);
	}

	#dispatch(message: ClientMessage, receivedMs: number): void {
		const state = this.#state;
		if ((message.type === 'join') !== (state.name === 'awaiting-join')) {
			this.close('malformedMessage');
		} else if (message.type === 'join') {
			void this.#join(message);
		} else if (message.type === 'clock') {
			this.send({ type: 'clock', clientSentMs: message.clientSentMs, receivedMs, sentMs: this.#deps.clock.nowMs() });
		} else if (state.name === 'joined') {
			state.session.receive(message);
		} else if (state.name === 'joining') {
			state.early.push(message);
			if (state.early.length > MAX_EARLY_MESSAGES) {
				this.close('tooManyMessages');
			}
		}
	}

	async #join(message: JoinMessage): Promise<void> {
		const early: ViewerMessage[] = [];
		this.#state = { name: 'joining', early };
		try {
			const session = await this.#deps.rooms.join(this, message);
			const state = this.#state as State;
			if (state.name === 'closed') {
				session.end(state.how);
				return;
			}
			this.#state = { name: 'joined', session };
			early.forEach((waiting) => session.receive(waiting));
		} catch (error) {
			this.#refuseJoin(error);
		}
	}

	#refuseJoin(error: unknown): void {
		let code: string | undefined;
		if (error instanceof SpillwayError) {
			({ code } = error);
			this.send({ type: 'error', code: error.code, detail: error.message });
			this.#deps.logger.debug({ reason: errorMessage(error) }, 'a viewer could not join');
		} else {
			this.#deps.logger.error({ err: error }, 'a viewer could not join because of a bug');
		}
		if (this.isOpen) {
			this.close(
				code === 'CHANNEL_NOT_FOUND' ? 'channelNotFound' : code === 'SERVER_STOPPING' ? 'serverStopping' : 'busy',
			);
		}
	}

	#checkJoined(): void {
		if (this.#state.name === 'awaiting-join' || this.#state.name === 'joining') {
			this.close('joinTimeout');
		}
	}

	#beat(): void {
		if (!this.#hasLived) {
			this.close('heartbeatMissed');
			return;
		}
		this.#hasLived = false;
		this.#deps.raw.ping();
	}

	#onClose(code: number): void {
		// RFC 6455 §7.4.1: 1000 and 1001 (the page was left) are deliberate. 1006 is a cut, 1005 a close without a code.
		this.#end(code === 1000 || code === 1001 ? 'left' : 'lost', 'viewer');
	}

	#end(how: ConnectionEnd, reason: SignalingCloseReason | 'viewer'): void {
		const state = this.#state;
		if (state.name === 'closed') {
			return;
		}
		this.#state = { name: 'closed', how };
		void this.#scope.close(reason);
		if (state.name === 'joined') {
			state.session.end(how);
		}
	}
}
