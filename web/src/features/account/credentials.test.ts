/** The checks before sending, and the field that shows a refusal. */
import { expect, it } from 'vitest';
import { checkCredentials, credentialProblems } from './credentials.ts';
import { ApiError } from '../../api/request.ts';

it('reports missing fields', () => {
	expect(checkCredentials(' ', '', false)).toEqual({ name: 'Enter a name.', password: 'Enter your password.' });
});

it('checks the rules for a new account, but not at log-in with an old password', () => {
	expect(checkCredentials('a b', 'short', true)).toEqual({
		name: expect.stringContaining('2 to 25') as string,
		password: '3 more characters, please: at least 8.',
	});
	expect(checkCredentials('a b', 'short', false)).toEqual({});
});

it('accepts valid credentials, and rejects too long a password', () => {
	expect(checkCredentials('Mira_2', 'correct horse', true)).toEqual({});
	expect(checkCredentials('Mira_2', 'x'.repeat(129), true).password).toMatch(/At most 128/);
});

it('shows a taken name at the name', () => {
	expect(credentialProblems(new ApiError('NAME_TAKEN', 'Taken.', 409), true)).toEqual({ name: 'Taken.' });
});

it('does not reveal which of name and password was wrong', () => {
	const problems = credentialProblems(new ApiError('LOGIN_REFUSED', 'No.', 401), false);
	expect(problems.name).toBeUndefined();
	expect(problems.password).toMatch(/Name and password/);
});

it('shows other refusals above the fields', () => {
	expect(credentialProblems(new ApiError('UNREACHABLE', '', 0), false).form).toMatch(/does not answer/);
	const tooMany = new ApiError('TOO_MANY_ATTEMPTS', 'Wait 30 s.', 429);
	expect(credentialProblems(tooMany, false)).toEqual({ form: 'Wait 30 s.' });
});
