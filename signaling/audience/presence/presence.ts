/**
 * Counts the viewers of all nodes. Each node keeps one key with its own counts on the bus and sums up the others' keys.
 * A dead node's key expires; nothing is incremented, so no count can be left over.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SingleFlight } from '../../../core/lifecycle/single-flight.ts';
import { StateMachine, type TransitionTable } from '../../../core/lifecycle/state-machine.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import type { ChannelName, ViewerId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import type { BusValue, MessageBus } from '../../platform/bus/message-bus.ts';
import type { Announcements } from '../../platform/cluster/announcements.ts';
import type { NodeIdentity } from '../../platform/cluster/node-identity.ts';

/**
 * A killed node's viewers are counted for this long. Shorter than a viewer's lease of 12 s: they reach other nodes
 * within seconds, and the sum must be right again within ten.
 */
const NODE_LEASE_MS = 7000;
/** A node writes its key this often even when nothing changed: three attempts within a lease. */
const REFRESH_MS = 2000;
/** Changes within this time are written together. */
const WRITE_DELAY_MS = 400;
const READ_INTERVAL_MS = 1000;
/** A restarted Redis is empty until every node has written again. */
const SETTLE_MS = REFRESH_MS + READ_INTERVAL_MS;
/** A node that has not written for this long leaves the list of nodes; its key expired long before. */
const FORGET_AFTER_MS = 60_000;
const MAX_NODES = 200;
const NODES_KEY = 'presence:servers';

/**
 * `summing`: all nodes are counted. `alone`: the bus does not answer. `settling`: the bus is back and may be empty, so
 * nothing is read. @internal for tests
 */
export type PresenceState = 'summing' | 'alone' | 'settling';
/** @internal for tests */
export type PresenceEvent = 'bus-failed' | 'bus-returned' | 'settled' | 'others-read';

/** @internal for tests */
export const PRESENCE_TRANSITIONS = {
	summing: { 'bus-failed': 'alone', 'bus-returned': 'settling', 'others-read': 'summing' },
	alone: { 'bus-failed': 'alone', 'bus-returned': 'settling', 'others-read': 'summing' },
	settling: { 'bus-failed': 'settling', 'bus-returned': 'settling', 'others-read': 'settling', settled: 'alone' },
} as const satisfies TransitionTable<PresenceState, PresenceEvent>;

type PresenceDependencies = NodeIdentity & {
	bus: MessageBus;
	announcements: Pick<Announcements, 'listen' | 'announceToOthers'>;
	clock: Clock;
	logger: Logger;
	/** Viewers here, by channel; channels without any may be missing. */
	countHere(): ReadonlyMap<ChannelName, number>;
	/** A viewer of this node has joined another node: drop them here, or they count twice. */
	onMoved(viewerId: ViewerId, channelName: ChannelName): void;
};

/** `isComplete`: all nodes are in the sum. */
export type PresenceCount = { viewerCount: number; isComplete: boolean };

/** Does nothing before start(). */
export class Presence {
	readonly #deps: PresenceDependencies;
	readonly #scope: CloseScope<'closed'>;
	readonly #machine: StateMachine<PresenceState, PresenceEvent>;
	readonly #settling: Timer;
	readonly #nextWrite: Timer;
	readonly #writing = new SingleFlight<void>();
	readonly #reading = new SingleFlight<void>();
	#others: ReadonlyMap<ChannelName, number> = new Map();
	#readAtMs: number;

	constructor(deps: PresenceDependencies) {
		const { clock, logger } = deps;
		this.#deps = deps;
		this.#scope = new CloseScope(logger);
		this.#machine = new StateMachine({ table: PRESENCE_TRANSITIONS, initial: 'summing', logger });
		this.#settling = new Timer(clock, () => this.#machine.handle('settled'));
		this.#nextWrite = new Timer(clock, () => void this.#write());
		this.#readAtMs = clock.monotonicMs();
	}

	/** Waits in the background for a bus that is lost. */
	start(): void {
		const { bus, announcements, clock } = this.#deps;
		this.#scope.onClose(() => this.#leave());
		this.#scope.every(clock, READ_INTERVAL_MS, () => void this.#read());
		this.#scope.every(clock, REFRESH_MS, () => void this.#write());
		this.#scope.onClose(this.#nextWrite.disarm);
		this.#scope.onClose(this.#settling.disarm);
		this.#scope.onClose(
			bus.onReconnect(() => {
				this.#machine.handle('bus-returned');
				this.#settling.arm(SETTLE_MS);
				void this.#write();
			}),
		);
		void announcements
			.listen('presence:moved', ({ viewerId, channelName }) => {
				this.#deps.onMoved(viewerId as ViewerId, channelName as ChannelName);
			})
			.then((end) => this.#scope.onClose(end));
		void this.#write();
		void this.#read();
	}

	count(channelName: ChannelName): PresenceCount {
		const here = this.#deps.countHere().get(channelName) ?? 0;
		const isComplete = this.#machine.state === 'summing';
		return { viewerCount: here + (this.#others.get(channelName) ?? 0), isComplete };
	}

	/** Call it when the counts here changed; they are written shortly after. */
	changed(): void {
		if (!this.#scope.closed) {
			this.#nextWrite.armOnce(WRITE_DELAY_MS);
		}
	}

	/** Call it when a viewer joins who may have been at another node a moment ago. */
	announceMove(viewerId: ViewerId, channelName: ChannelName): void {
		this.#deps.announcements
			.announceToOthers('presence:moved', { viewerId, channelName })
			.catch((error: unknown) => this.#fail(error));
	}

	/** Takes this node's viewers out of the sum. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	// One write at a time, or an old count could overtake a new one.
	#write(): Promise<void> {
		return this.#writing.run(async () => {
			const { bus, clock, nodeId } = this.#deps;
			const counts = Object.fromEntries([...this.#deps.countHere()].filter(([, count]) => count > 0));
			try {
				await bus.set(keyOf(nodeId), counts, NODE_LEASE_MS);
				// Only its key decides whether a node is alive, because clocks of nodes differ.
				await bus.addToSortedSet(NODES_KEY, nodeId, clock.nowMs(), FORGET_AFTER_MS);
			} catch (error) {
				this.#fail(error);
			}
		});
	}

	async #read(): Promise<void> {
		if (this.#reading.isRunning || this.#machine.state === 'settling') {
			return;
		}
		const { clock } = this.#deps;
		await this.#reading.run(() => this.#readOthers()).catch((error: unknown) => this.#fail(error));
		if (clock.monotonicMs() - this.#readAtMs > NODE_LEASE_MS) {
			// The counts that were read last have expired by now.
			this.#others = new Map();
		}
	}

	async #readOthers(): Promise<void> {
		const { bus, clock, nodeId } = this.#deps;
		const nodeIds = await bus.membersOfSortedSet(NODES_KEY, MAX_NODES);
		const others = await Promise.all(nodeIds.filter((id) => id !== nodeId).map((id) => bus.get(keyOf(id))));
		this.#machine.handle('others-read');
		// A Redis that restarted between these calls may have been empty for some of them.
		if (this.#machine.state === 'summing') {
			this.#others = addUp(others);
		}
		this.#readAtMs = clock.monotonicMs();
		if (nodeIds.length > 1) {
			await bus.trimSortedSet(NODES_KEY, clock.nowMs() - FORGET_AFTER_MS);
		}
	}

	#fail(error: unknown): void {
		if (this.#scope.closed) {
			return;
		}
		if (this.#machine.state === 'summing') {
			const reason = errorMessage(error);
			this.#deps.logger.warn({ reason }, 'the bus is lost: only viewers of this node are counted');
		}
		this.#machine.handle('bus-failed');
	}

	async #leave(): Promise<void> {
		const { bus, nodeId } = this.#deps;
		try {
			// A write that is under way would put the key back.
			await this.#writing.run(async () => undefined);
			await bus.delete(keyOf(nodeId));
			await bus.removeFromSortedSet(NODES_KEY, nodeId);
		} catch {
			// The key expires.
		}
	}
}

function keyOf(nodeId: string): string {
	return `presence:server:${nodeId}`;
}

// Another node may run another version, so the values are checked.
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
