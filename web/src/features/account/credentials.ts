/**
 * What a name and a password must be, and which field a refusal belongs to. Pure; the server decides, this spares the
 * way.
 */
import type { ApiError } from '../../api/request.ts';

/** Least and most characters of a password (NIST SP 800-63B §3.1.1.2 asks for 8 and no rules on what they are). */
export const PASSWORD_LENGTH = { min: 8, max: 128 } as const;
/** As the server's pattern for names. */
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{1,24}$/;

/** Messages beside the fields, and one above them for what belongs to none. */
export type CredentialProblems = { name?: string; password?: string; form?: string };

/** What is wrong before anything is sent; empty when nothing is. `isNew`: sign-up, where the rules are told. */
export function checkCredentials(name: string, password: string, isNew: boolean): CredentialProblems {
	const problems: CredentialProblems = {};
	if (name.trim() === '') {
		problems.name = 'Enter a name.';
	} else if (isNew && !NAME_PATTERN.test(name.trim())) {
		problems.name = 'Use 2 to 25 letters, digits, “_” or “-”, beginning with a letter or digit.';
	}
	if (password === '') {
		problems.password = isNew ? 'Choose a password.' : 'Enter your password.';
	} else if (isNew && password.length < PASSWORD_LENGTH.min) {
		const missing = PASSWORD_LENGTH.min - password.length;
		problems.password = `${missing} more character${missing === 1 ? '' : 's'}, please: at least ${PASSWORD_LENGTH.min}.`;
	} else if (password.length > PASSWORD_LENGTH.max) {
		problems.password = `At most ${PASSWORD_LENGTH.max} characters.`;
	}
	return problems;
}

/** Where the server's refusal is shown. */
export function credentialProblems(error: ApiError, isNew: boolean): CredentialProblems {
	const { code, message } = error;
	if (code === 'UNREACHABLE') {
		return { form: 'The server does not answer. What you typed is kept; try again in a moment.' };
	}
	if (code === 'NAME_TAKEN') {
		return { name: message };
	}
	if (code === 'LOGIN_REFUSED') {
		// Which of the two was wrong is not told, so that names cannot be tried out.
		return { password: 'Name and password do not belong together. Check both, capital letters too.' };
	}
	if (code !== 'REQUEST_INVALID' || !isNew) {
		return { form: message };
	}
	// The rules are the server's; its sentence says which of the two it is about.
	return /password/i.test(message)
		? { password: message }
		: /name/i.test(message)
			? { name: message }
			: { form: message };
}
