/** Delivers a room's messages to its members on this node: serialised once, several per frame in a busy room. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ChatMessage, ServerMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { ChatFrame, ChatMember, ChatRemoval } from '../store/chat-service.ts';

/**
 * Longest time between frames. Each frame costs a system call per member, so a busy room sends several messages in one;
 * the mean delay is half of this.
 */
const MAX_WINDOW_MS = 40;
/** Members that add a millisecond to the window: small rooms are not delayed; at 2000 members the window is longest. */
const MEMBERS_PER_WINDOW_MS = 50;
/** Members per slice: about 10 ms of writing. */
const SLICE_LENGTH = 1000;
const MAX_MESSAGES_PER_FRAME = 50;

export type FanOutItem =
	| { kind: 'message'; message: ChatMessage; senderId: string | undefined; isLate: boolean }
	| { kind: 'notice'; message: ServerMessage; removal: ChatRemoval | undefined };

type RoomFanOutDependencies = {
	clock: Clock;
	logger: Logger;
	/** Called for each item just before it is serialised: members who join later get it in the history. */
	onDelivered: (item: FanOutItem) => void;
};

export class RoomFanOut {
	readonly #deps: RoomFanOutDependencies;
	readonly #members = new Map<string, ChatMember>();
	readonly #timer: Timer;
	#items: FanOutItem[] = [];
	/** The frames being delivered, and the members who do not have them yet. */
	#serving: { frames: readonly ChatFrame[]; members: readonly ChatMember[] } | undefined;
	#isClosed = false;
	#flushedAtMs = -Infinity;

	constructor(deps: RoomFanOutDependencies) {
		this.#deps = deps;
		this.#timer = new Timer(deps.clock, () => this.#serve(this.#serving ?? this.#flush()));
	}

	/** By id. */
	get members(): ReadonlyMap<string, ChatMember> {
		return this.#members;
	}

	/** Replaces a member with the same id. */
	add(member: ChatMember): void {
		this.#members.set(member.id, member);
	}

	remove(memberId: string): void {
		this.#members.delete(memberId);
	}

	/** Delivers it to all members in order, within the window. */
	push(item: FanOutItem): void {
		this.#items.push(item);
		this.#schedule();
	}

	/** Delivers it to one member at once. */
	notify(member: ChatMember, message: ServerMessage): void {
		this.#deliver([toFrame(message, [], undefined)], member);
	}

	close(): void {
		this.#isClosed = true;
		this.#timer.disarm();
		this.#members.clear();
		this.#items = [];
	}

	#schedule(): void {
		if (!this.#isClosed) {
			const windowMs = Math.min(MAX_WINDOW_MS, this.#members.size / MEMBERS_PER_WINDOW_MS);
			this.#timer.armOnce(Math.max(0, this.#flushedAtMs + windowMs - this.#deps.clock.monotonicMs()));
		}
	}

	#flush(): { frames: readonly ChatFrame[]; members: readonly ChatMember[] } {
		this.#flushedAtMs = this.#deps.clock.monotonicMs();
		const items = this.#items;
		this.#items = [];
		items.forEach((item) => this.#deps.onDelivered(item));
		return { frames: toFrames(items), members: [...this.#members.values()] };
	}

	#serve({ frames, members }: { frames: readonly ChatFrame[]; members: readonly ChatMember[] }): void {
		for (const member of members.slice(0, SLICE_LENGTH)) {
			// The member may have left since.
			if (this.#members.get(member.id) === member) {
				this.#deliver(frames, member);
			}
		}
		const rest = members.slice(SLICE_LENGTH);
		this.#serving = rest.length === 0 ? undefined : { frames, members: rest };
		if (this.#isClosed) {
			return;
		}
		if (this.#serving !== undefined) {
			this.#timer.arm(0);
		} else if (this.#items.length > 0) {
			this.#schedule();
		}
	}

	#deliver(frames: readonly ChatFrame[], member: ChatMember): void {
		try {
			frames.forEach((frame) => member.deliver(frame));
		} catch (error) {
			this.#deps.logger.error({ err: error, memberId: member.id }, 'a chat member failed');
			this.#members.delete(member.id);
		}
	}
}

/** Joins adjacent messages into frames and serialises each. */
function toFrames(items: readonly FanOutItem[]): ChatFrame[] {
	const frames: ChatFrame[] = [];
	let messages: ChatMessage[] = [];
	let senderIds: Array<string | undefined> = [];
	const finish = (): void => {
		if (messages.length > 0) {
			frames.push(toFrame({ type: 'chat', messages }, senderIds, undefined));
			messages = [];
			senderIds = [];
		}
	};
	for (const item of items) {
		if (item.kind === 'notice') {
			finish();
			frames.push(toFrame(item.message, [], item.removal));
			continue;
		}
		messages.push(item.message);
		senderIds.push(item.senderId);
		if (messages.length === MAX_MESSAGES_PER_FRAME) {
			finish();
		}
	}
	finish();
	return frames;
}

function toFrame(
	message: ServerMessage,
	senderIds: ChatFrame['senderIds'],
	removal: ChatRemoval | undefined,
): ChatFrame {
	return { message, text: JSON.stringify(message), senderIds, removal };
}
