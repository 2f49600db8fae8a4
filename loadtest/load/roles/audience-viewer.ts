/** A virtual viewer who does as told: joins, plays the tier of the decision, and changes over when a new one comes. */
import { type CancelTimer, type Clock, sleep } from '../../../core/lifecycle/clock.ts';
import type {
	ClientMessage,
	ServerMessage,
	TierDecision,
} from '../../../core/protocol/signaling/signaling-messages.ts';
import type { Player } from './player.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';

const STATISTICS_INTERVAL_MS = 5000;
const CLOCK_INTERVAL_MS = 30_000;
/** Back-off between connections after a lost one: doubles from the first to the last. */
const RECONNECT_FIRST_MS = 500;
const RECONNECT_LAST_MS = 8000;
const MAX_RECONNECTS = 6;

/** The socket as a viewer sees it; see {@link SignalingSocket}. */
interface ViewerSocket {
	open(): Promise<Pick<Extract<ServerMessage, { type: 'joined' }>, 'decision' | 'resumeToken' | 'viewerId'>>;
	send(message: ClientMessage): void;
	close(): void;
}

/** What a viewer needs from outside. */
type AudienceViewerOptions = {
	clock: Clock;
	channel: string;
	isPinnedToHls: boolean;
	createSocket(
		join: Extract<ClientMessage, { type: 'join' }>,
		onMessage: (message: ServerMessage) => void,
		onClosed: (code: number) => void,
	): ViewerSocket;
	createPlayer(tier: DeliveryTier, onLost: (reason: string) => void, viewerId: string): Player;
	reconnectsAfter(code: number): boolean;
	/** 0–1; spreads reconnects. */
	random(): number;
	events: AudienceViewerEvents;
};

/** What a viewer tells. */
export interface AudienceViewerEvents {
	decided(decision: TierDecision): void;
	/** A transport of this tier is opened (+1) or gone (-1). */
	held(tier: DeliveryTier, by: 1 | -1): void;
	/** What plays now, and before; undefined: nothing. */
	playing(tier: DeliveryTier | undefined, before: DeliveryTier | undefined): void;
	/** From the decision to the first picture of the new tier. `isFirst`: not a switch. */
	switched(tier: DeliveryTier, durationMs: number, isFirst: boolean): void;
	legFailed(tier: DeliveryTier, reason: string): void;
	reconnected(): void;
	/** Gone for good, by the server's wish or because reconnecting failed. */
	dropped(reason: string): void;
	presence(viewerCount: number): void;
}

type Leg = { tier: DeliveryTier; player: Player };

/** One viewer. One use. */
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

	/** Joins and begins to play what the answer says. Rejects when the server does not let them in. */
	async start(): Promise<void> {
		await this.#connect();
		const { clock } = this.#options;
		this.#timers.push(
			clock.setInterval(() => this.#sendStatistics(), STATISTICS_INTERVAL_MS),
			clock.setInterval(() => this.#sendClock(), CLOCK_INTERVAL_MS),
		);
	}

	/** What plays. */
	get tier(): DeliveryTier | undefined {
		return this.#current?.tier;
	}

	/** Once a second: the legs' own figures. */
	each(): void {
		this.#current?.player.each();
	}

	/** Leaves: socket first, so that the server counts them out, then the legs. Idempotent. */
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
		if (!this.#options.reconnectsAfter(code)) {
			this.#options.events.dropped(`closed with ${code}`);
			await this.close();
			return;
		}
		for (let attempt = 0; attempt < MAX_RECONNECTS && !this.#abort.signal.aborted; attempt++) {
			const fullMs = Math.min(RECONNECT_LAST_MS, RECONNECT_FIRST_MS * 2 ** attempt);
			try {
				await sleep(this.#options.clock, fullMs * (0.5 + this.#options.random() / 2), this.#abort.signal);
				await this.#connect();
				this.#options.events.reconnected();
				return;
			} catch {
				// The next attempt, or the end below.
			}
		}
		if (!this.#abort.signal.aborted) {
			this.#options.events.dropped(`could not reconnect after ${code}`);
			await this.close();
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
		const player = this.#options.createPlayer(tier, (reason) => this.#lost(leg, reason), this.#viewerId);
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
				this.#tellFailed(tier, cause);
			}
			return;
		}
		if (this.#next !== leg) {
			// Superseded, or the viewer has left, while it connected; it is closed already.
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
		// After the release: the server counts a viewer against the budget until then.
		this.#socket?.send({ type: 'tier-playing', decisionId, tier });
	}

	#lost(leg: Leg, reason: string): void {
		if (this.#current !== leg) {
			return;
		}
		this.#current = undefined;
		this.#options.events.legFailed(leg.tier, reason);
		this.#options.events.playing(undefined, leg.tier);
		void this.#drop(leg);
		this.#tellFailed(leg.tier, 'connection-lost');
	}

	#tellFailed(tier: DeliveryTier, cause: 'refused' | 'blocked' | 'connection-lost'): void {
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
