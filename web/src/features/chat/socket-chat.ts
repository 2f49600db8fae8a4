/** The chat of one channel over the signaling socket: ordered messages, and drafts that wait for the server. */
import { readonly, ref, shallowRef } from 'vue';
import type { CancelTimer, Clock } from '../../../../core/lifecycle/clock.ts';
import type {
	ChatMessage,
	ChatSettings,
	ChatStanding,
	ClientMessage,
	ServerMessage,
} from '../../../../core/protocol/signaling/signaling-messages.ts';
import { ApiError } from '../../api/request.ts';
import type { ChatSource } from './chat-source.ts';

/** Older messages are dropped. */
const MAX_MESSAGES = 300;
/** Without an answer within this time a draft counts as refused, and its text is kept. */
const SEND_TIMEOUT_MS = 8000;

export interface ChatSocket {
	readonly state: string;
	send(message: ClientMessage): boolean;
	on(name: 'message', listener: (message: ServerMessage) => void): () => void;
	on(name: 'stateChanged', listener: (state: string) => void): () => void;
}

type Waiting = { resolve(): void; reject(error: ApiError): void; cancel: CancelTimer };

export type SocketChat = ChatSource & {
	/** Removes the listeners and rejects waiting drafts. */
	close(): void;
};

/** `captureTimeMs`: of the picture on screen, if one plays. Must be called before the socket joins. */
export function createSocketChat(
	socket: ChatSocket,
	{ clock, captureTimeMs }: { clock: Clock; captureTimeMs: () => number | undefined },
): SocketChat {
	const messages = shallowRef<readonly ChatMessage[]>([]);
	const settings = shallowRef<ChatSettings>();
	const chatName = ref<string | null>();
	const canModerate = ref(false);
	const restriction = shallowRef<{ untilMs: number | null }>();
	const isConnected = ref(socket.state === 'joined');
	const hasGap = ref(false);
	const moderationProblem = ref<string>();
	const waiting = new Map<string, Waiting>();
	let draftCount = 0;

	function onMessage(message: ServerMessage): void {
		switch (message.type) {
			case 'joined':
				if (message.hasChatGap && messages.value.length > 0) {
					hasGap.value = true;
					messages.value = [];
				}
				messages.value = mergeMessages(messages.value, message.chatHistory);
				settings.value = message.chatSettings;
				applyStanding(message);
				break;
			case 'chat-standing':
				applyStanding(message);
				break;
			case 'chat':
				messages.value = mergeMessages(messages.value, message.messages);
				break;
			case 'chat-removed':
				messages.value = messages.value.filter(
					({ id, author }) => !message.messageIds.includes(id) && author.id !== message.authorId,
				);
				break;
			case 'chat-settings':
				settings.value = message.settings;
				break;
			case 'error':
				if (message.code.startsWith('CHAT_')) {
					moderationProblem.value = message.detail;
				}
				break;
			case 'chat-sent':
				settle(message.draftId)?.resolve();
				break;
			case 'chat-refused': {
				const { draftId, code, detail, retryAfterMs = 0 } = message;
				settle(draftId)?.reject(new ApiError(code, detail, 0, retryAfterMs / 1000));
				break;
			}
			default:
		}
	}

	function applyStanding(standing: ChatStanding): void {
		const { chatRestriction } = standing;
		chatName.value = standing.chatName;
		canModerate.value = standing.canModerate;
		if (chatRestriction === null) {
			restriction.value = undefined;
		} else {
			const { remainingMs } = chatRestriction;
			restriction.value = { untilMs: remainingMs === null ? null : clock.monotonicMs() + remainingMs };
		}
	}

	function settle(draftId: string): Waiting | undefined {
		const found = waiting.get(draftId);
		waiting.delete(draftId);
		found?.cancel();
		return found;
	}

	/** A waiting draft may or may not have arrived; its author decides. */
	function rejectAll(): void {
		const detail = 'The connection was lost; look whether the message arrived before you send it again.';
		for (const draftId of [...waiting.keys()]) {
			settle(draftId)?.reject(new ApiError('UNREACHABLE', detail, 0));
		}
	}

	const stopListening = [
		socket.on('message', onMessage),
		socket.on('stateChanged', (state) => {
			isConnected.value = state === 'joined';
			if (state !== 'joined') {
				rejectAll();
			}
		}),
	];

	return {
		messages,
		settings,
		chatName: readonly(chatName) as ChatSource['chatName'],
		canModerate,
		restriction,
		isConnected,
		hasGap,
		moderationProblem,
		send(text) {
			const draftId = `d${++draftCount}`;
			const shown = captureTimeMs();
			const isSent = socket.send({
				type: 'chat-send',
				draftId,
				text,
				...(shown === undefined ? {} : { captureTimeMs: shown }),
			});
			if (!isSent) {
				return Promise.reject(new ApiError('NOT_CONNECTED', 'Chat is not connected. Your text is kept.', 0));
			}
			return new Promise((resolve, reject) => {
				const cancel = clock.setTimeout(() => {
					settle(draftId)?.reject(new ApiError('UNREACHABLE', 'The server does not answer. Your text is kept.', 0));
				}, SEND_TIMEOUT_MS);
				waiting.set(draftId, { resolve, reject, cancel });
			});
		},
		moderate(action) {
			const isSent = socket.send({ type: 'chat-moderate', ...action });
			moderationProblem.value = isSent ? undefined : 'Chat is not connected; nothing was done.';
		},
		close() {
			stopListening.forEach((stop) => stop());
			rejectAll();
		},
	};
}

/** Both lists in order of ids, each message once, without the oldest above the bound. @internal for tests */
export function mergeMessages(known: readonly ChatMessage[], added: readonly ChatMessage[]): readonly ChatMessage[] {
	const last = known.at(-1);
	const fresh = added.filter(({ id }, index) => added.findIndex((other) => other.id === id) === index);
	// The usual case: all new ones are after the known ones.
	if (last === undefined || fresh.every(({ id }) => id > last.id)) {
		const isSorted = fresh.every(({ id }, index) => index === 0 || id > fresh[index - 1]!.id);
		return [...known, ...(isSorted ? fresh : fresh.toSorted(byId))].slice(-MAX_MESSAGES);
	}
	const ids = new Set(known.map(({ id }) => id));
	return [...known, ...fresh.filter(({ id }) => !ids.has(id))].sort(byId).slice(-MAX_MESSAGES);
}

function byId(a: ChatMessage, b: ChatMessage): number {
	return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
