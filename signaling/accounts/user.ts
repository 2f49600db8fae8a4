/** An account as the rest of the server sees it, and the rules for its name and password. */
import { SpillwayError } from '../../core/errors/errors.ts';
import { explainChannelName, parseChannelName } from '../../core/ids.ts';
import type { UserRole } from '../../core/protocol/api/account.ts';
import { GUEST_NAME_PREFIX } from '../../core/protocol/signaling/signaling-constants.ts';

/** An account. Read from an access token, it can be ten minutes out of date. */
export type User = {
	id: string;
	name: string;
	role: UserRole;
	/** The log-in of the token. Must not be shown to other users. */
	sessionId?: string;
};

/** ASVS 6.2.1. */
const MIN_PASSWORD_LENGTH = 8;
/** Enough for any passphrase, at no extra cost to hash. */
const MAX_PASSWORD_LENGTH = 128;

/** For users without an account: in our chat, and in IRC programs (tmi.js, Twitch). */
const GUEST_NAME_PREFIXES = [GUEST_NAME_PREFIX, 'justinfan'] as const;

// Names that suggest a role on the site.
const STAFF_NAMES: ReadonlySet<string> = new Set(
	'administrator broadcaster moderator mods official root security spillway staff support system'.split(' '),
);

// The passwords of eight characters or more that guessers try first. There are no composition rules (ASVS 6.2.5).
const COMMON_PASSWORDS: ReadonlySet<string> = new Set(
	(
		'password password1 password12 password123 passw0rd p@ssw0rd p@ssword pa$$word 12345678 123456789 1234567890 11111111 ' +
		'00000000 87654321 12341234 11223344 88888888 99999999 123123123 147258369 987654321 1q2w3e4r 1q2w3e4r5t 1qaz2wsx ' +
		'qwertyui qwertyuiop qwerty12 qwerty123 qwertz123 asdfghjk asdfghjkl zxcvbnm1 abcd1234 abc12345 a1b2c3d4 aa123456 ' +
		'iloveyou iloveyou1 sunshine princess football baseball superman starwars welcome1 welcome123 trustno1 whatever ' +
		'computer internet jennifer michelle corvette mercedes startrek letmein1 letmein123 changeme admin123 admin1234 ' +
		'administrator livestream streaming twitch123 spillway'
	).split(' '),
);

/** Returns the name of a new account, or throws REQUEST_INVALID: the rules are those of channel names. */
export function parseNewUserName(text: string): string {
	const name = parseChannelName(text);
	if (name === undefined) {
		throw new SpillwayError('REQUEST_INVALID', [explainChannelName(text)!]);
	}
	if (GUEST_NAME_PREFIXES.some((prefix) => name.startsWith(prefix))) {
		throw new SpillwayError('REQUEST_INVALID', [
			`names that begin with ${GUEST_NAME_PREFIXES.join(' or ')} are for guests`,
		]);
	}
	if (STAFF_NAMES.has(name)) {
		throw new SpillwayError('REQUEST_INVALID', [`"${name}" suggests a role on this server`]);
	}
	return name;
}

/** Returns the name as stored; undefined for an impossible one. Accepts reserved names, such as "admin". */
export function parseUserName(text: string): string | undefined {
	return /^[A-Za-z0-9][A-Za-z0-9_-]{1,24}$/.test(text) ? text.toLowerCase() : undefined;
}

/** Throws REQUEST_INVALID, with the reason, for a password that is not allowed. */
export function validateNewPassword(password: string, name: string): void {
	const length = [...password.normalize('NFC')].length;
	if (!password.isWellFormed() || length < MIN_PASSWORD_LENGTH || length > MAX_PASSWORD_LENGTH) {
		throw new SpillwayError('REQUEST_INVALID', [
			`a password has ${MIN_PASSWORD_LENGTH}–${MAX_PASSWORD_LENGTH} characters`,
		]);
	}
	const plain = password.toLowerCase();
	if (COMMON_PASSWORDS.has(plain) || plain === name || /^(.)\1*$/u.test(plain)) {
		throw new SpillwayError('REQUEST_INVALID', ['this password is among the first that guessers try']);
	}
}
