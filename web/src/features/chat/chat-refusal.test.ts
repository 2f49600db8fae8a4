/** Texts of refusals, and the countdown. */
import { expect, it } from 'vitest';
import { formatCountdown, readChatRefusal } from './chat-refusal.ts';

it('reads text and wait of a refusal, in either unit', () => {
	expect(readChatRefusal(Object.assign(new Error('Slow mode.'), { retryAfterMs: 2500 }))).toEqual({
		text: 'Slow mode.',
		retryAfterMs: 2500,
	});
	expect(readChatRefusal({ message: 'Wait.', retryAfterSeconds: 3 }).retryAfterMs).toBe(3000);
});

it('removes the wait from the text', () => {
	const text = 'Slow mode: one message every 5 s. Try again in 4 s.';
	expect(readChatRefusal({ message: text, retryAfterMs: 4000 }).text).toBe('Slow mode: one message every 5 s.');
	expect(readChatRefusal({ message: text }).text).toBe(text);
	const tooFast = { message: 'That was too fast. Try again in 0.8 s.', retryAfterMs: 800 };
	expect(readChatRefusal(tooFast).text).toBe('That was too fast.');
	const twice = { message: 'That was just said. Change it, or try again in 12 s.', retryAfterMs: 12_000 };
	expect(readChatRefusal(twice).text).toBe('That was just said.');
});

it('has a text for an error without one', () => {
	expect(readChatRefusal(undefined)).toEqual({ text: 'The message was not sent.', retryAfterMs: 0 });
	expect(readChatRefusal({ message: 'x', retryAfterMs: Number.NaN }).retryAfterMs).toBe(0);
});

it('counts down in whole seconds, rounded up', () => {
	expect(formatCountdown(1)).toBe('1 s');
	expect(formatCountdown(59_000)).toBe('59 s');
	expect(formatCountdown(125_000)).toBe('2 min 05 s');
	expect(formatCountdown(-5)).toBe('0 s');
});
