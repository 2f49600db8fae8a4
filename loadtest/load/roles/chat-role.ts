/** The role `chat`: sockets in a room, some of which write. Measures delivery from when a message is due to be sent. */
import { randomBytes } from 'node:crypto';
import { type CancelTimer, sleep } from '../../../core/lifecycle/clock.ts';
import type { ServerMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import {
	describeClose,
	FrameReader,
	type JoinMessage,
	SignalingSocket,
} from '../../clients/signaling/signaling-socket.ts';
import { scheduleArrivals } from './arrivals.ts';
import { firstNotes, type Role, type RoleContext } from './role.ts';
import { DeliveryCheck, formatTestMessage, parseTestMessage } from './delivery-check.ts';

/** After this, a draft without an answer is lost. */
const ACKNOWLEDGE_DEADLINE_MS = 5000;
/** From the last message until missing ones count as lost. */
const DRAIN_MS = 1500;
const SEND_TICK_MS = 5;
const CLOCK_INTERVAL_MS = 30_000;
const MAX_NOTES = 5;
const SIGN_UP_DEADLINE_MS = 10_000;

type Sender = {
	index: number;
	socket: SignalingSocket;
	/** The next message's number; a refused one is used again. */
	number: number;
	pending: { draftId: string; sentAtMs: number } | undefined;
};

export class ChatRole implements Role {
	readonly #context: RoleContext;
	readonly #note: RoleContext['note'];
	readonly #sockets = new Set<SignalingSocket>();
	readonly #checks = new Set<DeliveryCheck>();
	readonly #senders: Sender[] = [];
	readonly #reader = new FrameReader();
	readonly #cancels: CancelTimer[] = [];
	#sendFromMs: number | undefined;
	#slot = 0;
	#isStopped = false;
	#hasFailedSignUp = false;

	constructor(context: RoleContext) {
		this.#context = context;
		this.#note = firstNotes(context.note, MAX_NOTES);
	}

	start(): Promise<void> {
		const { clock } = this.#context;
		this.#cancels.push(
			clock.setInterval(() => this.#sendDue(), SEND_TICK_MS),
			clock.setInterval(
				() => this.#sockets.forEach((socket) => socket.send({ type: 'clock', clientSentMs: clock.nowMs() })),
				CLOCK_INTERVAL_MS,
			),
			scheduleArrivals(this.#context, (index) => void this.#arrive(index)),
		);
		return Promise.resolve();
	}

	async stop(): Promise<void> {
		if (this.#isStopped) {
			return;
		}
		this.#isStopped = true;
		this.#cancels.splice(0).forEach((cancel) => cancel());
		await sleep(this.#context.clock, this.#senders.length === 0 ? 0 : DRAIN_MS);
		const { figures } = this.#context;
		for (const check of this.#checks) {
			this.#senders.forEach(({ index, number }) => check.finish(index, number - 1));
			figures.count('chat.lost', check.counts.lostCount);
			figures.count('chat.doubled', check.counts.doubledCount);
			figures.count('chat.reordered', check.counts.reorderedCount);
		}
		this.#sockets.forEach((socket) => socket.close());
	}

	async #arrive(index: number): Promise<void> {
		const { clock, config, figures } = this.#context;
		const isSender = index < config.chatSenderCount;
		figures.count('chat.started');
		const fromMs = clock.monotonicMs();
		try {
			let { socket, mayWrite, check } = await this.#join(undefined, isSender ? index : undefined);
			if (isSender && !mayWrite && !this.#hasFailedSignUp) {
				// Only users with an account may write: sign up and join again.
				this.#sockets.delete(socket);
				this.#checks.delete(check);
				socket.close();
				figures.adjust('chat.joined', -1);
				({ socket, mayWrite, check } = await this.#join(await this.#signUp(), index));
			}
			figures.sample('chat.join', clock.monotonicMs() - fromMs);
			if (isSender && mayWrite) {
				this.#senders.push({ index: config.firstSender + index, socket, number: 1, pending: undefined });
				figures.adjust('chat.senders', 1);
			}
		} catch (error) {
			if (!this.#isStopped) {
				figures.count('chat.refused');
				this.#note(`chatter was refused: ${(error as Error).message}`);
			}
		}
	}

	async #join(
		cookie: string | undefined,
		senderIndex: number | undefined,
	): Promise<{ socket: SignalingSocket; mayWrite: boolean; check: DeliveryCheck }> {
		const { clock, config, figures } = this.#context;
		const check = new DeliveryCheck();
		const join: JoinMessage = {
			type: 'join',
			protocol: 1,
			channel: config.channel,
			canWebRtc: false,
			canHls: true,
			isPinnedToHls: true,
		};
		const socket: SignalingSocket = new SignalingSocket({
			clock,
			url: config.endpoints.signaling!,
			join,
			reader: this.#reader,
			cookie,
			onMessage: (message) => this.#receive(message, check, senderIndex),
			onClosed: (code) => {
				this.#sockets.delete(socket);
				// Later messages are not lost: this receiver is not there.
				this.#checks.delete(check);
				figures.adjust('chat.joined', -1);
				figures.count('chat.disconnected');
				this.#note(`chatter was disconnected with ${describeClose(code)}`);
			},
		});
		this.#sockets.add(socket);
		try {
			const joined = await socket.open();
			this.#checks.add(check);
			figures.adjust('chat.joined', 1);
			return { socket, mayWrite: joined.chatName !== null, check };
		} catch (error) {
			this.#sockets.delete(socket);
			socket.close();
			throw error;
		}
	}

	async #signUp(): Promise<string> {
		const url = new URL('/api/v1/users', this.#context.config.endpoints.httpUrl);
		const response = await fetch(url, {
			method: 'POST',
			headers: { 'Content-Type': 'application/json', 'x-spillway-csrf': '1' },
			body: JSON.stringify({
				name: `lt${randomBytes(5).toString('hex')}`,
				password: randomBytes(18).toString('base64url'),
			}),
			signal: AbortSignal.timeout(SIGN_UP_DEADLINE_MS),
		});
		const text = await response.text();
		if (!response.ok) {
			this.#hasFailedSignUp = true;
			throw new Error(`signing up was answered with ${response.status}: ${text.slice(0, 200)}`);
		}
		return response.headers
			.getSetCookie()
			.map((cookie) => cookie.split(';', 1)[0]!)
			.join('; ');
	}

	// Each message is due at its time, whether or not the one before has been delivered.
	#sendDue(): void {
		const { clock, config, figures } = this.#context;
		if (this.#senders.length === 0 || config.chatRate === 0) {
			return;
		}
		const nowMs = clock.nowMs();
		this.#sendFromMs ??= nowMs;
		const stepMs = 1000 / config.chatRate;
		for (; this.#sendFromMs + this.#slot * stepMs <= nowMs; this.#slot++) {
			const sender = this.#senders[this.#slot % this.#senders.length]!;
			if (sender.pending !== undefined && clock.monotonicMs() - sender.pending.sentAtMs > ACKNOWLEDGE_DEADLINE_MS) {
				figures.count('chat.unanswered');
				sender.pending = undefined;
				// The server may have accepted it, so its number is not used again.
				sender.number++;
			}
			if (sender.pending === undefined) {
				this.#send(sender, this.#sendFromMs + this.#slot * stepMs);
			} else {
				figures.count('chat.skipped');
			}
		}
	}

	#send(sender: Sender, dueAtMs: number): void {
		const { clock, config, figures } = this.#context;
		const draftId = `${sender.index}-${sender.number}`;
		sender.pending = { draftId, sentAtMs: clock.monotonicMs() };
		figures.count('chat.sent');
		const text = formatTestMessage({ runId: config.runId, sender: sender.index, number: sender.number, dueAtMs });
		sender.socket.send({ type: 'chat-send', draftId, text });
	}

	#receive(message: ServerMessage, check: DeliveryCheck, senderIndex: number | undefined): void {
		if (message.type === 'chat') {
			const nowMs = this.#context.clock.nowMs();
			for (const { text } of message.messages) {
				const own = parseTestMessage(text);
				if (own?.runId === this.#context.config.runId) {
					this.#context.figures.count('chat.delivered');
					this.#context.figures.sample('chat.delivery', nowMs - own.dueAtMs);
					check.receive(own.sender, own.number);
				}
			}
		} else if (senderIndex !== undefined && (message.type === 'chat-sent' || message.type === 'chat-refused')) {
			this.#answered(message);
		}
	}

	#answered(message: Extract<ServerMessage, { type: 'chat-sent' | 'chat-refused' }>): void {
		const { clock, figures } = this.#context;
		const sender = this.#senders.find(({ pending }) => pending?.draftId === message.draftId);
		if (sender?.pending === undefined) {
			return;
		}
		if (message.type === 'chat-sent') {
			figures.count('chat.acknowledged');
			figures.sample('chat.acknowledge', clock.monotonicMs() - sender.pending.sentAtMs);
			sender.number++;
		} else {
			figures.count('chat.draftsRefused');
			this.#note(`a chat message was refused: ${message.code} ${message.detail}`);
		}
		sender.pending = undefined;
	}
}
