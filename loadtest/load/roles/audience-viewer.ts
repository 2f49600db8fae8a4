/** A virtual viewer who joins, plays the tier of the server's decision, and changes tiers with each new decision. */
import { retryDelayMs } from '../../../core/lifecycle/back-off.ts';
import { type CancelTimer, type Clock, sleep } from '../../../core/lifecycle/clock.ts';
import type {
	ClientMessage,
	ServerMessage,
	TierDecision,
} from '../../../core/protocol/signaling/signaling-messages.ts';
import { type JoinMessage, reconnectsAfter } from '../../clients/signaling/signaling-socket.ts';
import type { Player } from './player.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';

const STATISTICS_INTERVAL_MS = 5000;
const CLOCK_INTERVAL_MS = 30_000;
/** Between connections after a lost one. */
const RECONNECT_POLICY = { maxAttempts: 6, firstDelayMs: 500, maxDelayMs: 8000, jitterRatio: 0.5 };

/** See {@link SignalingSocket}. */
interface ViewerSocket {
	open(): Promise<Pick<Extract<ServerMessage, { type: 'joined' }>, 'decision' | 'resumeToken' | 'viewerId'>>;
	send(message: ClientMessage): void;
	close(): void;
}

type AudienceViewerOptions = {
	clock: Clock;
	channel: string;
	isPinnedToHls: boolean;
	createSocket(
		join: JoinMessage,
		onMessage: (message: ServerMessage) => void,
		onClosed: (code: number) => void,
	): ViewerSocket;
	createPlayer(tier: DeliveryTier, onLost: (reason: string) => void, viewerId: string): Player;
	/** [0, 1); spreads reconnects. */
	chance(): number;
	events: AudienceViewerEvents;
};

export interface AudienceViewerEvents {
	decided(decision: TierDecision): void;
	/** A transport of this tier is opened (+1) or closed (-1). */
	held(tier: DeliveryTier, by: 1 | -1): void;
	/** The tier that plays now, and the one before; undefined: none. */
	playing(tier: DeliveryTier | undefined, before: DeliveryTier | undefined): void;
	/** From the decision to the first picture of the new tier. `isFirst`: not a hand-over. */
	switched(tier: DeliveryTier, durationMs: number, isFirst: boolean): void;
	legFailed(tier: DeliveryTier, reason: string): void;
	reconnected(): void;
	/** The viewer does not return: the server has closed the socket, or reconnecting has failed. */
	dropped(reason: string): void;
	presence(viewerCount: number): void;
}

type Leg = { tier: DeliveryTier; player: Player };

/** One use. */
export class AudienceViewer {
	readonly #options: AudienceViewerOptions;
	readonly #timers: CancelTimer[] = [];
	readonly #abort = new AbortController();
	#socket: ViewerSocket | undefined;
	#resumeToken: string | undefined;
	#viewerId = '';
	#decision: TierDecision | undefined;
	#current: Leg | undefined;
	#next: Leg | undefined;

	constructor(options: AudienceViewerOptions) {
		this.#options = options;
	}

	/** Joins and begins to play the tier of the answer. Rejects when the server rejects the viewer. */
	async start(): Promise<void> {
		await this.#connect();
		const { clock } = this.#options;
		this.#timers.push(
			clock.setInterval(() => this.#sendStatistics(), STATISTICS_INTERVAL_MS),
			clock.setInterval(() => this.#sendClock(), CLOCK_INTERVAL_MS),
		);
	}

	get tier(): DeliveryTier | undefined {
		return this.#current?.tier;
	}

	/** See {@link Player.each}. */
	each(): void {
		this.#current?.player.each();
	}

	/** Leaves: first the socket, so that the server stops counting the viewer, then the legs. Idempotent. */
	async close(): Promise<void> {
		if (this.#abort.signal.aborted) {
			return;
		}
		this.#abort.abort(new Error('the viewer has left'));
		this.#timers.splice(0).forEach((cancel) => cancel());
		this.#socket?.close();
		const legs = [this.#next, this.#current].filter((leg) => leg !== undefined);
		if (this.#current !== undefined) {
			this.#options.events.playing(undefined, this.#current.tier);
		}
		[this.#next, this.#current] = [undefined, undefined];
		await Promise.all(legs.map((leg) => this.#drop(leg)));
	}

	async #connect(): Promise<void> {
		const token = this.#resumeToken;
		const playingTier = this.#current?.tier;
		this.#socket = this.#options.createSocket(
			{
				type: 'join',
				protocol: 1,
				channel: this.#options.channel,
				canWebRtc: true,
				canHls: true,
				isPinnedToHls: this.#options.isPinnedToHls,
				...(token === undefined ? {} : { resumeToken: token }),
				...(playingTier === undefined ? {} : { playingTier }),
			},
			(message) => this.#receive(message),
			(code) => void this.#reconnect(code),
		);
		const joined = await this.#socket.open();
		if (this.#abort.signal.aborted) {
			this.#socket.close();
			return;
		}
		this.#resumeToken = joined.resumeToken;
		this.#viewerId = joined.viewerId;
		this.#sendClock();
		this.#apply(joined.decision);
	}

	async #reconnect(code: number): Promise<void> {
		const { clock, events, chance } = this.#options;
		if (!reconnectsAfter(code)) {
			events.dropped(`closed with ${code}`);
			await this.close();
			return;
		}
		for (let attempt = 1; !this.#abort.signal.aborted; attempt++) {
			const delayMs = retryDelayMs(RECONNECT_POLICY, attempt, chance());
			if (delayMs === undefined) {
				events.dropped(`could not reconnect after ${code}`);
				await this.close();
				return;
			}
			try {
				await sleep(clock, delayMs, this.#abort.signal);
				await this.#connect();
				events.reconnected();
				return;
			} catch {
				// The next attempt, if there is one.
			}
		}
	}

	#receive(message: ServerMessage): void {
		if (message.type === 'tier') {
			this.#apply(message.decision);
		} else if (message.type === 'presence') {
			this.#options.events.presence(message.viewerCount);
		}
	}

	#apply(decision: TierDecision): void {
		if (this.#abort.signal.aborted) {
			return;
		}
		this.#options.events.decided(decision);
		this.#decision = decision;
		if (this.#next !== undefined && this.#next.tier !== decision.tier) {
			const superseded = this.#next;
			this.#next = undefined;
			void this.#drop(superseded);
		}
		if (this.#current?.tier === decision.tier) {
			this.#socket?.send({ type: 'tier-playing', decisionId: decision.decisionId, tier: decision.tier });
		} else if (this.#next === undefined) {
			void this.#begin(decision);
		}
	}

	// Make before break: the old leg plays until the new one shows a picture.
	async #begin(decision: TierDecision): Promise<void> {
		const { clock, events } = this.#options;
		const fromMs = clock.monotonicMs();
		const { tier } = decision;
		const player = this.#options.createPlayer(tier, (reason) => this.#endAsLost(leg, reason), this.#viewerId);
		const leg: Leg = { tier, player };
		this.#next = leg;
		events.held(tier, 1);
		try {
			await leg.player.start();
		} catch (error) {
			if (this.#next === leg) {
				this.#next = undefined;
				events.legFailed(tier, (error as Error).message);
				await this.#drop(leg);
				const cause = /answered with/.test((error as Error).message) ? 'refused' : 'blocked';
				this.#reportFailed(tier, cause);
			}
			return;
		}
		if (this.#next !== leg) {
			// A newer decision, or close(), has already closed it while it connected.
			return;
		}
		const before = this.#current;
		[this.#current, this.#next] = [leg, undefined];
		events.playing(tier, before?.tier);
		events.switched(tier, clock.monotonicMs() - fromMs, before === undefined);
		const decisionId = this.#decision?.decisionId ?? decision.decisionId;
		if (before !== undefined) {
			await this.#drop(before);
		}
		// After the release: until this message the server counts the viewer against the budget.
		this.#socket?.send({ type: 'tier-playing', decisionId, tier });
	}

	#endAsLost(leg: Leg, reason: string): void {
		if (this.#current !== leg) {
			return;
		}
		this.#current = undefined;
		this.#options.events.legFailed(leg.tier, reason);
		this.#options.events.playing(undefined, leg.tier);
		void this.#drop(leg);
		this.#reportFailed(leg.tier, 'connection-lost');
	}

	#reportFailed(tier: DeliveryTier, cause: 'refused' | 'blocked' | 'connection-lost'): void {
		const decisionId = this.#decision?.decisionId;
		if (decisionId !== undefined) {
			this.#socket?.send({ type: 'tier-failed', decisionId, tier, cause });
		}
	}

	async #drop(leg: Leg): Promise<void> {
		await leg.player.close();
		this.#options.events.held(leg.tier, -1);
	}

	#sendClock(): void {
		this.#socket?.send({ type: 'clock', clientSentMs: this.#options.clock.nowMs() });
	}

	#sendStatistics(): void {
		const leg = this.#current;
		const latencyMs = leg?.player.latencyMs();
		const state = leg === undefined ? 'connecting' : leg.player.isPlaying() ? 'playing' : 'stalled';
		this.#socket?.send({
			type: 'statistics',
			tier: leg?.tier ?? this.#decision?.tier ?? 'll-hls',
			state,
			...(latencyMs === undefined ? {} : { latencyMs: Math.max(-10_000, Math.min(3_600_000, latencyMs)) }),
			stallCount: 0,
			stalledForMs: 0,
			shownFrameCount: 0,
			droppedFrameCount: 0,
			bitrateBps: 0,
		});
	}
}
