/** What a moderator is told of what he did. */
import { expect, it } from 'vitest';
import { tellCommand, tellTimeout } from './moderation-words.ts';

it('tells what a typed command did, and how to lift it', () => {
	expect(tellCommand('/ban @guest-abc')).toBe('guest-abc is banned. /unban guest-abc lifts it.');
	expect(tellCommand('/Timeout ada')).toBe('ada is paused for 10 minutes. /unban ada lifts it sooner.');
	expect(tellCommand('/unban ada')).toBe('ada may write again.');
	expect(tellCommand('/untimeout ada')).toBe('ada may write again.');
	expect(tellCommand('/delete 01ab')).toBe('The message is deleted.');
});

it('names durations as they were typed', () => {
	expect(tellTimeout('ada')).toContain('for 10 minutes.');
	expect(tellTimeout('ada', '90')).toContain('for 90 seconds.');
	expect(tellTimeout('ada', '1H')).toContain('for 1 hour.');
});

it('says nothing of what was merely said', () => {
	expect(tellCommand('hello')).toBeUndefined();
	expect(tellCommand('/me waves')).toBeUndefined();
	expect(tellCommand('/slow 10')).toBeUndefined();
});
