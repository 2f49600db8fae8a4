/**
 * How many watch, over all servers: each keeps one key on the bus with its own counts, which vanishes with it, and adds up
 * what the others keep. Nothing is ever incremented, so that nothing can be left over.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import type { ChannelName, ViewerId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import type { BusValue, MessageBus } from '../../platform/bus/message-bus.ts';

/**
 * A killed server's viewers are counted for this long. Shorter than a viewer's own lease of 12 s: they come to other
 * servers within seconds, and the sum has to be right again within ten.
 */
export const SERVER_LEASE_MS = 7000;
/** The own key is written this often even when nothing changed: three attempts within a lease. */
const REFRESH_MS = 2000;
/** Changes are written together. */
const WRITE_DELAY_MS = 400;
/** The others' keys are read this often. */
const READ_INTERVAL_MS = 1000;
/** A server that was not heard of for this long is forgotten; its key went long before. */
const FORGET_AFTER_MS = 60_000;
/** Servers that are added up. */
const MAX_SERVERS = 200;
const SERVERS_KEY = 'presence:servers';
const MOVED_TOPIC = 'presence:moved';

/** What presence needs. */
export type PresenceOptions = {
	bus: MessageBus;
	clock: Clock;
	logger: Logger;
	/** Of this process; another one after each start. */
	serverId: string;
	/** Viewers here, by channel; channels without any may be missing. */
	countHere(): ReadonlyMap<ChannelName, number>;
	/** A viewer of ours turned up at another server: he must be let go here, or he would count twice. */
	onMoved(viewerId: ViewerId, channelName: ChannelName): void;
};

/** A sum, and whether all servers are in it. */
export type PresenceCount = { viewerCount: number; isComplete: boolean };

/** Counts over all servers. Does nothing before start(). */
export class Presence {
	readonly #options: PresenceOptions;
	readonly #bus: MessageBus;
	readonly #clock: Clock;
	readonly #logger: Logger;
	readonly #scope: CloseScope<'closed'>;
	#others: ReadonlyMap<ChannelName, number> = new Map();
	#readAtMs: number;
	#holdReadsUntilMs = -Infinity;
	#isLost = false;
	#isReading = false;
	#isSubscribing = false;
	#isSubscribed = false;
	#writing: Promise<void> | undefined;
	#cancelWrite: (() => void) | undefined;

	constructor(options: PresenceOptions) {
		this.#options = options;
		this.#bus = options.bus;
		this.#clock = options.clock;
		this.#logger = options.logger;
		this.#scope = new CloseScope(options.logger);
		this.#readAtMs = options.clock.monotonicMs();
	}

	/** Begins; a bus that is lost is waited for in the background. */
	start(): void {
		this.#scope.onClose(() => this.#leave());
		this.#scope.onClose(this.#clock.setInterval(() => void this.#read(), READ_INTERVAL_MS));
		this.#scope.onClose(this.#clock.setInterval(() => void this.#write(), REFRESH_MS));
		this.#scope.onClose(() => this.#cancelWrite?.());
		this.#scope.onClose(
			this.#bus.onReconnect(() => {
				// A Redis that was started anew is empty until every server has written again.
				this.#holdReadsUntilMs = this.#clock.monotonicMs() + REFRESH_MS + READ_INTERVAL_MS;
				void this.#write();
			}),
		);
		void this.#write();
		void this.#read();
	}

	/** Viewers of a channel. */
	count(channelName: ChannelName): PresenceCount {
		const here = this.#options.countHere().get(channelName) ?? 0;
		return { viewerCount: here + (this.#others.get(channelName) ?? 0), isComplete: !this.#isLost };
	}

	/** To be called when the counts here changed; they are written shortly after. */
	changed(): void {
		if (this.#cancelWrite === undefined && !this.#scope.closed) {
			this.#cancelWrite = this.#clock.setTimeout(() => {
				this.#cancelWrite = undefined;
				void this.#write();
			}, WRITE_DELAY_MS);
		}
	}

	/** To be called when a viewer comes who may have been at another server a moment ago. */
	announceMove(viewerId: ViewerId, channelName: ChannelName): void {
		const message = { viewerId, channelName, serverId: this.#options.serverId };
		this.#bus.publish(MOVED_TOPIC, message).catch((error: unknown) => this.#lose(error));
	}

	/** Takes our viewers out of the sum. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	#write(): Promise<void> {
		// One at a time, or an old count could overtake a new one.
		this.#writing ??= this.#writeNow().finally(() => (this.#writing = undefined));
		return this.#writing;
	}

	async #writeNow(): Promise<void> {
		const { serverId } = this.#options;
		const counts = Object.fromEntries([...this.#options.countHere()].filter(([, count]) => count > 0));
		try {
			await this.#bus.set(keyOf(serverId), counts, SERVER_LEASE_MS);
			// Whether a server lives is decided by its key alone; the clock of a server decides nothing.
			await this.#bus.addToSortedSet(SERVERS_KEY, serverId, this.#clock.nowMs(), FORGET_AFTER_MS);
		} catch (error) {
			this.#lose(error);
		}
	}

	async #read(): Promise<void> {
		const nowMs = this.#clock.monotonicMs();
		if (this.#isReading || nowMs < this.#holdReadsUntilMs) {
			return;
		}
		this.#isReading = true;
		try {
			await this.#subscribe();
			const listed = await this.#bus.membersOfSortedSet(SERVERS_KEY, MAX_SERVERS);
			const others = listed.filter((id) => id !== this.#options.serverId);
			const values = await Promise.all(others.map((id) => this.#bus.get(keyOf(id))));
			// A Redis that came back between these calls may have been empty for some of them.
			if (this.#clock.monotonicMs() >= this.#holdReadsUntilMs) {
				this.#others = addUp(values);
			}
			this.#readAtMs = this.#clock.monotonicMs();
			this.#find();
			if (listed.length > 1) {
				await this.#bus.trimSortedSet(SERVERS_KEY, this.#clock.nowMs() - FORGET_AFTER_MS);
			}
		} catch (error) {
			this.#lose(error);
		} finally {
			this.#isReading = false;
		}
		if (this.#clock.monotonicMs() - this.#readAtMs > SERVER_LEASE_MS) {
			// What we last heard would have run out by now; counting on would be guessing.
			this.#others = new Map();
		}
	}

	async #subscribe(): Promise<void> {
		if (this.#isSubscribed || this.#isSubscribing || this.#scope.closed) {
			return;
		}
		this.#isSubscribing = true;
		try {
			const end = await this.#bus.subscribe(MOVED_TOPIC, (message) => this.#onMoved(message));
			this.#isSubscribed = true;
			this.#scope.onClose(end);
		} finally {
			this.#isSubscribing = false;
		}
	}

	#onMoved(message: BusValue): void {
		const { viewerId, channelName, serverId } = (message ?? {}) as Record<string, unknown>;
		if (typeof viewerId === 'string' && typeof channelName === 'string' && serverId !== this.#options.serverId) {
			this.#options.onMoved(viewerId as ViewerId, channelName as ChannelName);
		}
	}

	#lose(error: unknown): void {
		if (!this.#isLost && !this.#scope.closed) {
			this.#isLost = true;
			this.#logger.warn({ reason: errorMessage(error) }, 'the bus is lost: only viewers of this server are counted');
		}
	}

	#find(): void {
		if (this.#isLost) {
			this.#isLost = false;
			this.#logger.info({}, 'the bus is back: viewers of all servers are counted');
		}
	}

	async #leave(): Promise<void> {
		try {
			await this.#writing;
			await this.#bus.delete(keyOf(this.#options.serverId));
			await this.#bus.removeFromSortedSet(SERVERS_KEY, this.#options.serverId);
		} catch {
			// The key vanishes by itself.
		}
	}
}

function keyOf(serverId: string): string {
	return `presence:server:${serverId}`;
}

// What other servers keep is data of strangers in so far as they may run another version.
function addUp(values: readonly (BusValue | undefined)[]): Map<ChannelName, number> {
	const sums = new Map<ChannelName, number>();
	for (const value of values) {
		for (const [name, count] of Object.entries((value ?? {}) as Record<string, unknown>)) {
			if (typeof count === 'number' && Number.isSafeInteger(count) && count > 0) {
				sums.set(name as ChannelName, (sums.get(name as ChannelName) ?? 0) + count);
			}
		}
	}
	return sums;
}
