/** Users and their sessions. Cookies carry the session; nothing secret is ever held by the page. */
import type { Credentials, PasswordChange, UserAccount } from '../../../core/protocol/api/account.ts';
import { ask, refreshSession } from './request.ts';

/** Makes the account and logs it in. */
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

/** Ends the session here. */
export function logOut(): Promise<void> {
	return ask('DELETE /api/v1/session', {});
}

/** Who is logged in; null for nobody. `mayRefresh`: an expired access cookie is renewed first. */
export async function fetchSession(mayRefresh: boolean): Promise<UserAccount | null> {
	const { user } = await ask('GET /api/v1/session', {});
	if (user !== null || !mayRefresh || !(await refreshSession())) {
		return user;
	}
	return (await ask('GET /api/v1/session', {})).user;
}
