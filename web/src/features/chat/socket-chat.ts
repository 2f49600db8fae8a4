/** The chat of one channel over the signaling socket: messages in order, drafts that wait for the server's word. */
import { readonly, ref, shallowRef } from 'vue';
import type { CancelTimer, Clock } from '../../../../core/lifecycle/clock.ts';
import type {
	ChatMessage,
	ChatSettings,
	ChatStanding,
	ClientMessage,
	ServerMessage,
} from '../../../../core/protocol/signaling/signaling-messages.ts';
import type { ChatSource } from './chat-source.ts';

/** What is kept and shown; older messages go. */
const MAX_MESSAGES = 300;
/** Without a word from the server a draft counts as refused, and stays with its author. */
const SEND_TIMEOUT_MS = 8000;

/** The part of the signaling client that chat uses. */
export interface ChatSocket {
	readonly state: string;
	send(message: ClientMessage): boolean;
	on(name: 'message', listener: (message: ServerMessage) => void): () => void;
	on(name: 'stateChanged', listener: (state: string) => void): () => void;
}

/** A message that the server would not take. */
class ChatRefusedError extends Error {
	override readonly name = 'ChatRefusedError';
	/** Code of core/errors/errors.ts, or `NOT_CONNECTED` or `UNREACHABLE`. */
	readonly code: string;
	/** Milliseconds after which another try makes sense; 0 when not known. */
	readonly retryAfterMs: number;

	constructor(code: string, detail: string, retryAfterMs = 0) {
		super(detail);
		this.code = code;
		this.retryAfterMs = retryAfterMs;
	}
}

type Waiting = { resolve(): void; reject(error: ChatRefusedError): void; cancel: CancelTimer };

/** A chat source and its end. */
export type SocketChat = ChatSource & {
	/** Stops listening; drafts that wait are refused. */
	close(): void;
};

/**
 * `captureTimeMs`: of the picture that the viewer sees now, if one plays. Must be called before the socket has joined.
 */
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
				takeStanding(message);
				break;
			case 'chat-standing':
				takeStanding(message);
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
			case 'chat-refused':
				settle(message.draftId)?.reject(new ChatRefusedError(message.code, message.detail, message.retryAfterMs));
				break;
			default:
		}
	}

	function takeStanding(standing: ChatStanding): void {
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

	/** What was under way may or may not have arrived; its author decides. */
	function refuseAll(): void {
		for (const draftId of [...waiting.keys()]) {
			settle(draftId)?.reject(
				new ChatRefusedError(
					'UNREACHABLE',
					'The connection was lost; look whether the message arrived before you send it again.',
				),
			);
		}
	}

	const stopListening = [
		socket.on('message', onMessage),
		socket.on('stateChanged', (state) => {
			isConnected.value = state === 'joined';
			if (state !== 'joined') {
				refuseAll();
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
				return Promise.reject(new ChatRefusedError('NOT_CONNECTED', 'Chat is not connected. Your text is kept.'));
			}
			return new Promise((resolve, reject) => {
				const cancel = clock.setTimeout(() => {
					settle(draftId)?.reject(
						new ChatRefusedError('UNREACHABLE', 'The server does not answer. Your text is kept.'),
					);
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
			refuseAll();
		},
	};
}

/** Both lists in order of their ids, each message once, the oldest beyond the bound left out. @internal for tests */
export function mergeMessages(known: readonly ChatMessage[], added: readonly ChatMessage[]): readonly ChatMessage[] {
	const last = known.at(-1);
	const fresh = added.filter(({ id }, index) => added.findIndex((other) => other.id === id) === index);
	// Nearly always new ones come after all others.
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
