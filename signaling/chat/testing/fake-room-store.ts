/** Chat rooms without a database: a store in memory, whose fields tests set. */
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { ChannelId } from '../../../core/ids.ts';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import type { ChannelChatSettings } from '../../../core/protocol/api/chat-settings.ts';
import { DEFAULT_CHAT_SETTINGS } from '../../channels/moderator-store.ts';
import type { User } from '../../accounts/user.ts';
import { createNodeIdentity } from '../../platform/cluster/node-identity.ts';
import { ChatRooms } from '../room/chat-rooms.ts';
import type { RoomBus } from '../room/room-log.ts';
import type { ChannelChat, Restriction, RoomStore } from '../store/chat-store.ts';

export class FakeRoomStore implements RoomStore {
	policy: ChannelChatSettings = DEFAULT_CHAT_SETTINGS;
	ownerId: string | null = 'owner';
	moderatorIds = new Set<string>(['mod']);
	users: User[] = [];
	restrictions: Array<Restriction & { authorName: string }> = [];
	/** Every method throws DATABASE_UNAVAILABLE. */
	isLost = false;

	async readChannel(_channelId: ChannelId): Promise<ChannelChat> {
		this.#assertThere();
		return { policy: this.policy, staff: { ownerId: this.ownerId, moderatorIds: new Set(this.moderatorIds) } };
	}

	async setSlowMode(_channelId: ChannelId, seconds: number): Promise<void> {
		this.#assertThere();
		this.policy = { ...this.policy, slowModeSeconds: seconds };
	}

	async listRestrictions(_channelId: ChannelId): Promise<Restriction[]> {
		this.#assertThere();
		return this.restrictions;
	}

	async restrict(_channelId: ChannelId, target: Parameters<RoomStore['restrict']>[1]): Promise<void> {
		this.#assertThere();
		for (const subject of target.subjects) {
			// Zero, so that a restriction is older than every account.
			const { untilMs, authorName } = target;
			this.restrictions.push({ subject, sinceMs: 0, untilMs, authorName: authorName.toLowerCase() });
		}
	}

	async release(_channelId: ChannelId, authorName: string): Promise<string[]> {
		this.#assertThere();
		const lifted = this.restrictions.filter((restriction) => restriction.authorName === authorName.toLowerCase());
		this.restrictions = this.restrictions.filter((restriction) => !lifted.includes(restriction));
		return lifted.map(({ subject }) => subject);
	}

	async findUser(name: string): Promise<User | undefined> {
		this.#assertThere();
		return this.users.find((user) => user.name === name.toLowerCase());
	}

	#assertThere(): void {
		if (this.isLost) {
			throw new SpillwayError('DATABASE_UNAVAILABLE');
		}
	}
}

/** The rooms of a new node on the bus. */
export function createTestRooms(deps: { bus: RoomBus; clock: Clock; store?: RoomStore }): ChatRooms {
	const defaults = { store: new FakeRoomStore(), logger: silentLogger, serverSecret: new Uint8Array(32) };
	return new ChatRooms({ ...createNodeIdentity(), ...defaults, ...deps });
}
