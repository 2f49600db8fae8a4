/** The rules before sending, and where a refusal is shown. */
import { expect, it } from 'vitest';
import { checkCredentials, credentialProblems } from './credentials.ts';
import { ApiError } from '../../api/request.ts';

it('asks for what is missing', () => {
	expect(checkCredentials(' ', '', false)).toEqual({ name: 'Enter a name.', password: 'Enter your password.' });
});

it('tells the rules of a new account, and not to one who logs in with an old password', () => {
	expect(checkCredentials('a b', 'short', true)).toEqual({
		name: expect.stringContaining('2 to 25') as string,
		password: '3 more characters, please: at least 8.',
	});
	expect(checkCredentials('a b', 'short', false)).toEqual({});
});

it('takes what is right', () => {
	expect(checkCredentials('Mira_2', 'correct horse', true)).toEqual({});
	expect(checkCredentials('Mira_2', 'x'.repeat(129), true).password).toMatch(/At most 128/);
});

it('shows a taken name beside the name', () => {
	expect(credentialProblems(new ApiError('NAME_TAKEN', 'Taken.', 409), true)).toEqual({ name: 'Taken.' });
});

it('does not say which of name and password was wrong', () => {
	const problems = credentialProblems(new ApiError('LOGIN_REFUSED', 'No.', 401), false);
	expect(problems.name).toBeUndefined();
	expect(problems.password).toMatch(/Name and password/);
});

it('shows what belongs to no field above the fields', () => {
	expect(credentialProblems(new ApiError('UNREACHABLE', '', 0), false).form).toMatch(/does not answer/);
	expect(credentialProblems(new ApiError('TOO_MANY_ATTEMPTS', 'Wait 30 s.', 429), false)).toEqual({
		form: 'Wait 30 s.',
	});
});
