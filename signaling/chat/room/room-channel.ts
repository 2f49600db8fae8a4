/** A room's copy of its channel: settings, staff and restrictions from the database, kept while that is lost. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import type { ChannelId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ChatSettings } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { ChannelChatSettings } from '../../../core/protocol/api/chat-settings.ts';
import { DEFAULT_CHAT_SETTINGS } from '../../channels/moderator-store.ts';
import { createWordFilter } from '../moderation/blocked-words.ts';
import type { ChannelStaff } from '../store/chat-author.ts';
import type { ChatRestrictions } from '../moderation/chat-restrictions.ts';
import type { ChannelChat, RoomStore } from '../store/chat-store.ts';
import { Rounds } from './rounds.ts';

/** Between attempts at the first load, for all members who want to write together. */
const RETRY_INTERVAL_MS = 1000;
const DEFAULT_CHAT: ChannelChat = {
	policy: DEFAULT_CHAT_SETTINGS,
	staff: { ownerId: null, moderatorIds: new Set() },
};

type RoomChannelDependencies = {
	store: RoomStore;
	clock: Clock;
	logger: Logger;
	restrictions: ChatRestrictions;
	/** Settings or staff have changed; `isStandingChanged`: members' permissions may have changed. */
	onChanged: (isStandingChanged: boolean) => void;
};

/** Has the defaults before load(). */
export class RoomChannel {
	readonly #deps: RoomChannelDependencies;
	readonly #channelId: ChannelId;
	readonly #loads = new Rounds(() => this.#loadOrWarn());
	#chat = DEFAULT_CHAT;
	#isLoaded = false;
	#isBlocked = createWordFilter([]);
	#triedAtMs = -Infinity;

	constructor(deps: RoomChannelDependencies, channelId: ChannelId) {
		this.#deps = deps;
		this.#channelId = channelId;
	}

	get policy(): ChannelChatSettings {
		return this.#chat.policy;
	}

	/** The part that viewers see. */
	get settings(): ChatSettings {
		const { slowModeSeconds, isAccountRequired } = this.#chat.policy;
		return { slowModeSeconds, isAccountRequired };
	}

	get staff(): ChannelStaff {
		return this.#chat.staff;
	}

	/** True for a text with a blocked word. */
	isBlocked(text: string): boolean {
		return this.#isBlocked(text);
	}

	/** Throws DATABASE_UNAVAILABLE until bans and settings were loaded once, so that no message is sent unchecked. */
	async ensureLoaded(): Promise<void> {
		if (this.#isLoaded) {
			return;
		}
		if (this.#deps.clock.monotonicMs() - this.#triedAtMs >= RETRY_INTERVAL_MS) {
			await this.load();
		}
		if (!this.#isLoaded) {
			throw new SpillwayError('DATABASE_UNAVAILABLE', [], { retryAfterSeconds: 5 });
		}
	}

	/** Reads everything again. Never rejects: without the database, the present state stays. */
	load(): Promise<void> {
		return this.#loads.ask();
	}

	async #loadOrWarn(): Promise<void> {
		const { clock, logger } = this.#deps;
		try {
			await this.#loadOnce();
		} catch (error) {
			logger.warn({ err: errorMessage(error) }, 'chat settings could not be read');
		}
		this.#triedAtMs = clock.monotonicMs();
	}

	async #loadOnce(): Promise<void> {
		const { store, restrictions, onChanged } = this.#deps;
		const chat = (await store.readChannel(this.#channelId)) ?? DEFAULT_CHAT;
		if (!this.#isLoaded) {
			restrictions.load(await store.listRestrictions(this.#channelId));
		}
		this.#isLoaded = true;
		const isStandingChanged = describeStandings(chat) !== describeStandings(this.#chat);
		if (isStandingChanged || JSON.stringify(chat.policy) !== JSON.stringify(this.#chat.policy)) {
			this.#chat = chat;
			this.#isBlocked = createWordFilter(chat.policy.blockedWords);
			onChanged(isStandingChanged);
		}
	}
}

function describeStandings({ policy, staff }: ChannelChat): string {
	return JSON.stringify([policy.isAccountRequired, staff.ownerId, [...staff.moderatorIds].sort()]);
}
