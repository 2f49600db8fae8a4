/** Parses slash commands, which users type as messages. */
import { SpillwayError } from '../../../core/errors/errors.ts';

export type ChatCommand =
	| { kind: 'say'; text: string }
	| { kind: 'timeout'; userName: string; seconds: number }
	| { kind: 'ban' | 'unban'; userName: string }
	| { kind: 'delete'; messageId: string }
	| { kind: 'slow'; seconds: number };

/** For a /timeout without a number. */
export const DEFAULT_TIMEOUT_SECONDS = 600;
/** Two weeks, as on Twitch. */
const MAX_TIMEOUT_SECONDS = 1_209_600;
const DEFAULT_SLOW_SECONDS = 30;
const MAX_SLOW_SECONDS = 3600;
const UNIT_SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * `/me` stays part of the text: the client decides how to show it. Throws CHAT_MESSAGE_INVALID for unknown commands, so
 * that a mistyped /ban is not published.
 */
export function parseChatCommand(line: string): ChatCommand {
	if (!line.startsWith('/')) {
		return { kind: 'say', text: line };
	}
	const [name = '', ...args] = line.slice(1).split(/\s+/);
	switch (name.toLowerCase()) {
		case 'me':
			if (args.join('') === '') {
				throw invalid('write what you do after /me');
			}
			return { kind: 'say', text: `/me ${args.join(' ')}` };
		case 'timeout':
			return { kind: 'timeout', userName: parseTarget(args[0], '/timeout name 10m'), seconds: parseTimeout(args[1]) };
		case 'untimeout':
		case 'unban':
			return { kind: 'unban', userName: parseTarget(args[0], '/unban name') };
		case 'ban':
			return { kind: 'ban', userName: parseTarget(args[0], '/ban name') };
		case 'delete':
			return { kind: 'delete', messageId: parseTarget(args[0], '/delete message-id') };
		case 'slow':
			return { kind: 'slow', seconds: parseSlow(args[0]) };
		case 'slowoff':
			return { kind: 'slow', seconds: 0 };
		default:
			throw invalid(`there is no command /${name.slice(0, 20)}`);
	}
}

/** Returns the seconds; throws CHAT_MESSAGE_INVALID when a timeout cannot last so long. */
export function checkTimeout(seconds: number | undefined): number {
	if (seconds === undefined || seconds < 1 || seconds > MAX_TIMEOUT_SECONDS) {
		throw invalid('a timeout lasts 1 s to 14 days, such as "90", "10m" or "2h"');
	}
	return seconds;
}

function parseTarget(text: string | undefined, usage: string): string {
	const target = (text ?? '').replace(/^@/, '');
	if (target === '' || target.length > 40) {
		throw invalid(`use it as "${usage}"`);
	}
	return target;
}

function parseTimeout(text: string | undefined): number {
	if (text === undefined) {
		return DEFAULT_TIMEOUT_SECONDS;
	}
	return checkTimeout(parseDuration(text));
}

function parseSlow(text: string | undefined): number {
	if (text?.toLowerCase() === 'off') {
		return 0;
	}
	const seconds = text === undefined ? DEFAULT_SLOW_SECONDS : parseDuration(text);
	if (seconds === undefined || seconds > MAX_SLOW_SECONDS) {
		throw invalid('slow mode takes "off" or 1 s to 1 hour, such as "10" or "2m"');
	}
	return seconds;
}

function parseDuration(text: string): number | undefined {
	const match = /^(\d{1,7})([smhdw]?)$/i.exec(text);
	return match === null ? undefined : Number(match[1]) * UNIT_SECONDS[match[2]!.toLowerCase()]!;
}

function invalid(reason: string): SpillwayError {
	return new SpillwayError('CHAT_MESSAGE_INVALID', [reason]);
}
