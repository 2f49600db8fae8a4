/** Tests of slash commands: all forms, and what is refused. */
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { parseChatCommand } from './chat-commands.ts';

describe('parseChatCommand', () => {
	it.each([
		['hello /ban x', { kind: 'say', text: 'hello /ban x' }],
		['/me  waves  around', { kind: 'say', text: '/me waves around' }],
		['/timeout ann', { kind: 'timeout', userName: 'ann', seconds: 600 }],
		['/TIMEOUT @ann 2h for a reason', { kind: 'timeout', userName: 'ann', seconds: 7200 }],
		['/ban ann', { kind: 'ban', userName: 'ann' }],
		['/unban ann', { kind: 'unban', userName: 'ann' }],
		['/untimeout ann', { kind: 'unban', userName: 'ann' }],
		['/delete 01abc', { kind: 'delete', messageId: '01abc' }],
		['/slow', { kind: 'slow', seconds: 30 }],
		['/slow 2m', { kind: 'slow', seconds: 120 }],
		['/slow off', { kind: 'slow', seconds: 0 }],
		['/slowoff', { kind: 'slow', seconds: 0 }],
	])('parses %j', (line, command) => expect(parseChatCommand(line)).toEqual(command));

	it.each(['/', '/nope', '/ban', '/timeout ann 15d', '/timeout ann 0', '/timeout ann x', '/slow 2h', '/slow -1', '/me ', '/delete'])(
		'refuses %j',
		(line) => expect(() => parseChatCommand(line)).toThrow(SpillwayError),
	); // prettier-ignore
});
