/** The logged-in user: one state for the whole page, loaded once and updated by log-in, sign-up and log-out. */
import { computed, readonly, ref, shallowRef, watch } from 'vue';
import { useRoute, useRouter } from 'vue-router';
import * as api from '../../api/account-api.ts';
import type { Credentials, UserAccount } from '../../../../core/protocol/api/account.ts';
import { ApiError } from '../../api/request.ts';

/** Set when this browser was logged in, so that other visitors cause no request. Not a secret. */
const HINT_KEY = 'spillway.was-logged-in';

/** `unknown` until the server has answered; `unreachable` without an answer. */
type AccountState = 'unknown' | 'logged-in' | 'logged-out' | 'unreachable';

const state = ref<AccountState>('unknown');
const user = shallowRef<UserAccount>();
let loading: Promise<void> | undefined;

function setUser(next: UserAccount | null): void {
	user.value = next ?? undefined;
	state.value = next === null ? 'logged-out' : 'logged-in';
	writeHint(next !== null);
}

async function ask(): Promise<void> {
	try {
		setUser(await api.fetchSession(readHint()));
	} catch (error) {
		// A server without accounts, or a session that cannot be renewed: the user is logged out.
		if (error instanceof ApiError && error.code !== 'UNREACHABLE' && error.httpStatus < 500) {
			setUser(null);
		} else {
			state.value = 'unreachable';
			loading = undefined;
		}
	}
}

const store = {
	state: readonly(state),
	user: computed(() => user.value),
	/** Asks the server, only once unless `again`. Resolves when the state is known. */
	load(again = false): Promise<void> {
		if (again) {
			loading = undefined;
		}
		loading ??= ask();
		return loading;
	},
	async signUp(credentials: Credentials): Promise<void> {
		setUser(await api.signUp(credentials));
	},
	async logIn(credentials: Credentials): Promise<void> {
		setUser(await api.logIn(credentials));
	},
	async logOut(): Promise<void> {
		try {
			await api.logOut();
		} catch (error) {
			// The session has ended on the server already.
			if (!(error instanceof ApiError) || error.httpStatus !== 401) {
				throw error;
			}
		}
		setUser(null);
	},
};

export function useAccount(): typeof store {
	return store;
}

/** For pages that need a log-in: redirects to it, and back here afterwards. */
export function useOwnAccount(): typeof store {
	const route = useRoute();
	const router = useRouter();
	watch(
		store.state,
		(current) => {
			if (current === 'logged-out') {
				void router.replace({ path: '/login', query: { next: route.fullPath } });
			}
		},
		{ immediate: true },
	);
	return store;
}

function readHint(): boolean {
	try {
		return localStorage.getItem(HINT_KEY) !== null;
	} catch {
		// Storage is off: ask the server.
		return true;
	}
}

function writeHint(isLoggedIn: boolean): void {
	try {
		if (isLoggedIn) {
			localStorage.setItem(HINT_KEY, '1');
		} else {
			localStorage.removeItem(HINT_KEY);
		}
	} catch {
		// Storage is off: the next visit asks the server.
	}
}
