/** Tests of the publish authorizer: grants, refusals, guessing, database outages. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import { DEFAULT_CHANNEL_POLICY } from '../../core/protocol/api/channel-description.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { addressKey } from '../../core/limits/address-key.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { databaseUnavailable } from '../platform/database/database.ts';
import { PublishAuthorizer, type PublishAuthorizerOptions } from './publish-authorizer.ts';
import type { StreamKeyOwner } from './stream-key-store.ts';
import { hashStreamKey } from './stream-key.ts';

const ADDRESS = '192.0.2.1';
const KEY = 'live_the-right-key-0123456789';
/** Chosen by hand, and short enough to be guessed. */
const SHORT_KEY = 'short-key';
const OWNER = { id: 'u1', isKnown: false, isAdministrator: false };

function owner(graceWindowSeconds?: number): StreamKeyOwner {
	return {
		streamKeyId: 'k1',
		owner: OWNER,
		channel: {
			id: 'c1' as ChannelId,
			name: 'demo' as ChannelName,
			title: '',
			category: undefined,
			graceWindowSeconds,
			ladderChoice: graceWindowSeconds === undefined ? undefined : 'off',
			policy: DEFAULT_CHANNEL_POLICY,
			ownerId: undefined,
			ownerName: undefined,
			createdAt: new Date(0),
		},
	};
}

describe('PublishAuthorizer', () => {
	let clock: FakeClock;
	let logger: RecordingLogger;
	let keys: Map<string, StreamKeyOwner>;
	let queryCount: number;
	let isDatabaseAway: boolean;
	let authorizer: PublishAuthorizer;
	let used: Set<string>;
	let waiting: Promise<void> | undefined;

	beforeEach(() => {
		clock = new FakeClock();
		logger = new RecordingLogger();
		keys = new Map([[KEY, owner()]]);
		queryCount = 0;
		isDatabaseAway = false;
		used = new Set();
		waiting = undefined;
		authorizer = createAuthorizer();
	});

	const createAuthorizer = (options?: Pick<PublishAuthorizerOptions, 'whoMayPublish'>): PublishAuthorizer =>
		new PublishAuthorizer(
			{
				networks: {
					has: (owner, address) => used.has(`${owner} ${addressKey(address)}`),
					hasAny: (address) => [...used].some((pair) => pair.endsWith(` ${addressKey(address)}`)),
					remember: async (owner, address) => void used.add(`${owner} ${addressKey(address)}`),
				},
				streamKeys: {
					async findByStreamKey(streamKey) {
						queryCount++;
						if (isDatabaseAway) {
							throw databaseUnavailable();
						}
						await waiting;
						return keys.get(streamKey);
					},
					listValidKeys: async () =>
						[...keys].map(([key, { streamKeyId }]) => ({
							id: streamKeyId,
							hash: hashStreamKey(new Uint8Array(32), key),
						})),
				},
				clock,
				logger,
				serverSecret: new Uint8Array(32),
			},
			{ defaultGraceWindowSeconds: 60, ...options },
		);

	/** 'admitted', or the code of the refusal. */
	const outcomeOf = (key: string | string[], address = ADDRESS): Promise<string> =>
		authorizer.authorize(key, address).then(
			() => 'admitted',
			(error: SpillwayError) => error.code,
		);

	it('grants the channel of the key, with the grace window of the channel or of the server', async () => {
		const grant = { channelId: 'c1', channelName: 'demo', graceWindowMs: 60_000, streamKeyId: 'k1', owner: OWNER };
		await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toEqual(grant);
		keys.set('other-key', owner(0));
		await expect(authorizer.authorize('other-key', ADDRESS)).resolves.toMatchObject({
			graceWindowMs: 0,
			ladderChoice: 'off',
		});
	});

	it('refuses a valid key of an owner who may not publish here, with the reason', async () => {
		const strict = createAuthorizer({ whoMayPublish: 'approved' });
		for (let attempt = 0; attempt < 20; attempt++) {
			// It does not count as a wrong key.
			await expect(strict.authorize(KEY, ADDRESS)).rejects.toMatchObject({
				code: 'PUBLISHING_NOT_ALLOWED',
				message: 'This channel may not publish here: an administrator has to approve its owner first.',
			});
		}
		keys.set('approved-key', { ...owner(), owner: { ...OWNER, isKnown: true } });
		await expect(strict.authorize('approved-key', ADDRESS)).resolves.toMatchObject({ channelId: 'c1' });
	});

	it('admits a cached key during a database outage, behind an unknown candidate', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		await clock.advance(10_000);
		isDatabaseAway = true;
		await expect(authorizer.authorize(['cam', KEY], ADDRESS)).resolves.toMatchObject({ streamKeyId: 'k1' });
	});

	it('distinguishes a missing key from a wrong one, and refuses one that is too long without a query', async () => {
		expect(await outcomeOf('')).toBe('STREAM_KEY_MISSING');
		expect(await outcomeOf('wrong')).toBe('STREAM_KEY_REFUSED');
		const before = queryCount;
		expect(await outcomeOf('x'.repeat(257))).toBe('STREAM_KEY_REFUSED');
		expect(queryCount).toBe(before);
	});

	async function guess(count: number, address = ADDRESS): Promise<string[]> {
		const codes: string[] = [];
		for (let round = 0; round < count; round++) {
			codes.push(await outcomeOf(`guess-${round}-of-a-wrong-key`, address));
		}
		return codes;
	}

	it('makes guessers wait, reports for how long, and does not query the database meanwhile', async () => {
		expect(await guess(11)).toEqual(new Array(11).fill('STREAM_KEY_REFUSED'));
		const before = queryCount;
		const refusal = { code: 'TOO_MANY_ATTEMPTS', httpStatus: 429, retryAfterSeconds: 1 };
		await expect(authorizer.authorize('one more wrong key', ADDRESS)).rejects.toMatchObject(refusal);
		expect(queryCount).toBe(before);
	});

	it('never locks out a valid key after wrong ones from its address, used before or not', async () => {
		await authorizer.load();
		const results = await guess(60);
		expect(results.filter((code) => code === 'TOO_MANY_ATTEMPTS').length).toBeGreaterThan(40);
		for (let round = 0; round < 30; round++) {
			await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toMatchObject({ streamKeyId: 'k1' });
			await guess(3);
			await clock.advance(1000);
		}
	});

	it('admits a key that was just made, despite wrong ones', async () => {
		await guess(60);
		keys.set('a-key-that-was-made-just-now', owner());
		authorizer.addKey('k1', hashStreamKey(new Uint8Array(32), 'a-key-that-was-made-just-now'));
		await expect(authorizer.authorize('a-key-that-was-made-just-now', ADDRESS)).resolves.toBeDefined();
	});

	it('admits a guessable key, despite wrong ones, only where it was used before', async () => {
		keys.set(SHORT_KEY, { ...owner(), streamKeyId: 'k2' });
		await authorizer.load();
		await authorizer.authorize(SHORT_KEY, '2001:db8::1');
		await guess(11, '2001:db8::2');
		await guess(11, '192.0.2.9');
		await expect(authorizer.authorize(SHORT_KEY, '2001:db8::3')).resolves.toMatchObject({ streamKeyId: 'k2' });
		expect(await outcomeOf(SHORT_KEY, '192.0.2.9')).toBe('TOO_MANY_ATTEMPTS');
	});

	it('counts a revoked key as a wrong one', async () => {
		await authorizer.load();
		keys.clear();
		expect(await outcomeOf(KEY)).toBe('STREAM_KEY_REFUSED');
		await guess(10);
		expect(await outcomeOf(KEY)).toBe('TOO_MANY_ATTEMPTS');
	});

	it('uses the first valid one of up to three candidates, as one attempt', async () => {
		await expect(authorizer.authorize(['live', '', KEY], ADDRESS)).resolves.toMatchObject({ streamKeyId: 'k1' });
		expect(await outcomeOf(['a', 'b', 'c', KEY])).toBe('STREAM_KEY_REFUSED');
		for (let round = 0; round < 10; round++) {
			expect(await outcomeOf(['x', 'y', 'z'])).toBe('STREAM_KEY_REFUSED');
		}
		expect(await outcomeOf(['x'])).toBe('TOO_MANY_ATTEMPTS');
	});

	it('does not treat encoders that start together during a slow query as guessers', async () => {
		let finish = (): void => undefined;
		waiting = new Promise((resolve) => (finish = resolve));
		const encoders = Array.from({ length: 25 }, (_, index) => {
			keys.set(`key of encoder number ${index}`, { ...owner(), streamKeyId: `e${index}` });
			return authorizer.authorize(`key of encoder number ${index}`, ADDRESS);
		});
		const same = Array.from({ length: 300 }, () => outcomeOf(KEY, '192.0.2.50'));
		finish();
		expect((await Promise.all(encoders)).map(({ streamKeyId }) => streamKeyId)).toHaveLength(25);
		expect(new Set(await Promise.all(same))).toEqual(new Set(['admitted', 'RATE_LIMITED']));
		expect(await outcomeOf(KEY, '192.0.2.50')).toBe('admitted');
		expect(queryCount).toBe(26);
	});

	it('records the address from which a key was used', async () => {
		expect(authorizer.isKnownAddress(ADDRESS)).toBe(false);
		await authorizer.authorize(KEY, ADDRESS);
		expect(authorizer.isKnownAddress(ADDRESS)).toBe(true);
		expect([...used]).toEqual([`k1 ${ADDRESS}`]);
	});

	it('does not count a valid key as an attempt, and queries it once', async () => {
		for (let round = 0; round < 50; round++) {
			await authorizer.authorize(KEY, ADDRESS);
		}
		expect(queryCount).toBe(1);
	});

	it('queries again after five seconds, so that a revoked key stops working', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		keys.clear();
		expect(await outcomeOf(KEY)).toBe('admitted');
		await clock.advance(5000);
		expect(await outcomeOf(KEY)).toBe('STREAM_KEY_REFUSED');
	});

	it('refuses an evicted key at once', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		keys.clear();
		authorizer.evictKey('k1');
		expect(await outcomeOf(KEY)).toBe('STREAM_KEY_REFUSED');
	});

	it('admits only cached keys during a database outage, for ten minutes', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		isDatabaseAway = true;
		await clock.advance(599_000);
		await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toMatchObject({ channelId: 'c1' });
		expect(await outcomeOf('unknown')).toBe('DATABASE_UNAVAILABLE');
		await clock.advance(1000);
		expect(await outcomeOf(KEY)).toBe('DATABASE_UNAVAILABLE');
	});

	it('does not admit a revoked key when a database outage follows', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		keys.clear();
		await clock.advance(5000);
		expect(await outcomeOf(KEY)).toBe('STREAM_KEY_REFUSED');
		isDatabaseAway = true;
		expect(await outcomeOf(KEY)).toBe('DATABASE_UNAVAILABLE');
	});

	it('does not count attempts during a database outage', async () => {
		isDatabaseAway = true;
		for (let round = 0; round < 30; round++) {
			expect(await outcomeOf(KEY)).toBe('DATABASE_UNAVAILABLE');
		}
	});

	it('writes no key into messages or logs', async () => {
		const errors: unknown[] = [];
		for (const key of [KEY, 'wrong-secret']) {
			await authorizer.authorize(key, ADDRESS).catch((error: unknown) => errors.push(error));
		}
		expect(errors).toHaveLength(1);
		const text = JSON.stringify(logger.lines) + errors.map((error) => (error as SpillwayError).message).join();
		expect(text).not.toMatch(/the-right-key|wrong-secret/);
	});
});
