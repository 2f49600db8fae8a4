/** The moderation of a room: delete, time out, ban, release, slow mode, and the checks of who may do it. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { ChannelId } from '../../../core/ids.ts';
import { rankOf, type KnownAuthor } from '../moderation/author-directory.ts';
import { badgesOf, type ChatAuthor } from '../store/chat-author.ts';
import { checkTimeout, DEFAULT_TIMEOUT_SECONDS, type ChatCommand } from '../moderation/chat-commands.ts';
import type { ChatIds } from '../store/chat-ids.ts';
import type { ModerationRequest } from '../store/chat-service.ts';
import type { RoomStore } from '../store/chat-store.ts';
import type { RecentMessages } from './recent-messages.ts';
import type { RoomChannel } from './room-channel.ts';
import type { RoomEntry } from './room-entry.ts';

/** Marks per release. */
const MAX_RELEASED = 50;

type RoomModerationDependencies = {
	store: RoomStore;
	clock: Clock;
	ids: ChatIds;
	log: { append(entry: RoomEntry): Promise<void> };
	channel: Pick<RoomChannel, 'staff' | 'load'>;
	recent: Pick<RecentMessages, 'find'>;
	/** Finds members and recent authors. */
	findAuthor: (name: string) => KnownAuthor | undefined;
};

/** Throws CHAT_MODERATION_REFUSED and CHAT_TARGET_UNKNOWN. Actions apply at once on all nodes and are then stored. */
export class RoomModeration {
	readonly #deps: RoomModerationDependencies;
	readonly #channelId: ChannelId;

	constructor(deps: RoomModerationDependencies, channelId: ChannelId) {
		this.#deps = deps;
		this.#channelId = channelId;
	}

	/** A typed command. */
	async run(actor: ChatAuthor, command: Exclude<ChatCommand, { kind: 'say' }>): Promise<void> {
		if (command.kind === 'slow') {
			await this.#setSlowMode(actor, command.seconds);
			return;
		}
		const { kind: action, ...details } = command;
		await this.moderate(actor, { action, ...details });
	}

	/** A request from a moderator's page. */
	async moderate(actor: ChatAuthor, request: ModerationRequest): Promise<void> {
		if (request.action === 'delete') {
			await this.#delete(actor, request.messageId ?? '');
			return;
		}
		this.#assertModerator(actor);
		const name = request.userName ?? this.#deps.recent.find(request.messageId ?? '')?.author.name;
		if (name === undefined) {
			throw new SpillwayError('CHAT_TARGET_UNKNOWN', ['such message']);
		}
		if (request.action === 'unban') {
			await this.release(name);
		} else {
			const seconds = request.action === 'ban' ? null : checkTimeout(request.seconds ?? DEFAULT_TIMEOUT_SECONDS);
			await this.#restrict(actor, name, seconds);
		}
	}

	/** Lifts the restrictions of an author. */
	async release(name: string): Promise<void> {
		const stored = await this.#deps.store.release(this.#channelId, name);
		const known = this.#deps.findAuthor(name)?.subjects ?? [];
		const subjects = [...new Set([...known, ...stored])].slice(0, MAX_RELEASED);
		if (subjects.length === 0) {
			throw new SpillwayError('CHAT_TARGET_UNKNOWN', [`restriction of "${name.slice(0, 40)}"`]);
		}
		await this.#append({ kind: 'released', subjects });
	}

	async #delete(actor: ChatAuthor, messageId: string): Promise<void> {
		const message = this.#deps.recent.find(messageId);
		// Authors may delete their own messages.
		if (message?.author.id !== actor.author.id) {
			this.#assertModerator(actor);
			if (message === undefined) {
				throw new SpillwayError('CHAT_TARGET_UNKNOWN', ['such message']);
			}
			assertOutranks(actor, message.author);
		}
		await this.#append({ kind: 'deleted', messageIds: [messageId] });
	}

	async #restrict(actor: ChatAuthor, name: string, seconds: number | null): Promise<void> {
		const target = this.#deps.findAuthor(name) ?? (await this.#findAccount(name));
		if (target === undefined) {
			throw new SpillwayError('CHAT_TARGET_UNKNOWN', [`"${name.slice(0, 40)}"`]);
		}
		assertOutranks(actor, target);
		const untilMs = seconds === null ? null : this.#deps.clock.nowMs() + seconds * 1000;
		await this.#append({
			kind: 'restricted',
			subjects: [...target.subjects],
			authorId: target.id,
			authorName: target.name,
			untilMs,
			seconds,
		});
		await this.#deps.store.restrict(this.#channelId, {
			subjects: target.subjects,
			authorName: target.name,
			untilMs,
			moderatorId: actor.user?.id,
		});
	}

	async #setSlowMode(actor: ChatAuthor, seconds: number): Promise<void> {
		this.#assertModerator(actor);
		await this.#deps.store.setSlowMode(this.#channelId, seconds);
		await this.#append({ kind: 'settings' });
		// The entry loads the settings on this node too, but the command's answer must not come before that.
		await this.#deps.channel.load();
	}

	async #findAccount(name: string): Promise<KnownAuthor | undefined> {
		const user = await this.#deps.store.findUser(name);
		return user === undefined
			? undefined
			: {
					id: user.id,
					name: user.name,
					badges: badgesOf(user, this.#deps.channel.staff),
					subjects: [`user:${user.id}`],
				};
	}

	#assertModerator(actor: ChatAuthor): void {
		if (!actor.canModerate) {
			throw new SpillwayError('CHAT_MODERATION_REFUSED', ['only moderators can do that']);
		}
	}

	async #append(entry: DistributiveOmit<RoomEntry, 'id'>): Promise<void> {
		await this.#deps.log.append({ ...entry, id: this.#deps.ids.next() });
	}
}

type DistributiveOmit<T, Key extends PropertyKey> = T extends unknown ? Omit<T, Key> : never;

function assertOutranks(actor: ChatAuthor, target: Pick<KnownAuthor, 'id' | 'badges'>): void {
	if (target.id === actor.author.id) {
		throw new SpillwayError('CHAT_MODERATION_REFUSED', ['that is yourself']);
	}
	if (rankOf(target.badges) >= rankOf(actor.author.badges)) {
		throw new SpillwayError('CHAT_MODERATION_REFUSED', ['they keep order here too']);
	}
}
