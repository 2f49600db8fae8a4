/** Tests of access and refresh tokens: genuine, forged and expired ones. */
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { AccessTokens } from './access-token.ts';
import { TokenAuthenticator } from './authenticator.ts';
import { deriveKey } from './create-accounts.ts';
import { RefreshTokens } from './refresh-token.ts';
import { readCookie, SessionCookies } from './session-cookies.ts';

const SECRET = new Uint8Array(32).fill(1);
const KEY = deriveKey(SECRET, 'access-token');
const USER = { id: 'u1', name: 'alice', role: 'viewer' } as const;

function isSameToken(one: string, other: string): boolean {
	const [a, b] = [one.split('.'), other.split('.')];
	return (
		a.length === b.length &&
		a.every((part, index) => Buffer.from(part, 'base64url').equals(Buffer.from(b[index]!, 'base64url')))
	);
}

describe('AccessTokens', () => {
	let clock: FakeClock;
	let tokens: AccessTokens;

	beforeEach(() => {
		clock = new FakeClock();
		tokens = new AccessTokens({ clock, key: KEY });
	});

	it('identifies its user for ten minutes', async () => {
		const token = await tokens.issue(USER, 's1');
		await expect(tokens.read(token)).resolves.toEqual({ ...USER, sessionId: 's1' });
		await clock.advance(604_000);
		await expect(tokens.read(token)).resolves.toBeDefined();
		await clock.advance(2000);
		await expect(tokens.read(token)).resolves.toBeUndefined();
	});

	it('refuses every token that differs in one claim, type, algorithm or key', async () => {
		type Parts = { claims: Record<string, unknown>; header: { alg: string; typ: string }; key: Uint8Array };
		const nowSeconds = Math.floor(clock.nowMs() / 1000);
		const right: Parts = {
			claims: {
				sub: 'u1',
				name: 'alice',
				role: 'viewer',
				sid: 's1',
				iss: 'spillway',
				aud: 'spillway-api',
				iat: nowSeconds,
				exp: nowSeconds + 60,
			},
			header: { alg: 'HS256', typ: 'at+jwt' },
			key: KEY,
		};
		const make = ({ claims, header, key }: Parts): Promise<string> =>
			new SignJWT(claims).setProtectedHeader(header).sign(key);
		await expect(tokens.read(await make(right))).resolves.toBeDefined();
		const claim = (change: Record<string, unknown>): Parts => ({ ...right, claims: { ...right.claims, ...change } });
		const wrong: Parts[] = [
			claim({ iss: 'other' }),
			claim({ aud: 'playback' }),
			claim({ exp: nowSeconds - 10 }),
			claim({ exp: undefined }),
			claim({ sub: undefined }),
			claim({ sid: undefined }),
			claim({ sid: 5 }),
			claim({ role: 'root' }),
			claim({ name: '<b>' }),
			claim({ nbf: nowSeconds + 60 }),
			{ ...right, header: { alg: 'HS256', typ: 'JWT' } },
			{ ...right, header: { alg: 'HS512', typ: 'at+jwt' } },
			{ ...right, key: deriveKey(SECRET, 'refresh-token') },
		];
		for (const parts of wrong) {
			await expect(tokens.read(await make(parts)), JSON.stringify(parts.claims)).resolves.toBeUndefined();
		}
	});

	it('rejects any other text without throwing', async () => {
		const token = await tokens.issue(USER, 's1');
		const text = fc.oneof(
			fc.string({ unit: 'binary' }),
			fc
				.tuple(fc.nat({ max: token.length - 1 }), fc.string({ maxLength: 3 }))
				.map(([at, put]) => token.slice(0, at) + put),
			fc.constant('x'.repeat(2000)),
		);
		await fc.assert(
			fc.asyncProperty(text, async (garbage) => {
				// The last of 43 characters encodes 4 bits, so three others give the same signature.
				fc.pre(!isSameToken(garbage, token));
				expect(await tokens.read(garbage)).toBeUndefined();
			}),
			{ numRuns: 300 },
		);
	});
});

describe('TokenAuthenticator', () => {
	it('accepts a cookie or a bearer token, and neither of an ended session', async () => {
		const clock = new FakeClock();
		const tokens = new AccessTokens({ clock, key: KEY });
		const authenticator = new TokenAuthenticator({ tokens, clock, cookies: new SessionCookies(false) });
		const [token, other] = [await tokens.issue(USER, 's1'), await tokens.issue(USER, 's2')];
		const ask = (headers: Record<string, string>): Promise<unknown> => authenticator.authenticate({ headers });
		await expect(ask({ cookie: `a=b; spillway_session=${token}` })).resolves.toMatchObject({ name: 'alice' });
		await expect(ask({ authorization: `Bearer ${token}` })).resolves.toMatchObject({ name: 'alice' });
		await expect(ask({ authorization: 'Bearer live_streamkey' })).resolves.toBeUndefined();
		await expect(ask({})).resolves.toBeUndefined();
		authenticator.endSession('s1');
		await expect(ask({ authorization: `Bearer ${token}` })).resolves.toBeUndefined();
		await expect(authenticator.authenticateToken(other)).resolves.toMatchObject({ sessionId: 's2' });
	});
});

describe('RefreshTokens', () => {
	const tokens = new RefreshTokens(deriveKey(SECRET, 'refresh-token'));
	const id = '0'.repeat(26);

	it('makes the same successor of the same token, and different ones of different tokens', () => {
		const [one, other] = [tokens.createFirst(id), tokens.createFirst(id)];
		expect(tokens.successor(one)).toBe(tokens.successor(one));
		const chain = [one, tokens.successor(one), tokens.successor(tokens.successor(one)), other, tokens.successor(other)];
		expect(new Set(chain).size).toBe(5);
		expect(chain.map((token) => tokens.readSessionId(token))).toEqual(Array(5).fill(id));
		expect(new Set(chain.map((token) => Buffer.from(tokens.hash(token)).toString('hex'))).size).toBe(5);
	});

	it('accepts only its own tokens', () => {
		const token = tokens.createFirst(id);
		expect(new RefreshTokens(new Uint8Array(32)).readSessionId(token)).toBeUndefined();
		fc.assert(
			fc.property(fc.nat({ max: token.length - 1 }), fc.constantFrom(...'abcXYZ019_-.'), (at, put) => {
				const changed = token.slice(0, at) + put + token.slice(at + 1);
				expect(tokens.readSessionId(changed)).toBe(changed === token ? id : undefined);
			}),
		);
		fc.assert(
			fc.property(fc.string(), (text) => {
				expect(tokens.readSessionId(text)).toBeUndefined();
			}),
		);
	});
});

describe('readCookie', () => {
	it('finds a cookie among others, and none in a header that is too long', () => {
		const read = (cookie: string): string | undefined => readCookie({ headers: { cookie } }, 'name');
		expect(read('other=1; name=value; name=second')).toBe('value');
		expect(read('xname=1;name= spaced ')).toBe('spaced');
		expect([read('name'), read('name='), read(''), read('=name')]).toEqual([
			undefined,
			undefined,
			undefined,
			undefined,
		]);
		expect(read(`a=${'x'.repeat(9000)}; name=value`)).toBeUndefined();
	});
});
