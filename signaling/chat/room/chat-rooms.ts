/** The chat rooms of this node, by channel. */
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { ChannelId } from '../../../core/ids.ts';
import { ChatIds } from '../store/chat-ids.ts';
import type { ChatRoom, ChatService } from '../store/chat-service.ts';
import { LocalChatRoom, type LocalChatRoomDependencies } from './local-chat-room.ts';

type Opened = { room: LocalChatRoom; count: number };

/** One room per channel, as long as it is open at least once. */
export class ChatRooms implements ChatService {
	readonly #deps: Omit<LocalChatRoomDependencies, 'ids'>;
	readonly #ids: ChatIds;
	readonly #opened = new Map<ChannelId, Opened>();
	readonly #scope: CloseScope<'server-shutdown'>;

	constructor(deps: Omit<LocalChatRoomDependencies, 'ids'>) {
		this.#deps = deps;
		this.#ids = new ChatIds(deps.clock);
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose(async () => {
			await Promise.all([...this.#opened.values()].map(({ room }) => room.close()));
			this.#opened.clear();
		});
	}

	get roomCount(): number {
		return this.#opened.size;
	}

	open(channelId: ChannelId): ChatRoom {
		const opened = this.#acquire(channelId);
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
					this.#release(channelId, opened);
				}
			},
		};
	}

	settingsChanged(channelId: ChannelId): void {
		this.#opened.get(channelId)?.room.reload();
	}

	async release(channelId: ChannelId, authorName: string): Promise<void> {
		const opened = this.#acquire(channelId);
		try {
			await opened.room.release(authorName);
		} finally {
			this.#release(channelId, opened);
		}
	}

	/** Closes all rooms. Idempotent. */
	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	#acquire(channelId: ChannelId): Opened {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		let opened = this.#opened.get(channelId);
		if (opened === undefined) {
			opened = { room: new LocalChatRoom({ ...this.#deps, ids: this.#ids }, channelId), count: 0 };
			opened.room.start();
			this.#opened.set(channelId, opened);
		}
		opened.count++;
		return opened;
	}

	#release(channelId: ChannelId, opened: Opened): void {
		opened.count--;
		if (opened.count === 0 && this.#opened.get(channelId) === opened) {
			this.#opened.delete(channelId);
			void opened.room.close();
		}
	}
}
