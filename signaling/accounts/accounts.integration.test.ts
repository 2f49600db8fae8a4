/** Tests of sign-up, log-in, refresh, log-out, guessing and forging, over HTTP and against both databases. */
import { scryptSync } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { InProcessBus } from '../platform/bus/in-process-bus.ts';
import type { SessionAnswer } from '../../core/protocol/api/account.ts';
import type { Database } from '../platform/database/database.ts';
import { CREDENTIAL_CHECK_INTERVAL_MS } from './credential-watch.ts';
import { ApiBench, TEST_PASSWORD, type TestBrowser } from '../testing/api-bench.ts';
import { DATABASE_KINDS, openTestDatabase } from '../testing/both-databases.ts';

async function logIn(browser: TestBrowser, password = TEST_PASSWORD, name = 'alice'): Promise<number> {
	return (await browser.send('POST', '/api/v1/session', { name, password })).statusCode;
}

async function refresh(browser: TestBrowser): Promise<number> {
	return (await browser.send('POST', '/api/v1/session/refresh')).statusCode;
}

/** Null when nobody is logged in. */
async function userNameOf(browser: TestBrowser): Promise<string | null> {
	const { user } = (await browser.send('GET', '/api/v1/session')).json<SessionAnswer>();
	return user === null ? null : user.name;
}

/** Sends twelve wrong guesses, of which the last is limited. */
async function guess(nextBrowser: () => TestBrowser, name?: (round: number) => string): Promise<number[]> {
	const statuses = [];
	for (let round = 0; round < 12; round++) {
		statuses.push(await logIn(nextBrowser(), `guess ${round}`, name?.(round)));
	}
	return statuses;
}

describe.each(DATABASE_KINDS)('accounts ($kind)', ({ kind }) => {
	let database: Database;
	let closeDatabase: () => Promise<void>;
	let bench: ApiBench;

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase(kind));
	});
	beforeEach(async () => {
		bench = await ApiBench.open(database);
	});
	afterEach(async () => {
		await bench.close();
		await database.runScript('DELETE FROM channels; DELETE FROM users');
	});
	afterAll(() => closeDatabase());

	it('signs up, reports who is signed in, logs out and in again', async () => {
		const browser = bench.browser();
		const signedUp = await browser.send('POST', '/api/v1/users', { name: 'Alice', password: TEST_PASSWORD });
		expect(signedUp.statusCode).toBe(201);
		const { user } = signedUp.json<SessionAnswer>();
		expect(user).toEqual({
			id: expect.stringMatching(/^[0-9a-z]{26}$/) as string,
			name: 'alice',
			role: 'viewer',
			channels: [],
		});
		expect((await browser.send('GET', '/api/v1/session')).json()).toEqual({ user });
		expect((await browser.send('DELETE', '/api/v1/session')).statusCode).toBe(204);
		expect(browser.cookies.size).toBe(0);
		expect((await browser.send('GET', '/api/v1/session')).json()).toEqual({ user: null });
		const loggedIn = await browser.send('POST', '/api/v1/session', { name: 'ALICE', password: TEST_PASSWORD });
		expect(loggedIn.json()).toEqual({ user });
	});

	it('sets cookies that scripts and other sites cannot use', async () => {
		for (const isSecure of [false, true]) {
			const other = await ApiBench.open(database, { isSecure });
			const response = await other
				.browser()
				.send('POST', '/api/v1/users', { name: `user-${isSecure}`, password: TEST_PASSWORD });
			const [accessCookie, refreshCookie] = response.headers['set-cookie'] as string[];
			const end = isSecure ? '; Secure' : '';
			const [hostPrefix, securePrefix] = isSecure ? ['__Host-', '__Secure-'] : ['', ''];
			expect(accessCookie).toMatch(
				new RegExp(`^${hostPrefix}spillway_session=[\\w.-]+; Path=/; Max-Age=600; HttpOnly; SameSite=Lax${end}$`),
			);
			expect(refreshCookie).toMatch(
				new RegExp(
					`^${securePrefix}spillway_refresh=[\\w.-]+; Path=/api/v1/session; Max-Age=2592000; HttpOnly; SameSite=Lax${end}$`,
				),
			);
			await other.close();
		}
	});

	it('rejects the tokens of an ended log-in after a restart and without the announcement', async () => {
		// Two servers without a common bus: each misses the other's announcements.
		const other = await ApiBench.open(database);
		const browser = await bench.signUp('alice');
		const access = browser.cookies.get('spillway_session')!;
		const sessionId = (await other.accounts.authenticator.authenticateToken(access))!.sessionId!;
		const ended: string[] = [];
		other.accounts.endWithSession({ inUse: () => [sessionId], end: (id) => ended.push(id) });
		await browser.send('DELETE', '/api/v1/session');
		const restarted = await ApiBench.open(database);
		expect(await restarted.accounts.authenticator.authenticateToken(access)).toBeUndefined();
		await other.clock.advance(CREDENTIAL_CHECK_INTERVAL_MS);
		await vi.waitFor(() => expect(ended).toEqual([sessionId]));
		expect(await other.accounts.authenticator.authenticateToken(access)).toBeUndefined();
		// The row outlives further log-ins as long as its access tokens can be valid.
		await logIn(bench.browser());
		const later = await ApiBench.open(database);
		expect(await later.accounts.authenticator.authenticateToken(access)).toBeUndefined();
		await Promise.all([other.close(), restarted.close(), later.close()]);
	});

	it('stores neither passwords nor tokens', async () => {
		const browser = await bench.signUp('alice');
		const rows = JSON.stringify([
			await database.query('SELECT * FROM users'),
			await database.query('SELECT * FROM sessions'),
		]);
		expect(rows).toContain('$argon2id$v=19$m=19456,t=2,p=1$');
		expect(rows).not.toContain(TEST_PASSWORD);
		for (const token of browser.cookies.values()) {
			expect(rows).not.toContain(token);
		}
	});

	it('refuses names that are malformed, reserved, or taken by an account or a channel', async () => {
		await bench.signUp('alice');
		await bench.channels.store.createChannel({ name: 'stage' });
		const expected = {
			alice: 409,
			ALICE: 409,
			stage: 409,
			admin: 400,
			whip: 400,
			a: 400,
			'with space': 400,
			'guest-anna': 400,
			JustinFan123: 400,
			Moderator: 400,
			ünicode: 400,
			[`${'x'.repeat(26)}`]: 400,
			'': 400,
			"a'; --": 400,
		};
		const statuses: Record<string, number> = {};
		for (const name of Object.keys(expected)) {
			const response = await bench.browser().send('POST', '/api/v1/users', { name, password: TEST_PASSWORD });
			statuses[name] = response.statusCode;
		}
		expect(statuses).toEqual(expected);
	});

	it('refuses passwords that are short, long, common, or the name', async () => {
		for (const password of ['short', 'Password123', 'aaaaaaaaaaaa', 'long-name-1', 'x1'.repeat(65), '\ud800abcdefgh']) {
			const response = await bench.browser().send('POST', '/api/v1/users', { name: 'long-name-1', password });
			expect([password, response.statusCode]).toEqual([password, 400]);
			expect(response.body).not.toContain(password);
		}
	});

	it('refuses sign-ups when they are closed', async () => {
		const closed = await ApiBench.open(database, { isSignUpOpen: false });
		const response = await closed.browser().send('POST', '/api/v1/users', { name: 'alice', password: TEST_PASSWORD });
		expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([403, 'FORBIDDEN']);
		await closed.close();
	});

	it('answers a wrong password alike whether the name exists or not', async () => {
		await bench.signUp('alice');
		const answers = [];
		for (const name of ['alice', 'nobody', 'admin', '', 'not a name', '../../etc']) {
			const response = await bench.browser().send('POST', '/api/v1/session', { name, password: 'wrong password' });
			const { requestId, instance, ...rest } = response.json<Record<string, unknown>>();
			expect([typeof requestId, typeof instance]).toEqual(['string', 'string']);
			answers.push(JSON.stringify([response.statusCode, rest]));
		}
		expect(new Set(answers).size).toBe(1);
		expect(answers[0]).toContain('LOGIN_REFUSED');
	});

	it.each(['alice', 'nobody'])('limits guesses at one name (%s) from many addresses', async (name) => {
		await bench.signUp('alice');
		const tries = [];
		for (let round = 0; round < 12; round++) {
			const response = await bench.browser().send('POST', '/api/v1/session', { name, password: `guess ${round}` });
			tries.push(response.statusCode);
			expect(response.headers['retry-after']).toBe(response.statusCode === 429 ? '1' : undefined);
		}
		expect(tries).toEqual([...Array<number>(11).fill(401), 429]);
	});

	it('admits a user where they have logged in before, despite guesses at their name elsewhere', async () => {
		await bench.signUp('alice');
		const home = bench.browser();
		expect(await logIn(home)).toBe(200);
		await guess(() => bench.browser());
		expect([await logIn(bench.browser()), await logIn(home)]).toEqual([429, 200]);
		expect((await guess(() => home)).at(-1)).toBe(429);
	});

	it('remembers over a restart where a user has logged in, and stores no address', async () => {
		await bench.signUp('alice');
		const home = bench.browser();
		expect(await logIn(home)).toBe(200);
		const restarted = await ApiBench.open(database);
		const [, atHome] = [restarted.browser(), restarted.browser()];
		expect(atHome.address).toBe(home.address);
		await guess(() => restarted.browser());
		expect([await logIn(restarted.browser()), await logIn(atHome)]).toEqual([429, 200]);
		const stored = await database.query<{ user_name: string }>('SELECT * FROM user_networks');
		expect(stored.map(({ user_name: name }) => name)).toEqual(['alice', 'alice']);
		expect(JSON.stringify(stored)).not.toContain(home.address);
		await restarted.close();
	});

	it('limits guesses at many names from one address, and no other address', async () => {
		await bench.signUp('alice');
		const guesser = bench.browser();
		const tries = await guess(
			() => guesser,
			(round) => `name-${round}`,
		);
		expect(tries.at(-1)).toBe(429);
		expect([await logIn(guesser), await logIn(bench.browser())]).toEqual([429, 200]);
		await bench.clock.advance(1000);
		expect(await logIn(guesser)).toBe(200);
	});

	it('replaces the scrypt hash of the first version at the next log-in', async () => {
		const salt = Buffer.alloc(16, 3);
		const key = scryptSync('admin_secret', salt, 32, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 27 });
		const old = `scrypt$32768$8$1$${salt.toString('base64url')}$${key.toString('base64url')}`;
		await database.query(
			"INSERT INTO users (id, name, password_hash, role, created_at) VALUES ('u1', 'admin', $1, 'admin', now())",
			[old],
		);
		const logInAs = (password: string): Promise<number> => logIn(bench.browser(), password, 'admin');
		const readHash = async (): Promise<string> =>
			(await database.query<{ password_hash: string }>("SELECT password_hash FROM users WHERE id = 'u1'"))[0]!
				.password_hash;
		expect([await logInAs('wrong secret'), await readHash()]).toEqual([401, old]);
		expect(await logInAs('admin_secret')).toBe(200);
		expect(await readHash()).toMatch(/^\$argon2id\$/);
		expect([await logInAs('admin_secret'), await logInAs('wrong secret')]).toEqual([200, 401]);
	});

	describe('a change of password', () => {
		const OTHER_PASSWORD = 'another long passphrase';
		const change = async (browser: TestBrowser, currentPassword: string, newPassword: string): Promise<number> =>
			(await browser.send('PUT', '/api/v1/session/password', { currentPassword, newPassword })).statusCode;

		it('makes the new password valid, and ends every other log-in', async () => {
			const browser = await bench.signUp('alice');
			const elsewhere = bench.browser();
			await logIn(elsewhere);
			expect(await change(browser, TEST_PASSWORD, OTHER_PASSWORD)).toBe(204);
			expect([await userNameOf(browser), await userNameOf(elsewhere)]).toEqual(['alice', null]);
			expect(await refresh(elsewhere)).toBe(401);
			const statuses = [await logIn(bench.browser()), await logIn(bench.browser(), OTHER_PASSWORD)];
			expect(statuses).toEqual([401, 200]);
		});

		it('is refused without a log-in, without the current password, and for a new one that is not allowed', async () => {
			const browser = await bench.signUp('alice');
			expect(await change(bench.browser(), TEST_PASSWORD, OTHER_PASSWORD)).toBe(401);
			expect(await change(browser, 'not the password', OTHER_PASSWORD)).toBe(401);
			expect(await change(browser, TEST_PASSWORD, 'short')).toBe(400);
			expect(await change(browser, TEST_PASSWORD, 'password123')).toBe(400);
		});
	});

	describe('refresh', () => {
		it('replaces both tokens, and keeps the user signed in when the access token has expired', async () => {
			const browser = await bench.signUp('alice');
			const before = new Map(browser.cookies);
			await bench.clock.advance(606_000);
			expect(await userNameOf(browser)).toBeNull();
			expect(await refresh(browser)).toBe(200);
			expect(await userNameOf(browser)).toBe('alice');
			for (const [name, value] of before) {
				expect(browser.cookies.get(name)).not.toBe(value);
			}
		});

		it('ends the whole family when a token is used again later', async () => {
			const browser = await bench.signUp('alice');
			const elsewhere = bench.browser();
			await logIn(elsewhere);
			const thief = bench.browser();
			thief.cookies.set('spillway_refresh', browser.cookies.get('spillway_refresh')!);
			await refresh(browser);
			await refresh(browser);
			await bench.clock.advance(11_000);
			const reused = await thief.send('POST', '/api/v1/session/refresh');
			expect(reused.json()).toMatchObject({ status: 401, code: 'REFRESH_REFUSED' });
			expect(thief.cookies.size).toBe(0);
			// The owner's own tokens of this log-in are invalid at once; their other log-in is another family.
			expect(await userNameOf(browser)).toBeNull();
			expect([await refresh(browser), await refresh(elsewhere)]).toEqual([401, 200]);
			expect(bench.logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
		});

		it('ends the family when a replaced token is used after ten seconds, even without a refresh since', async () => {
			const browser = await bench.signUp('alice');
			const old = browser.cookies.get('spillway_refresh')!;
			await refresh(browser);
			await bench.clock.advance(10_000);
			const thief = bench.browser();
			thief.cookies.set('spillway_refresh', old);
			expect([await refresh(thief), await refresh(browser)]).toEqual([401, 401]);
		});

		it('gives two refreshes at once the same successor', async () => {
			const browser = await bench.signUp('alice');
			const tabs = Array.from({ length: 5 }, () => bench.browser());
			for (const tab of tabs) {
				tab.cookies.set('spillway_refresh', browser.cookies.get('spillway_refresh')!);
			}
			expect(await Promise.all(tabs.map(refresh))).toEqual([200, 200, 200, 200, 200]);
			expect(new Set(tabs.map((tab) => tab.cookies.get('spillway_refresh'))).size).toBe(1);
			expect(await refresh(tabs[0]!)).toBe(200);
		});

		it('refuses forged tokens, without ending anything', async () => {
			const browser = await bench.signUp('alice');
			const [id, nonce, signature] = browser.cookies.get('spillway_refresh')!.split('.') as [string, string, string];
			const forger = bench.browser();
			for (const token of [
				'x',
				`${id}.${nonce}.${'A'.repeat(43)}`,
				`${id}.${'A'.repeat(22)}.${signature}`,
				`${id}..`,
				'null',
			]) {
				forger.cookies.set('spillway_refresh', token);
				expect(await refresh(forger)).toBe(401);
			}
			expect([await refresh(bench.browser()), await refresh(browser)]).toEqual([401, 200]);
		});

		it('is refused thirty days after the last refresh', async () => {
			const browser = await bench.signUp('alice');
			await bench.clock.advance(29 * 86_400_000);
			expect(await refresh(browser)).toBe(200);
			await bench.clock.advance(30 * 86_400_000 + 1);
			expect(await refresh(browser)).toBe(401);
		});
	});

	it('ends the session at log-out for copies of its tokens, on every server', async () => {
		const bus = new InProcessBus({ clock: systemClock, logger: silentLogger });
		const [here, there] = [await ApiBench.open(database, { bus }), await ApiBench.open(database, { bus })];
		const browser = await here.signUp('alice');
		const copy = there.browser();
		for (const [name, value] of browser.cookies) {
			copy.cookies.set(name, value);
		}
		expect(await userNameOf(copy)).toBe('alice');
		await browser.send('DELETE', '/api/v1/session');
		await expect.poll(() => userNameOf(copy)).toBeNull();
		expect(await refresh(copy)).toBe(401);
		await Promise.all([here.close(), there.close(), bus.close()]);
	});

	it('ends the oldest log-in of an account beyond twenty', async () => {
		const first = await bench.signUp('alice');
		for (let round = 0; round < 20; round++) {
			await bench.clock.advance(1000);
			await logIn(bench.browser());
		}
		expect(await refresh(first)).toBe(401);
	});

	it('refuses changes that another site caused', async () => {
		const browser = await bench.signUp('alice');
		const ask = async (headers: Record<string, string>): Promise<number> =>
			(await browser.send('POST', '/api/v1/session/refresh', undefined, headers)).statusCode;
		const foreign = ['https://evil.example', 'null', 'https://live.example.org.evil.example'];
		for (const headers of [{}, { 'x-spillway-csrf': '0' }, ...foreign.map((origin) => ({ origin }))]) {
			expect(await ask(headers)).toBe(403);
		}
		expect(await ask({ origin: 'http://localhost:80' })).toBe(200);
		expect(await ask({ origin: 'https://live.example.org' })).toBe(200);
		expect(await ask({ 'x-spillway-csrf': '1' })).toBe(200);
		// A forged log-in needs no cookies.
		const credentials = { name: 'alice', password: TEST_PASSWORD };
		const login = await bench
			.browser()
			.send('POST', '/api/v1/session', credentials, { origin: 'https://evil.example' });
		expect([login.statusCode, login.json<{ code: string }>().code]).toEqual([403, 'CSRF_REFUSED']);
		expect((await bench.browser().send('POST', '/api/v1/session', credentials, {})).statusCode).toBe(200);
	});

	it('limits sign-ups from one address', async () => {
		const browser = bench.browser();
		const statuses = [];
		for (let round = 0; round < 21; round++) {
			statuses.push((await browser.send('POST', '/api/v1/users', { name: '!', password: '' })).statusCode);
		}
		expect(statuses).toEqual([...Array<number>(20).fill(400), 429]);
		const limited = await browser.send('POST', '/api/v1/users', { name: '!', password: '' });
		expect(limited.json()).toMatchObject({ code: 'RATE_LIMITED', status: 429 });
		expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
	});
});
