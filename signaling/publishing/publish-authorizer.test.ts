/** Tests of the publish authorizer: grants, refusals, guessing, database outages. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import { DEFAULT_CHANNEL_POLICY } from '../../core/protocol/api/channel-description.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { addressKey } from '../../core/limits/address-key.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { databaseUnavailable } from '../platform/database/database.ts';
import { PublishAuthorizer } from './publish-authorizer.ts';
import type { StreamKeyOwner } from './stream-key-store.ts';
import { hashStreamKey } from './stream-key.ts';

const ADDRESS = '192.0.2.1';
const KEY = 'live_the-right-key-0123456789';
/** Chosen by hand, and short enough to be guessed. */
const SHORT_KEY = 'short-key';
const OWNER = { id: 'u1', isKnown: false, isAdministrator: false };

function owner(graceWindowSeconds?: number): StreamKeyOwner {
	const [id, name] = ['c1' as ChannelId, 'demo' as ChannelName];
	return {
		streamKeyId: 'k1',
		owner: OWNER,
		channel: {
			id,
			name,
			title: '',
			category: undefined,
			graceWindowSeconds,
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
		authorizer = new PublishAuthorizer(
			{
				networks: {
					has: (owner, address) => used.has(`${owner} ${addressKey(address)}`),
					hasAny: (address) => [...used].some((pair) => pair.endsWith(` ${addressKey(address)}`)),
					remember: async (owner, address) => void used.add(`${owner} ${addressKey(address)}`),
				},
				lookup: {
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
			{ defaultGraceWindowSeconds: 60 },
		);
	});

	it('grants the channel of the key, with the grace window of the channel or of the server', async () => {
		const grant = { channelId: 'c1', channelName: 'demo', graceWindowMs: 60_000, streamKeyId: 'k1', owner: OWNER };
		await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toEqual(grant);
		keys.set('other-key', owner(0));
		await expect(authorizer.authorize('other-key', ADDRESS)).resolves.toMatchObject({ graceWindowMs: 0 });
	});

	it('refuses a valid key of an owner who may not publish here, with the reason', async () => {
		const strict = new PublishAuthorizer(
			{
				networks: { has: () => false, hasAny: () => false, remember: async () => undefined },
				lookup: {
					findByStreamKey: (streamKey) => Promise.resolve(keys.get(streamKey)),
					listValidKeys: async () => [],
				},
				clock,
				logger,
				serverSecret: new Uint8Array(32),
			},
			{ defaultGraceWindowSeconds: 60, whoMayPublish: 'approved' },
		);
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
		await expect(authorizer.authorize('', ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_MISSING' });
		await expect(authorizer.authorize('wrong', ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		const before = queryCount;
		await expect(authorizer.authorize('x'.repeat(257), ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		expect(queryCount).toBe(before);
	});

	async function guess(count: number, address = ADDRESS): Promise<string[]> {
		const codes: string[] = [];
		for (let round = 0; round < count; round++) {
			await authorizer
				.authorize(`guess-${round}-of-a-wrong-key`, address)
				.catch((error: unknown) => codes.push((error as SpillwayError).code));
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
		await expect(authorizer.authorize(SHORT_KEY, '192.0.2.9')).rejects.toMatchObject({ code: 'TOO_MANY_ATTEMPTS' });
	});

	it('counts a revoked key as a wrong one', async () => {
		await authorizer.load();
		keys.clear();
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		await guess(10);
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'TOO_MANY_ATTEMPTS' });
	});

	it('uses the first valid one of up to three candidates, as one attempt', async () => {
		await expect(authorizer.authorize(['live', '', KEY], ADDRESS)).resolves.toMatchObject({ streamKeyId: 'k1' });
		await expect(authorizer.authorize(['a', 'b', 'c', KEY], ADDRESS)).rejects.toMatchObject({
			code: 'STREAM_KEY_REFUSED',
		});
		for (let round = 0; round < 9; round++) {
			await expect(authorizer.authorize(['x', 'y', 'z'], ADDRESS)).rejects.toMatchObject({
				code: 'STREAM_KEY_REFUSED',
			});
		}
		await expect(authorizer.authorize(['x'], ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		await expect(authorizer.authorize(['x'], ADDRESS)).rejects.toMatchObject({ code: 'TOO_MANY_ATTEMPTS' });
	});

	it('does not treat encoders that start together during a slow query as guessers', async () => {
		let finish = (): void => undefined;
		waiting = new Promise((resolve) => (finish = resolve));
		const encoders = Array.from({ length: 25 }, (_, index) => {
			keys.set(`key of encoder number ${index}`, { ...owner(), streamKeyId: `e${index}` });
			return authorizer.authorize(`key of encoder number ${index}`, ADDRESS);
		});
		const same = Array.from({ length: 300 }, () => authorizer.authorize(KEY, '192.0.2.50'));
		finish();
		expect((await Promise.all(encoders)).map(({ streamKeyId }) => streamKeyId)).toHaveLength(25);
		const outcomes = await Promise.allSettled(same);
		const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
		expect(new Set(refused.map(({ reason }) => (reason as SpillwayError).code))).toEqual(new Set(['RATE_LIMITED']));
		await expect(authorizer.authorize(KEY, '192.0.2.50')).resolves.toBeDefined();
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
		await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toBeDefined();
		await clock.advance(5000);
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
	});

	it('refuses an evicted key at once', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		keys.clear();
		authorizer.evictKey('k1');
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
	});

	it('admits only cached keys during a database outage, for ten minutes', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		isDatabaseAway = true;
		await clock.advance(599_000);
		await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toMatchObject({ channelId: 'c1' });
		await expect(authorizer.authorize('unknown', ADDRESS)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
		await clock.advance(1000);
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
	});

	it('does not admit a revoked key when a database outage follows', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		keys.clear();
		await clock.advance(5000);
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		isDatabaseAway = true;
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
	});

	it('does not count attempts during a database outage', async () => {
		isDatabaseAway = true;
		for (let round = 0; round < 30; round++) {
			await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
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
