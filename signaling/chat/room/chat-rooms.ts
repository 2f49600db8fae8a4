/** The chat rooms of this node, by channel. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { ChannelId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import { ChatIds } from '../store/chat-ids.ts';
import type { ChatRoom, ChatService } from '../store/chat-service.ts';
import type { RoomStore } from '../store/chat-store.ts';
import { LocalChatRoom } from './local-chat-room.ts';
import type { RoomBus } from './room-log.ts';

/** What {@link ChatRooms} needs. */
export type ChatRoomsOptions = {
	bus: RoomBus;
	store: RoomStore;
	clock: Clock;
	logger: Logger;
	serverSecret: Uint8Array;
};

type Opened = { room: LocalChatRoom; count: number };

/** Implements {@link ChatService}: one room per channel, as long as somebody has it open. */
export class ChatRooms implements ChatService {
	readonly #options: ChatRoomsOptions;
	readonly #ids: ChatIds;
	readonly #opened = new Map<ChannelId, Opened>();
	readonly #scope: CloseScope<'server-shutdown'>;

	constructor(options: ChatRoomsOptions) {
		this.#options = options;
		this.#ids = new ChatIds(options.clock);
		this.#scope = new CloseScope(options.logger);
		this.#scope.onClose(async () => {
			await Promise.all([...this.#opened.values()].map(({ room }) => room.close()));
			this.#opened.clear();
		});
	}

	/** Rooms that are open, for metrics. */
	get roomCount(): number {
		return this.#opened.size;
	}

	open(channelId: ChannelId): ChatRoom {
		const opened = this.#take(channelId);
		let isOpen = true;
		const { room } = opened;
		return {
			join: (member, lastChatId) => room.join(member, lastChatId),
			leave: (memberId) => room.leave(memberId),
			send: (memberId, draft) => room.send(memberId, draft),
			moderate: (memberId, request) => room.moderate(memberId, request),
			close: () => {
				if (isOpen) {
					isOpen = false;
					this.#giveBack(channelId, opened);
				}
			},
		};
	}

	settingsChanged(channelId: ChannelId): void {
		this.#opened.get(channelId)?.room.reload();
	}

	async release(channelId: ChannelId, authorName: string): Promise<void> {
		const opened = this.#take(channelId);
		try {
			await opened.room.release(authorName);
		} finally {
			this.#giveBack(channelId, opened);
		}
	}

	/** Closes all rooms. Idempotent. */
	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	#take(channelId: ChannelId): Opened {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		const opened = this.#opened.get(channelId) ?? this.#make(channelId);
		opened.count++;
		return opened;
	}

	#make(channelId: ChannelId): Opened {
		const room = new LocalChatRoom({ ...this.#options, channelId, ids: this.#ids });
		room.start();
		const opened = { room, count: 0 };
		this.#opened.set(channelId, opened);
		return opened;
	}

	#giveBack(channelId: ChannelId, opened: Opened): void {
		opened.count--;
		if (opened.count === 0 && this.#opened.get(channelId) === opened) {
			this.#opened.delete(channelId);
			void opened.room.close();
		}
	}
}
