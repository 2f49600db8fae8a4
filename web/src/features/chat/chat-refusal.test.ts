/** Texts of refusals, and the countdown. */
import { expect, it } from 'vitest';
import { ApiError } from '../../api/request.ts';
import { formatCountdown, readChatRefusal } from './chat-refusal.ts';

const refuse = (detail: string, retryAfterSeconds: number) =>
	readChatRefusal(new ApiError('CHAT_REFUSED', detail, 0, retryAfterSeconds));

it.each([
	['Slow mode: one message every 5 s. Try again in 4 s.', 4, 'Slow mode: one message every 5 s.'],
	['Slow mode: one message every 5 s. Try again in 4 s.', 0, 'Slow mode: one message every 5 s. Try again in 4 s.'],
	['That was too fast. Try again in 0.8 s.', 0.8, 'That was too fast.'],
	['That was just said. Change it, or try again in 12 s.', 12, 'That was just said.'],
])('reads the wait, and removes it from the text: %s', (detail, retryAfterSeconds, text) => {
	expect(refuse(detail, retryAfterSeconds)).toEqual({ text, retryAfterMs: retryAfterSeconds * 1000 });
});

it('has a text for an error of another kind', () => {
	expect(readChatRefusal(undefined)).toEqual({ text: 'The message was not sent.', retryAfterMs: 0 });
});

it('counts down in whole seconds, rounded up', () => {
	expect(formatCountdown(1)).toBe('1 s');
	expect(formatCountdown(59_000)).toBe('59 s');
	expect(formatCountdown(125_000)).toBe('2 min 05 s');
	expect(formatCountdown(-5)).toBe('0 s');
});
