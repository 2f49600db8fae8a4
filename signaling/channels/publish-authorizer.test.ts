/** Tests of who may publish: grants, refusals, guessing, database outages. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { SpillwayError } from '../../core/errors.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import { DEFAULT_CHANNEL_POLICY } from '../../core/protocol/channel-description.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { databaseUnavailable } from '../database/database.ts';
import type { StreamKeyOwner } from './channel-store.ts';
import { PublishAuthorizer } from './publish-authorizer.ts';

const ADDRESS = '192.0.2.1';
const KEY = 'live_the-right-key';

function owner(graceWindowSeconds?: number): StreamKeyOwner {
	const [id, name] = ['c1' as ChannelId, 'demo' as ChannelName];
	return {
		streamKeyId: 'k1',
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

	beforeEach(() => {
		clock = new FakeClock();
		logger = new RecordingLogger();
		keys = new Map([[KEY, owner()]]);
		queryCount = 0;
		isDatabaseAway = false;
		authorizer = new PublishAuthorizer({
			lookup: {
				findByStreamKey(streamKey) {
					queryCount++;
					return isDatabaseAway ? Promise.reject(databaseUnavailable()) : Promise.resolve(keys.get(streamKey));
				},
			},
			clock,
			logger,
			serverSecret: new Uint8Array(32),
			defaultGraceWindowSeconds: 60,
		});
	});

	it('grants the channel of the key, with the grace window of the channel or else of the server', async () => {
		const grant = { channelId: 'c1', channelName: 'demo', graceWindowMs: 60_000, streamKeyId: 'k1' };
		await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toEqual(grant);
		keys.set('other-key', owner(0));
		await expect(authorizer.authorize('other-key', ADDRESS)).resolves.toMatchObject({ graceWindowMs: 0 });
	});

	it('takes the first good one of several keys, and counts them as one attempt', async () => {
		const grant = { channelName: 'demo', streamKeyId: 'k1' };
		await expect(authorizer.authorize(['cam', KEY], ADDRESS)).resolves.toMatchObject(grant);
		await expect(authorizer.authorize(['', KEY], ADDRESS)).resolves.toMatchObject(grant);
		await expect(authorizer.authorize([], ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_MISSING' });
		// No more than three, or one attempt would be many guesses.
		const late = authorizer.authorize(['a', 'b', 'c', KEY], ADDRESS);
		await expect(late).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		for (let round = 0; round < 9; round++) {
			const guess = authorizer.authorize(['x', 'y', 'z'], ADDRESS);
			await expect(guess).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		}
		await expect(authorizer.authorize(['live', KEY], '192.0.2.2')).resolves.toMatchObject(grant);
	});

	it('lets a key in that was in use before the database went away, behind a candidate that was not', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		await clock.advance(10_000);
		isDatabaseAway = true;
		await expect(authorizer.authorize(['cam', KEY], ADDRESS)).resolves.toMatchObject({ streamKeyId: 'k1' });
	});

	it('tells a missing key from a wrong one, and refuses one that is too long without asking', async () => {
		await expect(authorizer.authorize('', ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_MISSING' });
		await expect(authorizer.authorize('wrong', ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		const before = queryCount;
		await expect(authorizer.authorize('x'.repeat(257), ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		expect(queryCount).toBe(before);
	});

	it('makes guessers wait, also when they then guess right, and tells for how long', async () => {
		for (let round = 0; round < 11; round++) {
			await expect(authorizer.authorize(`guess-${round}`, ADDRESS)).rejects.toMatchObject({
				code: 'STREAM_KEY_REFUSED',
			});
		}
		const refusal = { code: 'TOO_MANY_ATTEMPTS', httpStatus: 429, retryAfterSeconds: 1 };
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject(refusal);
		await expect(authorizer.authorize(KEY, '192.0.2.2')).resolves.toBeDefined();
		await clock.advance(1000);
		await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toBeDefined();
	});

	it('does not count a right key, however often it comes', async () => {
		for (let round = 0; round < 50; round++) {
			await authorizer.authorize(KEY, ADDRESS);
		}
		expect(queryCount).toBe(1);
	});

	it('asks again after five seconds, so that a revoked key stops working', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		keys.clear();
		await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toBeDefined();
		await clock.advance(5000);
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
	});

	it('stops at once a key that it was told to forget', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		keys.clear();
		authorizer.forget('k1');
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
	});

	it('lets known publishers back in while the database is away, for ten minutes, and nobody else', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		isDatabaseAway = true;
		await clock.advance(599_000);
		await expect(authorizer.authorize(KEY, ADDRESS)).resolves.toMatchObject({ channelId: 'c1' });
		await expect(authorizer.authorize('unknown', ADDRESS)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
		await clock.advance(1000);
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
	});

	it('does not let a key that was found revoked back in when the database goes away', async () => {
		await authorizer.authorize(KEY, ADDRESS);
		keys.clear();
		await clock.advance(5000);
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
		isDatabaseAway = true;
		await expect(authorizer.authorize(KEY, ADDRESS)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
	});

	it('does not count an outage against the publisher', async () => {
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
