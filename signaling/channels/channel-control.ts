/**
 * Applies changes of a channel to what is live: revoked keys end their sessions, a new grace window or choice of rungs
 * applies at once, a broadcast ends. Announces them to the other nodes, because the publisher can be on any of them.
 */
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { formatLadderChoice, parseLadderChoice, type LadderChoice } from '../../core/protocol/ladder-choice.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Announcement, Announcements } from '../platform/cluster/announcements.ts';

type Command = Announcement<'channels/control'>['command'];

/** Emitted on every node. */
type ChannelControlEvents = {
	/** Revoked or replaced: the sessions that used it end. */
	streamKeyRevoked: [streamKeyId: string];
	/** Cached permissions of its publishers are out of date. */
	permissionChanged: [channelId: ChannelId];
	/** Title, category, policy and others may have changed: read the channel again. */
	channelChanged: [channelId: ChannelId, channelName: ChannelName];
	/** Moderators or chat settings may have changed. */
	chatChanged: [channelId: ChannelId];
};

type ChannelControlDependencies = {
	logger: Logger;
	announcements: Pick<Announcements, 'listen' | 'announce'>;
	registry: Pick<BroadcastRegistry, 'find'>;
};

export class ChannelControl extends TypedEmitter<ChannelControlEvents> {
	readonly #deps: ChannelControlDependencies;
	#unsubscribe: (() => void) | undefined;

	constructor(deps: ChannelControlDependencies) {
		super(deps.logger);
		this.#deps = deps;
	}

	/** Listens to the other nodes. Without a bus, changes apply to this node only. */
	async start(): Promise<void> {
		const { announcements } = this.#deps;
		this.#unsubscribe = await announcements.listen('channels/control', ({ command }) => this.#apply(command));
	}

	close(): void {
		this.#unsubscribe?.();
	}

	/** Ends the sessions of the key at once. Call it after the key is revoked in the database. */
	revokeKey(streamKeyId: string): Promise<void> {
		return this.#send({ kind: 'key-revoked', streamKeyId });
	}

	/** Does nothing when the channel is offline. */
	endBroadcast(channelName: ChannelName): Promise<void> {
		return this.#send({ kind: 'broadcast-ended', channelName });
	}

	/**
	 * Call it after the channel is changed in the database; with the settings that changed. `ladderChoice`: null for the
	 * server's.
	 */
	changeChannel(
		channel: { id: ChannelId; name: ChannelName },
		{ graceWindowMs, ladderChoice }: { graceWindowMs?: number; ladderChoice?: LadderChoice | null },
	): Promise<void> {
		return this.#send({
			kind: 'channel-changed',
			channelId: channel.id,
			channelName: channel.name,
			graceWindowMs: graceWindowMs ?? null,
			...(ladderChoice === undefined ? {} : { ladder: ladderChoice && formatLadderChoice(ladderChoice) }),
		});
	}

	/** Call it after moderators or chat settings are changed in the database. */
	changeChat(channelId: ChannelId): Promise<void> {
		return this.#send({ kind: 'chat-changed', channelId });
	}

	#send(command: Command): Promise<void> {
		return this.#deps.announcements.announce('channels/control', { command });
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
				this.#changeBroadcast(command);
				this.emit('channelChanged', command.channelId as ChannelId, command.channelName as ChannelName);
				return;
			case 'chat-changed':
				this.emit('chatChanged', command.channelId as ChannelId);
				return;
		}
	}

	#changeBroadcast(command: Extract<Command, { kind: 'channel-changed' }>): void {
		const { channelId, channelName, graceWindowMs, ladder } = command;
		if (graceWindowMs === null && ladder === undefined) {
			return;
		}
		this.emit('permissionChanged', channelId as ChannelId);
		const broadcast = this.#deps.registry.find(channelName);
		if (broadcast !== undefined && graceWindowMs !== null) {
			broadcast.setGraceWindow(graceWindowMs);
		}
		if (broadcast !== undefined && ladder !== undefined) {
			broadcast.ladderChoice = ladder === null ? undefined : parseLadderChoice(ladder);
		}
	}
}
