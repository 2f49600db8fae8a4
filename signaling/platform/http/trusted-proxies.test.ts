/** Tests of the list of trusted proxies. */
import { describe, expect, it } from 'vitest';
import { createProxyTrust } from './trusted-proxies.ts';

describe('createProxyTrust', () => {
	it.each([
		['loopback', ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'], ['128.0.0.1', '::2', '10.0.0.1']],
		['linklocal', ['169.254.1.1', 'fe80::1%eth0'], ['169.255.0.1', 'fec0::1']],
		['uniquelocal', ['10.1.2.3', '172.31.0.1', '192.168.1.1', 'fd00::1'], ['172.32.0.1', '2001:db8::1']],
		['192.0.2.0/24', ['192.0.2.255', '::ffff:192.0.2.1'], ['192.0.3.0']],
		['192.0.2.7', ['192.0.2.7'], ['192.0.2.8']],
		['2001:db8::/32', ['2001:db8:ffff::1'], ['2001:db9::1']],
	])('trusts %s', (entry, inside, outside) => {
		const isTrusted = createProxyTrust([entry]);
		expect(inside.filter((address) => !isTrusted(address))).toEqual([]);
		expect(outside.filter(isTrusted)).toEqual([]);
	});

	it('trusts no address without entries, and no text that is no address', () => {
		expect(createProxyTrust([])('127.0.0.1')).toBe(false);
		expect(createProxyTrust(['0.0.0.0/0', '::/0'])('somewhere')).toBe(false);
	});

	it.each(['10.0.0.0/33', '2001:db8::/129', '10.0.0', '1:2', '10.0.0.0/x'])('refuses %s', (entry) => {
		expect(() => createProxyTrust([entry])).toThrow(TypeError);
	});
});
