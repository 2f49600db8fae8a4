/** Checks of name and password before a request, and the field that shows the server's refusal. Pure. */
import type { ApiError } from '../../api/request.ts';

/** Of a password, in characters (NIST SP 800-63B §3.1.1.2 requires 8, and no rules on their kind). */
export const PASSWORD_LENGTH = { min: 8, max: 128 } as const;
/** Same as the server's pattern for names. */
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{1,24}$/;

/** Messages at the fields, and one above them for other problems. */
export type CredentialProblems = { name?: string; password?: string; form?: string };

/** The problems before a request; empty without any. `isNew`: sign-up, where the rules apply. */
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

export function credentialProblems(error: ApiError, isNew: boolean): CredentialProblems {
	const { code, message } = error;
	if (code === 'UNREACHABLE') {
		return { form: 'The server does not answer. What you typed is kept; try again in a moment.' };
	}
	if (code === 'NAME_TAKEN') {
		return { name: message };
	}
	if (code === 'LOGIN_REFUSED') {
		// Does not reveal which of the two was wrong, so that names cannot be guessed.
		return { password: 'Name and password do not belong together. Check both, capital letters too.' };
	}
	if (code !== 'REQUEST_INVALID' || !isNew) {
		return { form: message };
	}
	// The server's message names the field.
	const field = /password/i.test(message) ? 'password' : /name/i.test(message) ? 'name' : 'form';
	return { [field]: message };
}
