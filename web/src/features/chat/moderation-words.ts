/** Texts for a moderator before and after an action. Pure. */
import { GUEST_NAME_PREFIX } from '../../../../core/protocol/signaling/signaling-constants.ts';

const UNIT_WORDS: Readonly<Record<string, string>> = {
	'': 'second',
	s: 'second',
	m: 'minute',
	h: 'hour',
	d: 'day',
	w: 'week',
};
const DEFAULT_TIMEOUT = '10m';

/** Which other users a ban or pause of this name affects: guests are known only by their address. */
export function explainReach(name: string, what: 'paused' | 'banned'): string {
	return name.startsWith(GUEST_NAME_PREFIX)
		? `A guest is known by the address alone: all guests who share it, such as a household or a school, are ${what} too.`
		: `So that ${name} does not come back under another name, guests who share the address, such as a household or a school, are ${what} too, and so are accounts made there from now on.`;
}

export function banText(name: string): string {
	return `${name} is banned. /unban ${name} lifts it.`;
}

/** `duration`: as typed, "90" or "10m". */
export function timeoutText(name: string, duration = DEFAULT_TIMEOUT): string {
	return `${name} is paused for ${durationWords(duration)}. /unban ${name} lifts it sooner.`;
}

/**
 * The confirmation of a typed command (signaling/chat/moderation/chat-commands.ts) that the server accepted; undefined
 * for other commands and messages.
 */
export function commandText(line: string): string | undefined {
	const [command = '', target = '', duration] = line.trim().split(/\s+/);
	const name = target.replace(/^@/, '');
	switch (command.toLowerCase()) {
		case '/ban':
			return banText(name);
		case '/timeout':
			return timeoutText(name, duration);
		case '/unban':
		case '/untimeout':
			return `${name} may write again.`;
		case '/delete':
			return 'The message is deleted.';
		default:
			return undefined;
	}
}

function durationWords(duration: string): string {
	const [, count = '', unit = ''] = /^(\d+)([smhdw]?)$/i.exec(duration) ?? [];
	return `${Number(count)} ${UNIT_WORDS[unit.toLowerCase()]}${Number(count) === 1 ? '' : 's'}`;
}
