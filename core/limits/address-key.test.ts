/** Tests of address groups: all notations of an address give the same key. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressKey, isLoopback, plainAddress, SenderGroups } from './address-key.ts';

const ipv6Groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
	minLength: 8,
	maxLength: 8,
});

/** Writes an IPv6 address in one of its notations. */
function write(groups: readonly number[], style: { isUpper: boolean; isPadded: boolean; isShort: boolean }): string {
	const texts = groups.map((group) => group.toString(16).padStart(style.isPadded ? 4 : 1, '0'));
	let text = texts.join(':');
	const first = groups.indexOf(0);
	if (style.isShort && first >= 0) {
		let end = first;
		while (groups[end] === 0) {
			end++;
		}
		text = `${texts.slice(0, first).join(':')}::${texts.slice(end).join(':')}`;
	}
	return style.isUpper ? text.toUpperCase() : text;
}

describe('addressKey', () => {
	it.each([
		['192.0.2.7', '192.0.2.7'],
		['::ffff:192.0.2.7', '192.0.2.7'],
		['::FFFF:192.0.2.7', '192.0.2.7'],
		['::ffff:c000:207', '192.0.2.7'],
		['0:0:0:0:0:ffff:c000:0207', '192.0.2.7'],
		['64:ff9b::192.0.2.7', '192.0.2.7'],
		['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
		['2001:db8:1:2::1', '2001:db8:1:2::/64'],
		['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
		['2001:db8::192.0.2.7', '2001:db8:0:0::/64'],
		['::1', '0:0:0:0::/64'],
		['fe80::1%eth0', 'fe80:0:0:0::/64'],
		['not an address', 'not an address'],
		['1.2.3.256', '1.2.3.256'],
		['1::2::3', '1::2::3'],
		['1:2:3:4:5:6:7', '1:2:3:4:5:6:7'],
		['1:2:3:4:5:6:7:8::', '1:2:3:4:5:6:7:8::'],
	])('counts %s as %s', (address, key) => {
		expect(addressKey(address)).toBe(key);
	});

	it('gives one key to all addresses of a /64 in any notation, and another to every other /64', () => {
		fc.assert(
			fc.property(
				ipv6Groups,
				ipv6Groups,
				fc.record({ isUpper: fc.boolean(), isPadded: fc.boolean(), isShort: fc.boolean() }),
				(one, other, style) => {
					// Neither mapped nor translated.
					const [network, elsewhere] = [
						[0x2001, ...one.slice(1)],
						[0x2001, ...other.slice(1)],
					];
					const neighbour = [...network.slice(0, 4), ...other.slice(4)];
					const key = addressKey(write(network, style));
					expect(addressKey(write(neighbour, style))).toBe(key);
					const isSameNetwork = network.slice(0, 4).join() === elsewhere.slice(0, 4).join();
					expect(addressKey(write(elsewhere, style)) === key).toBe(isSameNetwork);
				},
			),
			{ numRuns: 200 },
		);
	});

	it('never throws and never gives a key longer than 64 characters', () => {
		fc.assert(
			fc.property(fc.oneof(fc.string({ maxLength: 200 }), fc.ipV4(), fc.ipV6()), (text) => {
				expect(addressKey(text).length).toBeLessThanOrEqual(64);
				isLoopback(text);
			}),
			{ numRuns: 200 },
		);
	});
});

describe('isLoopback', () => {
	it.each(['127.0.0.1', '127.8.9.10', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::FFFF:7f00:1'])(
		'is true for %s',
		(address) => {
			expect(isLoopback(address)).toBe(true);
		},
	);

	it.each(['126.255.255.255', '128.0.0.1', '::2', '::127.0.0.1', '2001:db8::1', 'localhost', ''])(
		'is false for %j',
		(address) => {
			expect(isLoopback(address)).toBe(false);
		},
	);
});

describe('SenderGroups', () => {
	it('counts each loopback address as another sender, and the rest by their address groups', () => {
		const senders = new SenderGroups();
		expect(senders.groupOf('127.0.0.1')).not.toBe(senders.groupOf('127.0.0.1'));
		expect(senders.groupOf('2001:db8::1')).toBe(senders.groupOf('2001:db8::2'));
	});
});

describe('plainAddress', () => {
	it.each([
		['::ffff:192.0.2.7', '192.0.2.7'],
		['192.0.2.7', '192.0.2.7'],
		['2001:db8::1', '2001:db8::1'],
		['no address', 'no address'],
	])('writes %s as %s', (address, plain) => {
		expect(plainAddress(address)).toBe(plain);
	});
});
