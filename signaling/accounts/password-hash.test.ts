/** Tests of password hashes: their form, how many run at once, and which are refused. */
import { describe, expect, it } from 'vitest';
import { PasswordHasher, type HashTurn } from './password-hash.ts';
import { validateNewPassword } from './user.ts';

describe('PasswordHasher', () => {
	it('salts, and accepts only the right password, in every Unicode form', async () => {
		const hasher = new PasswordHasher();
		const [one, other] = [await hasher.hash('päss word'), await hasher.hash('päss word')];
		expect(one).not.toBe(other);
		expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
		await expect(hasher.verify('päss word', one)).resolves.toBe(true);
		await expect(hasher.verify('pa\u0308ss word', one)).resolves.toBe(true);
		await expect(hasher.verify('pass word', one)).resolves.toBe(false);
		expect(hasher.needsRehash(one)).toBe(false);
		expect(hasher.needsRehash('scrypt$32768$8$1$AAAA$AAAA')).toBe(true);
		expect(hasher.needsRehash(one.replace('m=19456', 'm=4096'))).toBe(true);
	});

	it('accepts no password for an unknown account or a text that is no hash', async () => {
		const hasher = new PasswordHasher();
		for (const stored of [undefined, '', 'plain', '$argon2id$', 'scrypt$1$2$3$x$', 'scrypt$a$8$1$AAAA$AAAA']) {
			await expect(hasher.verify('anything', stored)).resolves.toBe(false);
		}
	});

	it('limits how many run and wait, refuses the rest, and serves again afterwards', async () => {
		const hasher = new PasswordHasher({ maxRunning: 1, maxWaiting: 2 });
		const results = await Promise.allSettled(Array.from({ length: 6 }, () => hasher.hash('some password')));
		expect(results.map(({ status }) => status)).toEqual([...Array(3).fill('fulfilled'), ...Array(3).fill('rejected')]);
		expect((results[5] as PromiseRejectedResult).reason).toMatchObject({ code: 'ACCOUNTS_BUSY', httpStatus: 503 });
		await expect(hasher.hash('some password')).resolves.toContain('argon2id');
	});

	it('serves log-ins of known users and existing accounts before a flood, in turn with sign-ups', async () => {
		const hasher = new PasswordHasher({ maxRunning: 1, maxWaiting: 4 });
		const done: string[] = [];
		const run = async (name: string, turn: HashTurn): Promise<void> => {
			await hasher.verify('x', 'no hash of ours', turn).then(
				() => done.push(name),
				() => done.push(`${name} refused`),
			);
		};
		await hasher.prepareDecoy();
		const flood = Array.from({ length: 12 }, (_, index) =>
			run('unknown', { kind: 'log-in', group: `192.0.2.${index}`, rank: 0 }),
		);
		const others = [
			run('account', { kind: 'log-in', group: '198.51.100.1', rank: 1 }),
			run('known', { kind: 'log-in', group: '198.51.100.2', rank: 2 }),
			run('sign-up', { kind: 'sign-up', group: '198.51.100.3', rank: 0 }),
		];
		await Promise.all([...flood, ...others]);
		const served = done.filter((name) => !name.endsWith('refused'));
		expect(served).toEqual(['unknown', 'sign-up', 'known', 'account', 'unknown', 'unknown']);
		expect(done).toHaveLength(15);
	});
});

describe('validateNewPassword', () => {
	it('accepts long passphrases of any characters, and refuses what guessers try first', () => {
		for (const password of [
			'correct horse battery',
			'пароль из слов',
			'🎬🎬🎬🎬🎬🎬🎬x',
			'a b c d e',
			'x'.repeat(64) + 'y'.repeat(64),
		]) {
			expect(() => validateNewPassword(password, 'alice')).not.toThrow();
		}
		for (const password of [
			'',
			'1234567',
			'PASSWORD',
			'Alice-the-1st',
			'zzzzzzzz',
			'x'.repeat(129),
			'\ud800'.repeat(9),
		]) {
			expect(() => validateNewPassword(password, 'alice-the-1st')).toThrow(/password/);
		}
	});
});
