/** API calls for users and their sessions. Cookies carry the session; the page holds no secret. */
import type { Credentials, PasswordChange, UserAccount } from '../../../core/protocol/api/account.ts';
import { ask, refreshSession } from './request.ts';

export async function signUp(body: Credentials): Promise<UserAccount> {
	return (await ask('POST /api/v1/users', { body })).user;
}

export async function logIn(body: Credentials): Promise<UserAccount> {
	return (await ask('POST /api/v1/session', { body })).user;
}

/** Replaces the password; every other session of the user ends. */
export function changePassword(body: PasswordChange): Promise<void> {
	return ask('PUT /api/v1/session/password', { body });
}

export function logOut(): Promise<void> {
	return ask('DELETE /api/v1/session', {});
}

/** The logged-in user, or null. `mayRefresh`: an expired access cookie is renewed first. */
export async function fetchSession(mayRefresh: boolean): Promise<UserAccount | null> {
	const { user } = await ask('GET /api/v1/session', {});
	if (user !== null || !mayRefresh || !(await refreshSession())) {
		return user;
	}
	return (await ask('GET /api/v1/session', {})).user;
}
