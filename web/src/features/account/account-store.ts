/** Who is logged in: one state for the whole page, asked for once and kept right by log-in, sign-up and log-out. */
import { computed, readonly, ref, shallowRef, type ComputedRef, type DeepReadonly, type Ref } from 'vue';
import * as api from '../../api/account-api.ts';
import type { Credentials, UserAccount } from '../../../../core/protocol/api/account.ts';
import { ApiError } from '../../api/request.ts';

/**
 * Remembers that this browser was logged in, so that visitors who never were spare the server a question. Nothing
 * secret.
 */
const HINT_KEY = 'spillway.was-logged-in';

/** `unknown` until the server has answered; `unreachable` when it did not. */
type AccountState = 'unknown' | 'logged-in' | 'logged-out' | 'unreachable';

/** What the pages see. */
type AccountStore = {
	state: DeepReadonly<Ref<AccountState>>;
	user: ComputedRef<UserAccount | undefined>;
	/** Asks the server, once unless `again`. Resolves when the state is known. */
	load(again?: boolean): Promise<void>;
	signUp(credentials: Credentials): Promise<void>;
	logIn(credentials: Credentials): Promise<void>;
	logOut(): Promise<void>;
};

const state = ref<AccountState>('unknown');
const user = shallowRef<UserAccount>();
let loading: Promise<void> | undefined;

function become(next: UserAccount | null): void {
	user.value = next ?? undefined;
	state.value = next === null ? 'logged-out' : 'logged-in';
	writeHint(next !== null);
}

async function ask(): Promise<void> {
	try {
		become(await api.fetchSession(readHint()));
	} catch (error) {
		// A server without accounts, or a session that cannot be renewed: nobody is logged in.
		if (error instanceof ApiError && error.code !== 'UNREACHABLE' && error.httpStatus < 500) {
			become(null);
		} else {
			state.value = 'unreachable';
			loading = undefined;
		}
	}
}

const store: AccountStore = {
	state: readonly(state),
	user: computed(() => user.value),
	load(again = false) {
		if (again) {
			loading = undefined;
		}
		loading ??= ask();
		return loading;
	},
	async signUp(credentials) {
		become(await api.signUp(credentials));
	},
	async logIn(credentials) {
		become(await api.logIn(credentials));
	},
	async logOut() {
		try {
			await api.logOut();
		} catch (error) {
			// A session that the server no longer knows has ended already.
			if (!(error instanceof ApiError) || error.httpStatus !== 401) {
				throw error;
			}
		}
		become(null);
	},
};

/** The account of this page. */
export function useAccount(): AccountStore {
	return store;
}

function readHint(): boolean {
	try {
		return localStorage.getItem(HINT_KEY) !== null;
	} catch {
		// Storage is off: asking costs one request.
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
		// Storage is off: nothing is remembered, nothing depends on it.
	}
}
