/** Announcements between nodes over the bus: one table of topics, applied here and published to others in one call. */
import { Type, type Static, type TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';
import type { Logger } from '../../../core/logger.ts';
import type { BusValue, MessageBus } from '../bus/message-bus.ts';
import type { NodeIdentity } from './node-identity.ts';

const channelCommandSchema = Type.Union([
	Type.Object({ kind: Type.Literal('key-revoked'), streamKeyId: Type.String() }),
	Type.Object({ kind: Type.Literal('broadcast-ended'), channelName: Type.String() }),
	Type.Object({
		kind: Type.Literal('channel-changed'),
		channelId: Type.String(),
		channelName: Type.String(),
		/** Null: unchanged. */
		graceWindowMs: Type.Union([Type.Number({ minimum: 0 }), Type.Null()]),
		/** The choice of rungs as settings have it; null: the server's; absent: unchanged. */
		ladder: Type.Optional(Type.Union([Type.String({ maxLength: 200 }), Type.Null()])),
	}),
	Type.Object({ kind: Type.Literal('chat-changed'), channelId: Type.String() }),
]);

/**
 * The wire format of each topic. `sender`: the field with the id of the sending node, which ignores its own messages.
 * Without the field the sender applies its announcement twice.
 */
const TOPICS = {
	'channels/control': {
		schema: Type.Object({ command: channelCommandSchema, senderId: Type.String() }),
		sender: 'senderId',
	},
	/** A viewer has joined the sender; every other node drops them, or they count twice. */
	'presence:moved': {
		schema: Type.Object({ viewerId: Type.String(), channelName: Type.String(), serverId: Type.String() }),
		sender: 'serverId',
	},
	/** Name of a channel that must be read again for its viewers. */
	'channel:changed': { schema: Type.String(), sender: undefined },
	/** Id of a log-in. */
	'accounts/session-ended': { schema: Type.String({ maxLength: 63 }), sender: undefined },
	/** Id of a chat token. */
	'chat-token-deleted': { schema: Type.String(), sender: undefined },
} as const satisfies Record<string, { schema: TSchema; sender: string | undefined }>;

type Topic = keyof typeof TOPICS;
type Wire<T extends Topic> = Static<(typeof TOPICS)[T]['schema']>;
/** The message without its sender, which is added before publishing. */
export type Announcement<T extends Topic> =
	Wire<T> extends string ? Wire<T> : Omit<Wire<T>, NonNullable<(typeof TOPICS)[T]['sender']>>;
type Listener<T extends Topic> = (announcement: Announcement<T>) => void;
type Subscription = { listeners: Set<(announcement: unknown) => void>; firstAttempt: Promise<void> };

/** Pause before a failed subscription is retried. */
const RETRY_DELAY_MS = 1000;
const REPORT_INTERVAL_MS = 60_000;

type AnnouncementsDependencies = NodeIdentity & {
	bus: Pick<MessageBus, 'publish' | 'subscribe'>;
	clock: Clock;
	logger: Logger;
};

/** Sends announcements to all nodes. While the bus is unavailable, only this node gets them. */
export class Announcements {
	readonly #deps: AnnouncementsDependencies;
	readonly #failures: RateLimitedReport;
	readonly #scope: CloseScope<'closed'>;
	readonly #subscriptions = new Map<Topic, Subscription>();

	constructor(deps: AnnouncementsDependencies) {
		this.#deps = deps;
		this.#failures = new RateLimitedReport(deps.clock, deps.logger, 'other nodes are not heard', REPORT_INTERVAL_MS);
		this.#scope = new CloseScope(deps.logger);
	}

	/**
	 * Calls the listener with the announcements of all nodes, sometimes twice. Resolves after the first attempt to
	 * subscribe, to the function that ends the subscription; further attempts follow.
	 */
	async listen<T extends Topic>(topic: T, listener: Listener<T>): Promise<() => void> {
		let subscription = this.#subscriptions.get(topic);
		if (subscription === undefined) {
			subscription = { listeners: new Set(), firstAttempt: this.#subscribe(topic) };
			this.#subscriptions.set(topic, subscription);
		}
		const { listeners, firstAttempt } = subscription;
		const entry = (announcement: unknown): void => listener(announcement as Announcement<T>);
		listeners.add(entry);
		await firstAttempt;
		return () => listeners.delete(entry);
	}

	/** Applies the announcement here at once, then publishes it to the other nodes. Never rejects. */
	async announce<T extends Topic>(topic: T, announcement: Announcement<T>): Promise<void> {
		this.#apply(topic, announcement);
		try {
			await this.announceToOthers(topic, announcement);
		} catch (error) {
			this.#deps.logger.warn({ topic, reason: errorMessage(error) }, 'a change could not be announced to other nodes');
		}
	}

	/** Does not apply the announcement here. Throws BUS_UNAVAILABLE and SERVER_STOPPING. */
	async announceToOthers<T extends Topic>(topic: T, announcement: Announcement<T>): Promise<void> {
		const { sender } = TOPICS[topic];
		const wire = sender === undefined ? announcement : { ...(announcement as object), [sender]: this.#deps.nodeId };
		await this.#deps.bus.publish(topic, wire as BusValue);
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	async #subscribe(topic: Topic): Promise<void> {
		try {
			this.#scope.onClose(await this.#deps.bus.subscribe(topic, (wire) => this.#receive(topic, wire)));
		} catch (error) {
			if (!this.#scope.closed) {
				this.#failures.count({ topic, reason: errorMessage(error) });
				this.#scope.after(this.#deps.clock, RETRY_DELAY_MS, () => void this.#subscribe(topic));
			}
		}
	}

	// Another node may run another version, so the message is checked.
	#receive(topic: Topic, wire: unknown): void {
		const { schema, sender } = TOPICS[topic];
		if (!Value.Check(schema, wire)) {
			return;
		}
		if (sender === undefined || (wire as Record<string, unknown>)[sender] !== this.#deps.nodeId) {
			this.#apply(topic, wire);
		}
	}

	#apply(topic: Topic, announcement: unknown): void {
		this.#subscriptions.get(topic)?.listeners.forEach((listener) => listener(announcement));
	}
}
