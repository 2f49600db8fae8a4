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
import type { RoomStore } from '../store/chat-store.ts';
import { Rounds } from './rounds.ts';

/** Between attempts at the first load, for all members who want to write together. */
const RETRY_INTERVAL_MS = 1000;

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
	#policy: ChannelChatSettings = DEFAULT_CHAT_SETTINGS;
	#staff: ChannelStaff = { ownerId: null, moderatorIds: new Set() };
	#isLoaded = false;
	#isBlocked = createWordFilter([]);
	#triedAtMs = -Infinity;

	constructor(deps: RoomChannelDependencies, channelId: ChannelId) {
		this.#deps = deps;
		this.#channelId = channelId;
	}

	get policy(): ChannelChatSettings {
		return this.#policy;
	}

	/** The part that viewers see. */
	get settings(): ChatSettings {
		const { slowModeSeconds, isAccountRequired } = this.#policy;
		return { slowModeSeconds, isAccountRequired };
	}

	get staff(): ChannelStaff {
		return this.#staff;
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
		const channel = await store.readChannel(this.#channelId);
		if (!this.#isLoaded) {
			restrictions.load(await store.listRestrictions(this.#channelId));
		}
		this.#isLoaded = true;
		const policy = channel?.policy ?? DEFAULT_CHAT_SETTINGS;
		const staff = channel?.staff ?? { ownerId: null, moderatorIds: new Set<string>() };
		const isStandingChanged = describeStandings(policy, staff) !== describeStandings(this.#policy, this.#staff);
		if (isStandingChanged || JSON.stringify(policy) !== JSON.stringify(this.#policy)) {
			this.#policy = policy;
			this.#staff = staff;
			this.#isBlocked = createWordFilter(policy.blockedWords);
			onChanged(isStandingChanged);
		}
	}
}

function describeStandings({ isAccountRequired }: ChannelChatSettings, staff: ChannelStaff): string {
	return JSON.stringify([isAccountRequired, staff.ownerId, [...staff.moderatorIds].sort()]);
}
