/** Order and bounds of messages, and the fate of drafts. */
import { expect, it } from 'vitest';
import type {
	ChatMessage,
	ClientMessage,
	ServerMessage,
} from '../../../../core/protocol/signaling/signaling-messages.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { createSocketChat, mergeMessages, type ChatSocket } from './socket-chat.ts';

function message(id: string, authorId = 'a'): ChatMessage {
	const author = { id: authorId, name: authorId, color: '#aabbcc', badges: [] };
	return { id, sentAtMs: 0, captureTimeMs: null, author, text: id, emotes: [] };
}

function open() {
	const listeners = { message: [] as ((m: ServerMessage) => void)[], stateChanged: [] as ((s: string) => void)[] };
	const sent: ClientMessage[] = [];
	const socket = {
		state: 'joined',
		send(outgoing: ClientMessage) {
			sent.push(outgoing);
			return socket.state === 'joined';
		},
		on(name: keyof typeof listeners, listener: never) {
			listeners[name].push(listener);
			return () => void listeners[name].splice(listeners[name].indexOf(listener), 1);
		},
	};
	const clock = new FakeClock();
	const chat = createSocketChat(socket as ChatSocket, { clock, captureTimeMs: () => 42 });
	const receive = (incoming: unknown) => listeners.message.forEach((listen) => listen(incoming as ServerMessage));
	const become = (state: string) => {
		socket.state = state;
		listeners.stateChanged.forEach((listen) => listen(state));
	};
	return { chat, sent, clock, receive, become, listeners };
}
const joined = (history: ChatMessage[], hasChatGap = false) => ({
	type: 'joined',
	chatHistory: history,
	hasChatGap,
	chatName: 'mira',
	canModerate: true,
	chatRestriction: null,
	chatSettings: { slowModeSeconds: 0, isAccountRequired: false },
});
const ids = (messages: readonly ChatMessage[]) => messages.map(({ id }) => id);

it('merges history and live messages, each once, in order', () => {
	expect(
		ids(mergeMessages([message('1'), message('3')], [message('2'), message('3'), message('4'), message('4')])),
	).toEqual(['1', '2', '3', '4']);
	expect(ids(mergeMessages([], [message('2'), message('1')]))).toEqual(['1', '2']);
});

it('keeps the newest 300 messages', () => {
	const many = Array.from({ length: 1000 }, (_, index) => message(String(index).padStart(5, '0')));
	expect(mergeMessages([], many)).toHaveLength(300);
	expect(mergeMessages([], many).at(-1)!.id).toBe('00999');
});

it('receives the history, adds messages and removes them', () => {
	const { chat, receive } = open();
	receive(joined([message('1'), message('2', 'b')]));
	receive({ type: 'chat', messages: [message('3', 'b')] });
	expect(ids(chat.messages.value)).toEqual(['1', '2', '3']);
	expect([chat.chatName.value, chat.canModerate.value]).toEqual(['mira', true]);
	receive({ type: 'chat-removed', messageIds: ['1'] });
	receive({ type: 'chat-removed', messageIds: [], authorId: 'b' });
	expect(chat.messages.value).toEqual([]);
});

it('converts a restriction to its own clock', async () => {
	const { chat, clock, receive } = open();
	receive(joined([]));
	expect(chat.restriction!.value).toBeUndefined();
	await clock.advance(500);
	const standing = { type: 'chat-standing', chatName: 'mira', canModerate: false };
	receive({ ...standing, chatRestriction: { remainingMs: 60_000 } });
	expect([chat.restriction!.value, chat.canModerate.value]).toEqual([{ untilMs: clock.monotonicMs() + 60_000 }, false]);
	receive({ ...standing, chatName: null, chatRestriction: { remainingMs: null } });
	expect([chat.restriction!.value, chat.chatName.value]).toEqual([{ untilMs: null }, null]);
	receive({ ...standing, chatRestriction: null });
	expect([chat.restriction!.value, chat.chatName.value]).toEqual([undefined, 'mira']);
});

it('drops its messages after a gap', () => {
	const { chat, receive } = open();
	receive(joined([message('1')]));
	receive(joined([message('9')], true));
	expect(ids(chat.messages.value)).toEqual(['9']);
	expect(chat.hasGap!.value).toBe(true);
});

it('sends a draft with the capture time on screen, and resolves when it is accepted', async () => {
	const { chat, sent, receive } = open();
	const sending = chat.send('hello');
	expect(sent[0]).toEqual({ type: 'chat-send', draftId: 'd1', text: 'hello', captureTimeMs: 42 });
	receive({ type: 'chat-sent', draftId: 'd1', messageId: '1' });
	await expect(sending).resolves.toBeUndefined();
});

it('rejects a refused draft with the reason and the wait', async () => {
	const { chat, receive } = open();
	const sending = chat.send('hello');
	receive({ type: 'chat-refused', draftId: 'd1', code: 'CHAT_SLOW_MODE', detail: 'Slow mode.', retryAfterMs: 3000 });
	await expect(sending).rejects.toMatchObject({ code: 'CHAT_SLOW_MODE', message: 'Slow mode.', retryAfterSeconds: 3 });
});

it('rejects drafts when the server is silent, away, or lost meanwhile', async () => {
	const { chat, clock, become } = open();
	const silent = chat.send('one');
	const expectSilent = expect(silent).rejects.toMatchObject({ code: 'UNREACHABLE' });
	await clock.advance(8000);
	await expectSilent;
	const lost = chat.send('two');
	const expectLost = expect(lost).rejects.toMatchObject({ code: 'UNREACHABLE' });
	become('waiting');
	await expectLost;
	await expect(chat.send('three')).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
	expect(chat.isConnected.value).toBe(false);
});

it('shows why a moderation failed, until the next one', () => {
	const { chat, sent, receive, become } = open();
	chat.moderate({ action: 'delete', messageId: '1' });
	expect(sent).toEqual([{ type: 'chat-moderate', action: 'delete', messageId: '1' }]);
	receive({ type: 'error', code: 'REQUEST_INVALID', detail: 'not of chat' });
	expect(chat.moderationProblem!.value).toBeUndefined();
	receive({ type: 'error', code: 'CHAT_TARGET_UNKNOWN', detail: 'Unknown.' });
	expect(chat.moderationProblem!.value).toBe('Unknown.');
	chat.moderate({ action: 'ban', userName: 'ada' });
	expect(chat.moderationProblem!.value).toBeUndefined();
	become('waiting');
	chat.moderate({ action: 'ban', userName: 'ada' });
	expect(chat.moderationProblem!.value).toMatch(/not connected/);
});

it('removes its listeners and rejects its drafts when closed', async () => {
	const { chat, listeners } = open();
	const sending = expect(chat.send('x')).rejects.toMatchObject({ code: 'UNREACHABLE' });
	chat.close();
	await sending;
	expect([listeners.message.length, listeners.stateChanged.length]).toEqual([0, 0]);
});
