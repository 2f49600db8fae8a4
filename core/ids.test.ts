/** Tests of ids, secrets and channel names. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
	createId,
	createSecret,
	explainChannelName,
	parseChannelName,
	RESERVED_CHANNEL_NAMES,
	type BroadcastId,
	type ChannelId,
	idTimeMs,
} from './ids.ts';

describe('createId', () => {
	it('makes 26 characters that are safe in a URL', () => {
		expect(createId(Date.UTC(2026, 0, 1))).toMatch(/^[0-9a-hjkmnp-tv-z]{26}$/);
	});

	it('sorts by time', () => {
		const time = fc.integer({ min: 0, max: 2 ** 45 });
		fc.assert(
			fc.property(time, time, (one, other) => {
				fc.pre(one < other);
				return createId<string>(one) < createId<string>(other);
			}),
		);
	});

	it('makes different ids within one millisecond', () => {
		const ids = Array.from({ length: 10_000 }, () => createId<string>(1));
		expect(new Set(ids).size).toBe(ids.length);
		expect(new Set(ids.map((id) => id.slice(0, 10))).size).toBe(1);
	});

	it('makes ids whose types do not mix', () => {
		const channelId: ChannelId = createId(1);
		// @ts-expect-error A channel's id is not a broadcast's.
		const broadcastId: BroadcastId = channelId;
		expect(broadcastId).toBe(channelId);
	});
});

describe('idTimeMs', () => {
	it('reads the time of an id', () => {
		expect(idTimeMs(createId(1_764_000_000_123.9))).toBe(1_764_000_000_123);
	});

	it.each(['', 'u-ann', 'x'.repeat(26), '7'.repeat(25)])('reads no time in %j', (text) => {
		expect(idTimeMs(text)).toBeUndefined();
	});
});

describe('createSecret', () => {
	it('makes 160 bits after the prefix, spread over the whole alphabet', () => {
		const secrets = Array.from({ length: 200 }, () => createSecret('live'));
		expect(secrets.every((secret) => /^live_[0-9a-hjkmnp-tv-z]{32}$/.test(secret))).toBe(true);
		expect(new Set(secrets).size).toBe(secrets.length);
		expect(new Set(secrets.map((secret) => secret.slice(5)).join('')).size).toBe(32);
	});
});

describe('parseChannelName', () => {
	it.each(['ab', 'alice', 'a_b-c', '0cool', 'x'.repeat(25)])('accepts %s', (name) => {
		expect(parseChannelName(name)).toBe(name);
	});

	it('makes capital letters small', () => {
		expect(parseChannelName('Alice')).toBe('alice');
	});

	it.each(['', 'a', '-ab', '_ab', 'a b', 'a/b', '..', 'a.b', 'ä1', 'x'.repeat(26), 'a\n'])('refuses %j', (name) => {
		expect(parseChannelName(name)).toBeUndefined();
	});

	it('refuses every name that is a route', () => {
		expect([...RESERVED_CHANNEL_NAMES].filter((name) => parseChannelName(name) !== undefined)).toEqual([]);
		expect(['api', 'whip', 'whep', 'hls', 'live', 'demo-page'].map((name) => RESERVED_CHANNEL_NAMES.has(name))).toEqual([
			true, true, true, true, true, false,
		]); // prettier-ignore
	});

	it('returns only names that it accepts', () => {
		fc.assert(
			fc.property(fc.string(), (text) => {
				const name = parseChannelName(text);
				return name === undefined || (parseChannelName(name) === name && /^[a-z0-9_-]+$/.test(name));
			}),
		);
	});
});

describe('explainChannelName', () => {
	it('says that a reserved name is reserved, and which form another text lacks', () => {
		for (const name of [...RESERVED_CHANNEL_NAMES, 'ADMIN']) {
			expect(explainChannelName(name)).toContain(`"${name.toLowerCase()}" is reserved`);
		}
		for (const text of ['a', '', 'with space', '_first', 'x'.repeat(26), 'ünder']) {
			expect(explainChannelName(text)).toContain('2–25 letters');
		}
	});

	it('gives a reason exactly for the texts that are no name', () => {
		fc.assert(
			fc.property(fc.string({ maxLength: 30 }), (text) => {
				expect(explainChannelName(text) === undefined).toBe(parseChannelName(text) !== undefined);
			}),
		);
	});
});
