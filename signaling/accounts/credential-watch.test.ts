/** Tests of the credential watch, with a set in place of a table. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { CREDENTIAL_CHECK_INTERVAL_MS, CredentialWatch } from './credential-watch.ts';

let clock: FakeClock;
let logger: RecordingLogger;
let inUse: string[];
let valid: Set<string>;
let ended: string[];
let queries: number[];
let isDatabaseLost: boolean;
let watch: CredentialWatch;

beforeEach(() => {
	clock = new FakeClock();
	logger = new RecordingLogger();
	[inUse, valid, ended, queries, isDatabaseLost] = [[], new Set(), [], [], false];
	watch = new CredentialWatch(
		{ clock, logger },
		{
			name: 'log-ins',
			inUse: () => inUse,
			findEnded: async (ids) => {
				if (isDatabaseLost) {
					throw new Error('away');
				}
				queries.push(ids.length);
				return ids.filter((id) => !valid.has(id));
			},
			onEnded: (id) => ended.push(id),
		},
	);
});
afterEach(() => watch.close());

describe('CredentialWatch', () => {
	it('ends the credentials that are no longer valid, and only those', async () => {
		inUse = ['one', 'two', 'two'];
		valid = new Set(['one']);
		await clock.advance(CREDENTIAL_CHECK_INTERVAL_MS);
		expect(ended).toEqual(['two']);
		expect(queries).toEqual([2]);
	});

	it('queries nothing without connections, and a thousand ids at a time with many', async () => {
		await clock.advance(CREDENTIAL_CHECK_INTERVAL_MS);
		expect(queries).toEqual([]);
		inUse = Array.from({ length: 2500 }, (_value, index) => `id-${index}`);
		valid = new Set(inUse);
		await clock.advance(CREDENTIAL_CHECK_INTERVAL_MS);
		expect(queries).toEqual([1000, 1000, 500]);
		expect(ended).toEqual([]);
	});

	it('ends nothing while the database is unavailable, and asks again', async () => {
		inUse = ['one'];
		isDatabaseLost = true;
		await clock.advance(CREDENTIAL_CHECK_INTERVAL_MS);
		expect(ended).toEqual([]);
		isDatabaseLost = false;
		await clock.advance(CREDENTIAL_CHECK_INTERVAL_MS);
		expect(ended).toEqual(['one']);
	});

	it('stops when it is closed', async () => {
		await watch.close();
		inUse = ['one'];
		await clock.advance(2 * CREDENTIAL_CHECK_INTERVAL_MS);
		expect(queries).toEqual([]);
	});
});
