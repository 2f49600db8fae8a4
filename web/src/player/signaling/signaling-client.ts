/**
 * The viewer's end of the signaling socket: joins a channel, reconnects as the same viewer, synchronizes the clock,
 * receives decisions and sends statistics. Without a socket (an older server, a proxy that blocks it) the player still
 * works, and chooses its tier itself.
 */
import type { CancelTimer, Clock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import type { Logger } from '../../../../core/logger.ts';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type {
	ClientMessage,
	PictureWish,
	ServerMessage,
	TierDecision,
	ViewerPicture,
	ViewerStatistics,
} from '../../../../core/protocol/signaling/signaling-messages.ts';
import { SIGNALING_CLOSE_CODES, SIGNALING_PROTOCOL } from '../../../../core/protocol/signaling/signaling-constants.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import { retryDelayMs, type RetryPolicy } from '../../../../core/lifecycle/back-off.ts';
import { estimateFromSocket, type ClockEstimate } from '../../api/server-clock.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

/**
 * `connecting`: the first attempt, or one after a loss. `joined`: in the channel. `waiting`: between two attempts.
 * `refused`: the server forbids a reconnect. `closed`: for good.
 * @internal for tests
 */
export type SignalingState = 'idle' | 'connecting' | 'joined' | 'waiting' | 'refused' | 'closed';

/** Why a tier does not work. */
export type TierFailureCause = Extract<ClientMessage, { type: 'tier-failed' }>['cause'];

type ServerMessageOf<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>;

/** @internal for tests */
export type SignalingEvents = {
	stateChanged: [state: SignalingState];
	/** Includes the decision in `joined`. */
	decided: [decision: TierDecision];
	/** The pictures of the WebRTC tier, and the one that is sent. */
	picture: [picture: ViewerPicture];
	presence: [viewerCount: number];
	channel: [channel: ChannelDescription];
	/** Every message, those above included; chat uses it. */
	message: [message: ServerMessage];
};

/** The used part of a WebSocket; a test passes a fake. */
export type SocketLike = {
	readonly readyState: number;
	onopen: (() => void) | null;
	onmessage: ((event: { data: unknown }) => void) | null;
	onclose: ((event: { code: number; reason: string }) => void) | null;
	send(text: string): void;
	close(code?: number, reason?: string): void;
};

type SignalingDeps = {
	clock: Clock;
	logger: Logger;
	/** A number in [0, 1), for spreading reconnects. */
	chance: () => number;
	createSocket: (url: string) => SocketLike;
	/** Receives the estimates of the server's clock. */
	serverClock: { add(estimate: ClockEstimate): void; setFed(isFed: boolean): void };
	/** Undefined while nothing plays. */
	readStatistics: () => Omit<ViewerStatistics, 'type'> | undefined;
};

type SignalingOptions = {
	/** `wss://…/api/v1/signaling`. */
	url: string;
	channel: string;
	capabilities: { canWebRtc: boolean; canHls: boolean };
	isPinnedToHls: boolean;
};

/** Spreads the viewers of a restarted server over time; an endpoint that is missing is tried seldom. */
const RECONNECT_POLICY: RetryPolicy = {
	maxAttempts: Infinity,
	firstDelayMs: 500,
	maxDelayMs: 30_000,
	jitterRatio: 0.8,
};
/** From opening to `joined`. */
const JOIN_DEADLINE_MS = 8000;
const STATISTICS_INTERVAL_MS = 5000;
/** Changes of state are reported at once, but no more often than this. */
const STATISTICS_SPACING_MS = 1000;
const CLOCK_BURST_COUNT = 6;
const CLOCK_BURST_SPACING_MS = 150;
const CLOCK_INTERVAL_MS = 10_000;
/** The server answers our clock messages every 10 s: this long without a message means a dead path. */
const SILENCE_LIMIT_MS = 25_000;
/** Longer than any message of the server. */
const MAX_MESSAGE_LENGTH = 1_000_000;
const REDIRECT_LIMIT = 5;
const OPEN = 1;

export class SignalingClient extends TypedEmitter<SignalingEvents> {
	readonly #deps: SignalingDeps;
	readonly #options: SignalingOptions;
	#url: string;
	#state: SignalingState = 'idle';
	#socket: SocketLike | undefined;
	#timers: CancelTimer[] = [];
	readonly #retry: Timer;
	#failedAttempts = 0;
	#redirectCount = 0;
	#resumeToken: string | undefined;
	#viewerId: string | undefined;
	#decision: TierDecision | undefined;
	#wish: PictureWish | undefined;
	#playingTier: DeliveryTier | undefined;
	#isPinnedToHls: boolean;
	#lastChatId: string | undefined;
	#lastHeardMs = 0;
	#lastStatisticsMs = -Infinity;
	#lastReported: string | undefined;

	constructor(deps: SignalingDeps, options: SignalingOptions) {
		super(deps.logger);
		this.#deps = deps;
		this.#options = options;
		this.#url = options.url;
		this.#retry = new Timer(deps.clock, () => this.#connect());
		this.#isPinnedToHls = options.isPinnedToHls;
	}

	get state(): SignalingState {
		return this.#state;
	}

	/** Our id on the server, kept while the socket is lost. Undefined before the first join. */
	get viewerId(): string | undefined {
		return this.#viewerId;
	}

	/** Connects, and reconnects after each loss, until {@link close}. */
	start(): void {
		if (this.#state === 'idle') {
			this.#connect();
		}
	}

	/** Leaves the channel for good. Idempotent. */
	close(): void {
		if (this.#state !== 'closed') {
			this.#setState('closed');
			this.#retry.disarm();
			this.#drop(1000);
		}
	}

	/** Sends when joined; returns whether it was sent. */
	send(message: ClientMessage): boolean {
		if (this.#state !== 'joined' || this.#socket?.readyState !== OPEN) {
			return false;
		}
		this.#socket.send(JSON.stringify(message));
		return true;
	}

	/** The viewer wants LL-HLS even with a free WebRTC seat, or no longer. Kept across reconnects. */
	pin(isPinnedToHls: boolean): boolean {
		this.#isPinnedToHls = isPinnedToHls;
		return this.send({ type: 'pin', isPinnedToHls });
	}

	/** What the viewer wants to see over WebRTC. Kept across reconnects. */
	wishPicture(wish: PictureWish): void {
		this.#wish = wish;
		this.send({ type: 'picture-wish', ...wish });
	}

	tierPlays(tier: DeliveryTier): void {
		this.#playingTier = tier;
		if (this.#decision !== undefined) {
			this.send({ type: 'tier-playing', decisionId: this.#decision.decisionId, tier });
		}
		this.reportStatistics();
	}

	/** Reports a tier that does not work here and now; returns whether it was sent. */
	tierFailed(tier: DeliveryTier, cause: TierFailureCause): boolean {
		return (
			this.#decision !== undefined &&
			this.send({ type: 'tier-failed', decisionId: this.#decision.decisionId, tier, cause })
		);
	}

	/** Reports statistics when they are due, or when their state has changed. */
	reportStatistics(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		const statistics = this.#deps.readStatistics();
		if (statistics === undefined) {
			return;
		}
		const key = `${statistics.tier} ${statistics.state}`;
		const isDue = nowMs - this.#lastStatisticsMs >= STATISTICS_INTERVAL_MS;
		const isNews = key !== this.#lastReported && nowMs - this.#lastStatisticsMs >= STATISTICS_SPACING_MS;
		if ((isDue || isNews) && this.send({ type: 'statistics', ...statistics })) {
			this.#lastStatisticsMs = nowMs;
			this.#lastReported = key;
		}
	}

	#setState(state: SignalingState): void {
		if (this.#state !== state) {
			this.#state = state;
			this.#deps.serverClock.setFed(state === 'joined');
			this.emit('stateChanged', state);
		}
	}

	#connect(): void {
		this.#setState('connecting');
		let socket: SocketLike;
		try {
			socket = this.#deps.createSocket(this.#url);
		} catch (error) {
			// The browser refuses the address (mixed content): another attempt fails the same way.
			this.#deps.logger.warn({ err: error }, 'the signaling socket cannot be opened');
			this.#setState('refused');
			return;
		}
		this.#socket = socket;
		socket.onopen = () => this.#join(socket);
		socket.onmessage = ({ data }) => this.#onMessage(socket, data);
		socket.onclose = ({ code, reason }) => this.#onClose(socket, code, reason);
		this.#timers.push(
			this.#deps.clock.setTimeout(() => {
				if (this.#state === 'connecting') {
					this.#lose(socket, 'the server did not let us join in time');
				}
			}, JOIN_DEADLINE_MS),
		);
	}

	#join(socket: SocketLike): void {
		const { channel, capabilities } = this.#options;
		const join: ClientMessage = {
			type: 'join',
			protocol: SIGNALING_PROTOCOL,
			channel,
			...capabilities,
			isPinnedToHls: this.#isPinnedToHls,
			...(this.#resumeToken === undefined ? {} : { resumeToken: this.#resumeToken }),
			...(this.#playingTier === undefined ? {} : { playingTier: this.#playingTier }),
			...(this.#lastChatId === undefined ? {} : { lastChatId: this.#lastChatId }),
		};
		socket.send(JSON.stringify(join));
	}

	#onMessage(socket: SocketLike, data: unknown): void {
		if (socket !== this.#socket) {
			return;
		}
		this.#lastHeardMs = this.#deps.clock.monotonicMs();
		const message = parseServerMessage(data);
		if (message === undefined) {
			// A newer server may send other messages.
			return;
		}
		switch (message.type) {
			case 'joined':
				this.#onJoined(message);
				break;
			case 'clock':
				this.#onClock(message);
				break;
			case 'tier':
				this.#decide(message.decision);
				break;
			case 'picture':
				this.emit('picture', message);
				break;
			case 'presence':
				this.emit('presence', message.viewerCount);
				break;
			case 'channel':
				this.emit('channel', message.channel);
				break;
			case 'chat':
				this.#lastChatId = message.messages.at(-1)?.id ?? this.#lastChatId;
				break;
			case 'redirect':
				this.#redirect(socket, message.url);
				break;
			case 'error':
				this.#deps.logger.warn({ code: message.code, detail: message.detail }, 'the server refused a message');
				break;
			default:
				break;
		}
		this.emit('message', message);
	}

	#onJoined(answer: ServerMessageOf<'joined'>): void {
		this.#failedAttempts = 0;
		this.#redirectCount = 0;
		this.#resumeToken = answer.resumeToken;
		this.#viewerId = answer.viewerId;
		this.#lastChatId = answer.chatHistory.at(-1)?.id ?? this.#lastChatId;
		this.#lastReported = undefined;
		this.#lastStatisticsMs = -Infinity;
		this.#clearTimers();
		this.#setState('joined');
		const { clock } = this.#deps;
		for (let index = 0; index < CLOCK_BURST_COUNT; index++) {
			this.#timers.push(clock.setTimeout(() => this.#askClock(), index * CLOCK_BURST_SPACING_MS));
		}
		this.#timers.push(
			clock.setInterval(() => this.#askClock(), CLOCK_INTERVAL_MS),
			clock.setInterval(() => this.#everySecond(), STATISTICS_SPACING_MS),
		);
		if (this.#wish !== undefined) {
			this.wishPicture(this.#wish);
		}
		this.emit('channel', answer.channel);
		// It already counts this viewer; the next presence message may be two seconds away.
		if (answer.channel.viewerCount !== null) {
			this.emit('presence', answer.channel.viewerCount);
		}
		this.#decide(answer.decision);
	}

	#everySecond(): void {
		this.reportStatistics();
		if (this.#socket !== undefined && this.#deps.clock.monotonicMs() - this.#lastHeardMs > SILENCE_LIMIT_MS) {
			this.#lose(this.#socket, 'the server has fallen silent');
		}
	}

	#decide(decision: TierDecision): void {
		this.#decision = decision;
		this.emit('decided', decision);
	}

	#askClock(): void {
		this.send({ type: 'clock', clientSentMs: this.#deps.clock.monotonicMs() });
	}

	#onClock({ clientSentMs, receivedMs, sentMs }: ServerMessageOf<'clock'>): void {
		const clientReceivedMs = this.#deps.clock.monotonicMs();
		// An answer to another connection's question does not count.
		if (clientSentMs <= clientReceivedMs && clientReceivedMs - clientSentMs < JOIN_DEADLINE_MS) {
			const exchange = { clientSentMs, clientReceivedMs, serverReceivedMs: receivedMs, serverSentMs: sentMs };
			this.#deps.serverClock.add(estimateFromSocket(exchange));
		}
	}

	#redirect(socket: SocketLike, url: string): void {
		this.#redirectCount++;
		if (this.#redirectCount > REDIRECT_LIMIT) {
			this.#lose(socket, 'the server sends us in circles');
			return;
		}
		this.#url = new URL(url, this.#url).href;
		this.#drop(1000);
		this.#connect();
	}

	#lose(socket: SocketLike, reason: string): void {
		if (socket === this.#socket) {
			this.#onClose(socket, 1006, reason);
			socket.close();
		}
	}

	#onClose(socket: SocketLike, code: number, reason: string): void {
		if (socket !== this.#socket || this.#state === 'closed') {
			return;
		}
		this.#drop();
		if (!reconnectsAfter(code)) {
			this.#deps.logger.warn({ code, reason }, 'the signaling socket was refused');
			this.#setState('refused');
			return;
		}
		this.#failedAttempts++;
		// The server of a redirect may be gone: from the second failure on, use the first one again.
		this.#url = this.#failedAttempts > 1 ? this.#options.url : this.#url;
		this.#setState('waiting');
		this.#retry.arm(retryDelayMs(RECONNECT_POLICY, this.#failedAttempts, this.#deps.chance())!);
	}

	#drop(code?: number): void {
		const socket = this.#socket;
		this.#socket = undefined;
		this.#clearTimers();
		if (code !== undefined) {
			socket?.close(code);
		}
	}

	#clearTimers(): void {
		this.#timers.forEach((cancel) => cancel());
		this.#timers = [];
	}
}

/** Whether to reconnect after a close code: ours by their table, all others are losses. @internal for tests */
export function reconnectsAfter(code: number): boolean {
	const ours = Object.values(SIGNALING_CLOSE_CODES).find((entry) => entry.code === code);
	// 1008 is policy violation (RFC 6455 §7.4.1): the origin, or a proxy's rule, which does not change.
	return ours?.reconnects ?? code !== 1008;
}

/**
 * A message of the server, or undefined for anything else. Only its type is checked: the server also sent this page,
 * and a schema library is larger than the player.
 * @internal for tests
 */
export function parseServerMessage(data: unknown): ServerMessage | undefined {
	if (typeof data !== 'string' || data.length > MAX_MESSAGE_LENGTH) {
		return undefined;
	}
	try {
		const message = JSON.parse(data) as { type?: unknown } | null;
		return typeof message === 'object' && typeof message?.type === 'string' ? (message as ServerMessage) : undefined;
	} catch {
		return undefined;
	}
}
