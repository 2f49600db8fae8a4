/** Users and their sessions. Cookies carry the session; nothing secret is ever held by the page. */
import { refreshSession, sendJson } from './account-request.ts';

/** A user's part on the whole site. */
export type UserRole = 'viewer' | 'streamer' | 'moderator' | 'admin';

/** The user who is logged in. */
export type SessionUser = {
	id: string;
	name: string;
	role: UserRole;
	/** Channels that he owns. */
	channels: readonly { id: string; name: string }[];
};

type UserAnswer = { user: SessionUser };

/** What sign-up and log-in ask for. */
export type Credentials = { name: string; password: string };

/** Makes the user and logs him in. */
export async function signUp(credentials: Credentials): Promise<SessionUser> {
	return (await sendJson<UserAnswer>('POST', '/api/v1/users', credentials)).user;
}

/** Logs in. */
export async function logIn(credentials: Credentials): Promise<SessionUser> {
	return (await sendJson<UserAnswer>('POST', '/api/v1/session', credentials)).user;
}

/** Replaces the password; every other session of the user ends. */
export async function changePassword(passwords: { currentPassword: string; newPassword: string }): Promise<void> {
	await sendJson('PUT', '/api/v1/session/password', passwords);
}

/** Ends the session here. */
export async function logOut(): Promise<void> {
	await sendJson('DELETE', '/api/v1/session');
}

/** Who is logged in; null for nobody. `mayRefresh`: an expired access cookie is renewed first. */
export async function fetchSession(mayRefresh: boolean): Promise<SessionUser | null> {
	const { user } = await sendJson<{ user: SessionUser | null }>('GET', '/api/v1/session');
	if (user !== null || !mayRefresh || !(await refreshSession())) {
		return user;
	}
	return (await sendJson<{ user: SessionUser | null }>('GET', '/api/v1/session')).user;
}
