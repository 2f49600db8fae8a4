/**
 * Makes changes to a channel take effect on what is live: revoked keys end their sessions, a new grace window counts at
 * once, a broadcast is ended. Announces them to the other nodes, because the publisher may be on any of them.
 */
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { errorMessage } from '../../core/errors/errors.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { MessageBus } from '../platform/bus/message-bus.ts';

const CHANNEL_CONTROL_TOPIC = 'channels/control';

const commandSchema = Type.Union([
	Type.Object({ kind: Type.Literal('key-revoked'), streamKeyId: Type.String() }),
	Type.Object({ kind: Type.Literal('broadcast-ended'), channelName: Type.String() }),
	Type.Object({
		kind: Type.Literal('channel-changed'),
		channelId: Type.String(),
		channelName: Type.String(),
		/** Null: as before. */
		graceWindowMs: Type.Union([Type.Number({ minimum: 0 }), Type.Null()]),
	}),
	Type.Object({ kind: Type.Literal('chat-changed'), channelId: Type.String() }),
]);
type Command = Static<typeof commandSchema>;

/** On every node, for what else follows a change. */
type ChannelControlEvents = {
	/** Revoked or replaced: the sessions that came by it end. */
	streamKeyRevoked: [streamKeyId: string];
	/** What is known about its publishers is out of date. */
	graceWindowChanged: [channelId: ChannelId];
	/** Title, category, policy or grace window may be different: read the channel again. */
	channelChanged: [channelId: ChannelId];
	/** Moderators or chat settings may be different. */
	chatChanged: [channelId: ChannelId];
};

type ChannelControlDependencies = {
	logger: Logger;
	bus: Pick<MessageBus, 'publish' | 'subscribe'>;
	registry: Pick<BroadcastRegistry, 'find'>;
};

/** Applies commands here and sends them to the other servers. */
export class ChannelControl extends TypedEmitter<ChannelControlEvents> {
	readonly #deps: ChannelControlDependencies;
	/** Commands of this node come back over the bus; they have been applied. */
	readonly #senderId: string = crypto.randomUUID();
	#unsubscribe: (() => void) | undefined;

	constructor(deps: ChannelControlDependencies) {
		super(deps.logger);
		this.#deps = deps;
	}

	/** Listens to the other nodes. Without a bus it works for this one. */
	async start(): Promise<void> {
		const { bus, logger } = this.#deps;
		try {
			this.#unsubscribe = await bus.subscribe(CHANNEL_CONTROL_TOPIC, (message) => {
				const { senderId, command } = (message ?? {}) as { senderId?: unknown; command?: unknown };
				if (senderId !== this.#senderId && Value.Check(commandSchema, command)) {
					this.#apply(command);
				}
			});
		} catch (error) {
			logger.warn({ reason: errorMessage(error) }, 'changes to channels made on other servers are not heard');
		}
	}

	close(): void {
		this.#unsubscribe?.();
	}

	/** Ends the sessions that came by the key, at once. The key has been revoked in the database. */
	revokeKey(streamKeyId: string): Promise<void> {
		return this.#send({ kind: 'key-revoked', streamKeyId });
	}

	/** Ends the channel's broadcast, if there is one. */
	endBroadcast(channelName: ChannelName): Promise<void> {
		return this.#send({ kind: 'broadcast-ended', channelName });
	}

	/** The channel has been changed in the database; `graceWindowMs` only when that was. */
	changeChannel(channel: { id: ChannelId; name: ChannelName }, graceWindowMs: number | undefined): Promise<void> {
		return this.#send({
			kind: 'channel-changed',
			channelId: channel.id,
			channelName: channel.name,
			graceWindowMs: graceWindowMs ?? null,
		});
	}

	/** Moderators or chat settings have been changed in the database. */
	changeChat(channelId: ChannelId): Promise<void> {
		return this.#send({ kind: 'chat-changed', channelId });
	}

	async #send(command: Command): Promise<void> {
		const { bus, logger } = this.#deps;
		this.#apply(command);
		try {
			await bus.publish(CHANNEL_CONTROL_TOPIC, { senderId: this.#senderId, command });
		} catch (error) {
			logger.warn({ kind: command.kind, reason: errorMessage(error) }, 'a change could not be told to other servers');
		}
	}

	#apply(command: Command): void {
		const { registry, logger } = this.#deps;
		switch (command.kind) {
			case 'key-revoked':
				this.emit('streamKeyRevoked', command.streamKeyId);
				return;
			case 'broadcast-ended':
				registry
					.find(command.channelName)
					?.close('unpublished')
					.catch((error: unknown) => logger.error({ err: error }, 'a broadcast could not be ended'));
				return;
			case 'channel-changed':
				if (command.graceWindowMs !== null) {
					this.emit('graceWindowChanged', command.channelId as ChannelId);
					registry.find(command.channelName)?.setGraceWindow(command.graceWindowMs);
				}
				this.emit('channelChanged', command.channelId as ChannelId);
				return;
			case 'chat-changed':
				this.emit('chatChanged', command.channelId as ChannelId);
				return;
		}
	}
}
