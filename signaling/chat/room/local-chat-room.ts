/** The chat of one channel on this node: its members, the checks of their messages, and the effects of log entries. */
import { withDeadline, type Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { ChannelId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import { GUEST_NAME_PREFIX } from '../../../core/protocol/signaling/signaling-constants.ts';
import type { ChatMessage, ChatSettings, ChatStanding } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { NodeIdentity } from '../../platform/cluster/node-identity.ts';
import { AuthorDirectory, type KnownAuthor } from '../moderation/author-directory.ts';
import { describeAuthor, isBound, type ChatAuthor } from '../store/chat-author.ts';
import { parseChatCommand } from '../moderation/chat-commands.ts';
import { chatIdMs, type ChatIds } from '../store/chat-ids.ts';
import { ChatLimits } from '../moderation/chat-limits.ts';
import { ChatRestrictions } from '../moderation/chat-restrictions.ts';
import type {
	ChatDraft,
	ChatJoinResult,
	ChatMember,
	ChatSendResult,
	ModerationRequest,
} from '../store/chat-service.ts';
import type { RoomStore } from '../store/chat-store.ts';
import { cleanChatText, findEmotes } from '../store/chat-text.ts';
import { RecentMessages } from './recent-messages.ts';
import { RoomChannel } from './room-channel.ts';
import type { RoomEntry } from './room-entry.ts';
import { RoomFanOut, type FanOutItem } from './room-fan-out.ts';
import { RoomLog, type RoomBus } from './room-log.ts';
import { RoomModeration } from './room-moderation.ts';

/** A new member waits at most this for a database or bus that does not answer, then gets what is known. */
const READY_DEADLINE_MS = 3000;
/** Settings are read again this often, in case the announcement of a change is lost. */
const REFRESH_INTERVAL_MS = 60_000;
/** An older picture is not live. */
const MAX_CAPTURE_AGE_MS = 24 * 3_600_000;
const MAX_CAPTURE_LEAD_MS = 10_000;
/** Members per slice: a few milliseconds when each must be described again. */
const STANDINGS_PER_SLICE = 200;

export type LocalChatRoomDependencies = NodeIdentity & {
	bus: RoomBus;
	store: RoomStore;
	clock: Clock;
	logger: Logger;
	ids: ChatIds;
	/** Prevents guessing addresses from their hashes. */
	serverSecret: Uint8Array;
};

/** Does nothing before start(). */
export class LocalChatRoom {
	readonly #deps: LocalChatRoomDependencies;
	readonly #channelId: ChannelId;
	readonly #scope: CloseScope<'closed'>;
	readonly #log: RoomLog;
	readonly #fanOut: RoomFanOut;
	readonly #channel: RoomChannel;
	readonly #moderation: RoomModeration;
	readonly #recent = new RecentMessages();
	readonly #directory = new AuthorDirectory();
	readonly #limits: ChatLimits;
	readonly #restrictions: ChatRestrictions;
	/** By member id; cleared when the staff changes. */
	readonly #authors = new Map<string, ChatAuthor>();
	#sentSettings: ChatSettings | undefined;
	#ready: Promise<void> | undefined;

	constructor(deps: LocalChatRoomDependencies, channelId: ChannelId) {
		const common = { ...deps, logger: deps.logger.child({ channelId }) };
		this.#deps = deps;
		this.#channelId = channelId;
		this.#scope = new CloseScope(common.logger);
		this.#limits = new ChatLimits(deps.clock);
		this.#restrictions = new ChatRestrictions(deps.clock);
		this.#log = new RoomLog({ ...common, onEntry: (entry) => this.#onEntry(entry) }, channelId);
		this.#fanOut = new RoomFanOut({ ...common, onDelivered: (item) => this.#onDelivered(item) });
		const onChanged = (isStandingChanged: boolean): void => this.#onChannelChanged(isStandingChanged);
		this.#channel = new RoomChannel({ ...common, restrictions: this.#restrictions, onChanged }, channelId);
		const [log, channel, recent] = [this.#log, this.#channel, this.#recent];
		const findAuthor = (name: string): KnownAuthor | undefined => this.#findAuthor(name);
		this.#moderation = new RoomModeration({ ...common, log, channel, recent, findAuthor }, channelId);
	}

	/** Starts to follow the log. Never throws. */
	start(): void {
		this.#ready ??= this.#open();
	}

	async join(member: ChatMember, lastChatId: string | undefined): Promise<ChatJoinResult> {
		await this.#whenReady();
		this.#authors.delete(member.id);
		this.#fanOut.add(member);
		const author = this.#authorOf(member);
		const { messages, hasGap } = this.#recent.after(lastChatId);
		return {
			history: messages,
			hasGap,
			settings: this.#channel.settings,
			...this.#standingOf(member, author),
			badges: author.author.badges,
		};
	}

	leave(memberId: string): void {
		this.#fanOut.remove(memberId);
		this.#authors.delete(memberId);
	}

	async send(memberId: string, draft: ChatDraft): Promise<ChatSendResult> {
		const { member, author } = this.#find(memberId);
		await this.#channel.ensureLoaded();
		this.#assertMayWrite(member, author);
		this.#limits.admit(author);
		const text = cleanChatText(draft.text);
		if (text === undefined) {
			throw new SpillwayError('CHAT_MESSAGE_INVALID', ['it is empty or too long']);
		}
		const command = parseChatCommand(text);
		if (command.kind !== 'say') {
			await this.#moderation.run(author, command);
			return { messageId: this.#deps.ids.next(), badges: author.author.badges };
		}
		if (!author.canModerate && this.#channel.isBlocked(command.text)) {
			throw new SpillwayError('CHAT_WORD_BLOCKED');
		}
		this.#limits.check(author, command.text, this.#channel.policy.slowModeSeconds);
		const message = this.#createMessage(author, command.text, draft.captureTimeMs);
		this.#limits.record(author.author.id, author.user === undefined, command.text);
		await this.#log.append({ id: message.id, kind: 'message', message, subjects: author.subjects, senderId: memberId });
		return { messageId: message.id, badges: author.author.badges };
	}

	async moderate(memberId: string, request: ModerationRequest): Promise<void> {
		const { author } = this.#find(memberId);
		await this.#channel.ensureLoaded();
		this.#limits.admit(author);
		await this.#moderation.moderate(author, request);
	}

	async release(authorName: string): Promise<void> {
		await this.#whenReady();
		// Without members the room closes before the bus is back, so the other nodes never get the entry.
		if (this.#log.isDetached && this.#fanOut.members.size === 0) {
			throw new SpillwayError('BUS_UNAVAILABLE');
		}
		await this.#moderation.release(authorName);
	}

	reload(): void {
		void this.#channel.load();
	}

	/** Removes all members. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	async #open(): Promise<void> {
		this.#scope.onClose(() => this.#fanOut.close());
		this.#scope.onClose(() => this.#log.close());
		const refresh = (): void => void (this.#fanOut.members.size > 0 ? this.#channel.load() : undefined);
		this.#scope.every(this.#deps.clock, REFRESH_INTERVAL_MS, refresh);
		// In parallel; the restrictions of the database replace those of the log, which can be out of date.
		await Promise.all([this.#log.open(), this.#channel.load()]);
	}

	async #whenReady(): Promise<void> {
		const late = new SpillwayError('BUS_UNAVAILABLE');
		await withDeadline(this.#deps.clock, this.#ready!, READY_DEADLINE_MS, () => late).catch(() => undefined);
		this.#assertOpen();
	}

	#onEntry(entry: RoomEntry): void {
		this.#deps.ids.observe(entry.id);
		switch (entry.kind) {
			case 'message':
				this.#onMessage(entry);
				break;
			case 'deleted':
				this.#fanOut.push({
					kind: 'notice',
					message: { type: 'chat-removed', messageIds: entry.messageIds },
					removal: { messages: [], author: undefined },
				});
				break;
			case 'restricted':
				this.#restrictions.set(entry.subjects, entry.untilMs, chatIdMs(entry.id));
				this.#fanOut.push({
					kind: 'notice',
					message: { type: 'chat-removed', messageIds: [], authorId: entry.authorId },
					removal: { messages: [], author: { name: entry.authorName, seconds: entry.seconds ?? undefined } },
				});
				this.#notifyStandings(this.#restrictions.bindingSince(entry.subjects));
				break;
			case 'released': {
				const lifted = this.#restrictions.bindingSince(entry.subjects);
				this.#restrictions.lift(entry.subjects);
				this.#notifyStandings(lifted);
				break;
			}
			case 'settings':
				void this.#channel.load();
				break;
		}
	}

	#onMessage(entry: Extract<RoomEntry, { kind: 'message' }>): void {
		const { message, subjects, senderId } = entry;
		const isOurs = this.#fanOut.members.has(senderId);
		if (!isOurs) {
			this.#limits.record(message.author.id, subjects.length === 1, message.text);
		}
		this.#directory.add({ ...message.author, subjects });
		this.#fanOut.push({
			kind: 'message',
			message,
			senderId: isOurs ? senderId : undefined,
			isLate: entry.isLate === true,
		});
	}

	// Updates the history for members who join later.
	#onDelivered(item: FanOutItem): void {
		if (item.kind === 'message') {
			this.#recent.add(item.message, item.isLate);
			return;
		}
		if (item.message.type === 'chat-removed') {
			const { messageIds, authorId } = item.message;
			item.removal?.messages.push(...messageIds.flatMap((messageId) => this.#recent.find(messageId) ?? []));
			this.#recent.remove(({ id, author }) => messageIds.includes(id) || author.id === authorId);
		}
	}

	#onChannelChanged(isStandingChanged: boolean): void {
		const { settings } = this.#channel;
		const sent = this.#sentSettings;
		const isSame =
			sent?.slowModeSeconds === settings.slowModeSeconds && sent.isAccountRequired === settings.isAccountRequired;
		this.#sentSettings = settings;
		if (!isSame && this.#fanOut.members.size > 0) {
			this.#fanOut.push({ kind: 'notice', message: { type: 'chat-settings', settings }, removal: undefined });
		}
		if (isStandingChanged) {
			this.#authors.clear();
			this.#notifyStandings('everybody');
		}
	}

	/** Notifies the members that these marks bind, or all, of their standing; in slices, so that a large room runs on. */
	#notifyStandings(
		bound: ReadonlyMap<string, number> | 'everybody',
		members = [...this.#fanOut.members.values()],
	): void {
		for (const member of members.slice(0, STANDINGS_PER_SLICE)) {
			// The member may have left since.
			if (this.#fanOut.members.get(member.id) !== member) {
				continue;
			}
			const author = this.#authorOf(member);
			if (bound === 'everybody' || isBound(author, bound)) {
				this.#fanOut.notify(member, { type: 'chat-standing', ...this.#standingOf(member, author) });
			}
		}
		const rest = members.slice(STANDINGS_PER_SLICE);
		if (rest.length > 0) {
			this.#scope.after(this.#deps.clock, 0, () => this.#notifyStandings(bound, rest));
		}
	}

	#createMessage(author: ChatAuthor, text: string, captureTimeMs: number | undefined): ChatMessage {
		const nowMs = this.#deps.clock.nowMs();
		const isPlausible =
			captureTimeMs !== undefined &&
			captureTimeMs > nowMs - MAX_CAPTURE_AGE_MS &&
			captureTimeMs < nowMs + MAX_CAPTURE_LEAD_MS;
		return {
			id: this.#deps.ids.next(),
			sentAtMs: nowMs,
			captureTimeMs: isPlausible ? captureTimeMs : null,
			author: author.author,
			text,
			emotes: findEmotes(text),
		};
	}

	#standingOf(member: ChatMember, author: ChatAuthor): ChatStanding {
		const remainingMs = this.#restrictedForMs(author);
		const lacksAccount = member.user === undefined && this.#channel.policy.isAccountRequired;
		const mayEverWrite = member.isReadOnly !== true && remainingMs !== Infinity && !lacksAccount;
		return {
			chatName: mayEverWrite ? author.author.name : null,
			canModerate: author.canModerate,
			chatRestriction: remainingMs === 0 ? null : { remainingMs: remainingMs === Infinity ? null : remainingMs },
		};
	}

	/** 0 for an author without restrictions and for moderators; Infinity for a banned one. */
	#restrictedForMs(author: ChatAuthor): number {
		const binding = author.subjects.filter((subject) => isBound(author, this.#restrictions.bindingSince([subject])));
		return author.canModerate ? 0 : Math.max(0, ...binding.map((subject) => this.#restrictions.remainingMs(subject)));
	}

	#assertMayWrite(member: ChatMember, author: ChatAuthor): void {
		if (member.isReadOnly === true) {
			throw new SpillwayError('CHAT_READ_ONLY', ['this connection is anonymous']);
		}
		if (member.user === undefined && this.#channel.policy.isAccountRequired) {
			throw new SpillwayError('CHAT_READ_ONLY', ['this channel asks for an account; log in first']);
		}
		const remainingMs = this.#restrictedForMs(author);
		if (remainingMs > 0) {
			const retryAfterSeconds = Math.ceil(remainingMs / 1000);
			throw remainingMs === Infinity
				? new SpillwayError('CHAT_BANNED')
				: new SpillwayError('CHAT_TIMED_OUT', [retryAfterSeconds], { retryAfterSeconds });
		}
	}

	#find(memberId: string): { member: ChatMember; author: ChatAuthor } {
		this.#assertOpen();
		const member = this.#fanOut.members.get(memberId);
		if (member === undefined) {
			throw new SpillwayError('SESSION_NOT_FOUND');
		}
		return { member, author: this.#authorOf(member) };
	}

	#assertOpen(): void {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
	}

	#authorOf(member: ChatMember): ChatAuthor {
		let author = this.#authors.get(member.id);
		if (author === undefined) {
			author = describeAuthor(member, this.#channelId, this.#channel.staff, this.#deps.serverSecret);
			this.#authors.set(member.id, author);
		}
		return author;
	}

	#findAuthor(name: string): KnownAuthor | undefined {
		const known = this.#directory.find(name);
		if (known !== undefined) {
			return known;
		}
		const wanted = name.toLowerCase();
		for (const member of this.#fanOut.members.values()) {
			// A guest's name costs a hash, so it is made only when the wanted name is a guest's.
			if (
				member.user === undefined ? wanted.startsWith(GUEST_NAME_PREFIX) : member.user.name.toLowerCase() === wanted
			) {
				const { author, subjects } = this.#authorOf(member);
				if (author.name.toLowerCase() === wanted) {
					return { ...author, subjects };
				}
			}
		}
		return undefined;
	}
}
