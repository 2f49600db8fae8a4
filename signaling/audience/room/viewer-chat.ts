/** Connects one viewer's socket to the chat room: joins, sends drafts, answers with their outcome. */
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ViewerId } from '../../../core/ids.ts';
import type { ChatFrame, ChatJoinResult, ChatRoom } from '../../chat/store/chat-service.ts';
import type { ViewerConnection, ViewerMessage } from '../socket/viewer-session.ts';

/** The answer while chat cannot be reached: the viewer watches, and may write later. */
const WITHOUT_CHAT: ChatJoinResult = {
	history: [],
	hasGap: true,
	settings: { slowModeSeconds: 0, isAccountRequired: false },
	chatName: null,
	canModerate: false,
	chatRestriction: null,
	badges: [],
};
/** Frames that may arrive between the join of the chat and begin(). */
const MAX_EARLY_FRAMES = 100;

type ViewerChatDependencies = {
	room: ChatRoom;
	memberId: ViewerId;
	connection: ViewerConnection;
	logger: Logger;
	/** What the viewer may do in chat has changed. */
	onStanding(canModerate: boolean): void;
};

export class ViewerChat {
	readonly #deps: ViewerChatDependencies;
	#early: ChatFrame[] | undefined = [];
	#hasJoined = false;
	#hasLeft = false;

	constructor(deps: ViewerChatDependencies) {
		this.#deps = deps;
	}

	/** Never rejects: watching works without chat. */
	async join(lastChatId: string | undefined): Promise<ChatJoinResult> {
		try {
			const { remoteAddress, user } = this.#deps.connection;
			const deliver = (frame: ChatFrame): void => this.#deliver(frame);
			const member = { id: this.#deps.memberId, user, remoteAddress, deliver };
			const result = await this.#deps.room.join(member, lastChatId);
			this.#hasJoined = true;
			return result;
		} catch (error) {
			this.#report(error, 'a viewer joined without chat');
			return WITHOUT_CHAT;
		}
	}

	/** Call it after sending `joined`: delivers the frames that arrived before. */
	begin(): void {
		const early = this.#early ?? [];
		this.#early = undefined;
		early.forEach((frame) => this.#deliver(frame));
	}

	/** Resolves to whether the draft was accepted; commands count as well. */
	async send(draft: Extract<ViewerMessage, { type: 'chat-send' }>): Promise<boolean> {
		const { draftId, text, captureTimeMs } = draft;
		try {
			if (!this.#hasJoined) {
				await this.join(undefined);
			}
			const { messageId } = await this.#deps.room.send(this.#deps.memberId, {
				text,
				...(captureTimeMs === undefined ? {} : { captureTimeMs }),
			});
			this.#deps.connection.send({ type: 'chat-sent', draftId, messageId });
			return true;
		} catch (error) {
			const { code, detail, retryAfterSeconds } = this.#explain(error);
			this.#deps.connection.send({
				type: 'chat-refused',
				draftId,
				code,
				detail,
				...(retryAfterSeconds === undefined ? {} : { retryAfterMs: retryAfterSeconds * 1000 }),
			});
			return false;
		}
	}

	/** Sends an answer only when the request was rejected. */
	async moderate(message: Extract<ViewerMessage, { type: 'chat-moderate' }>): Promise<void> {
		try {
			const { type: _type, ...request } = message;
			await this.#deps.room.moderate(this.#deps.memberId, request);
		} catch (error) {
			const { code, detail } = this.#explain(error);
			this.#deps.connection.send({ type: 'error', code, detail });
		}
	}

	/** Safe before join() and when called twice. */
	leave(): void {
		if (!this.#hasLeft) {
			this.#hasLeft = true;
			this.#deps.room.leave(this.#deps.memberId);
		}
	}

	#deliver(frame: ChatFrame): void {
		if (this.#early === undefined) {
			// A removal must reach every viewer; a slow viewer can miss a message.
			this.#deps.connection.sendText(frame.text, frame.message.type === 'chat' ? 'droppable' : 'vital');
			if (frame.message.type === 'chat-standing') {
				this.#deps.onStanding(frame.message.canModerate);
			}
		} else if (this.#early.length < MAX_EARLY_FRAMES) {
			this.#early.push(frame);
		}
	}

	#explain(error: unknown): { code: string; detail: string; retryAfterSeconds: number | undefined } {
		if (error instanceof SpillwayError) {
			return { code: error.code, detail: error.message, retryAfterSeconds: error.retryAfterSeconds };
		}
		this.#report(error, 'chat failed because of a bug');
		return { code: 'INTERNAL_ERROR', detail: 'Chat failed on our side.', retryAfterSeconds: undefined };
	}

	#report(error: unknown, message: string): void {
		if (error instanceof SpillwayError) {
			this.#deps.logger.debug({ reason: errorMessage(error) }, message);
		} else {
			this.#deps.logger.error({ err: error }, message);
		}
	}
}
