/** Texts for a moderator before and after an action. */
import { expect, it } from 'vitest';
import { explainReach, commandText, timeoutText } from './moderation-words.ts';

it('confirms a typed command, and names the command that lifts it', () => {
	expect(commandText('/ban @guest-abc')).toBe('guest-abc is banned. /unban guest-abc lifts it.');
	expect(commandText('/Timeout ada')).toBe('ada is paused for 10 minutes. /unban ada lifts it sooner.');
	expect(commandText('/unban ada')).toBe('ada may write again.');
	expect(commandText('/untimeout ada')).toBe('ada may write again.');
	expect(commandText('/delete 01ab')).toBe('The message is deleted.');
});

it('formats durations as typed', () => {
	expect(timeoutText('ada')).toContain('for 10 minutes.');
	expect(timeoutText('ada', '90')).toContain('for 90 seconds.');
	expect(timeoutText('ada', '1H')).toContain('for 1 hour.');
});

it('has no text for other messages', () => {
	expect(commandText('hello')).toBeUndefined();
	expect(commandText('/me waves')).toBeUndefined();
	expect(commandText('/slow 10')).toBeUndefined();
});

it('explains before a ban which other users it affects', () => {
	expect(explainReach('guest-abc12', 'banned')).toContain('all guests who share it');
	expect(explainReach('ada', 'banned')).toContain('guests who share the address');
	expect(explainReach('ada', 'paused')).toContain('are paused too');
});
