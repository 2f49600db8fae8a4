/** Tests of stream keys and their hashes. */
import { describe, expect, it } from 'vitest';
import { createStreamKey, hashStreamKey, shownPrefix } from './stream-key.ts';

describe('createStreamKey', () => {
	it('makes keys that are long, different, and safe in addresses', () => {
		const keys = Array.from({ length: 100 }, createStreamKey);
		expect(new Set(keys).size).toBe(100);
		expect(keys.every((key) => /^live_[0-9a-z]{32}$/.test(key))).toBe(true);
	});
});

describe('hashStreamKey', () => {
	it('depends on the key and on the secret of the server', () => {
		const [one, other] = [new Uint8Array(32), new Uint8Array(32).fill(1)];
		expect(hashStreamKey(one, 'a')).toEqual(hashStreamKey(one, 'a'));
		expect(hashStreamKey(one, 'a')).not.toEqual(hashStreamKey(one, 'b'));
		expect(hashStreamKey(one, 'a')).not.toEqual(hashStreamKey(other, 'a'));
		expect(hashStreamKey(one, 'a')).toHaveLength(32);
	});
});

describe('shownPrefix', () => {
	it('shows the beginning of long keys and nothing of short ones', () => {
		expect(shownPrefix('live_abcdefghijklmnopqrstuvwxyz')).toBe('live_abcd');
		expect(shownPrefix('my-short-key')).toBe('');
	});
});
