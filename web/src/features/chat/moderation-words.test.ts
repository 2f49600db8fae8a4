/** What a moderator reads of what they are about to do, and of what they did. */
import { expect, it } from 'vitest';
import { explainReach, tellCommand, tellTimeout } from './moderation-words.ts';

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

it('says before a ban whom else it reaches, for accounts and for guests', () => {
	expect(explainReach('guest-abc12', 'banned')).toContain('all guests who share it');
	expect(explainReach('ada', 'banned')).toContain('guests who share the address');
	expect(explainReach('ada', 'paused')).toContain('are paused too');
});
