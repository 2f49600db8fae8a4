/** Decides which addresses count as one sender. The only place that turns an address into a key. */

/** An address without its zone, as eight groups of 16 bits; IPv4 addresses as IPv6 writes them (RFC 4291 §2.5.5.2). */
type Groups = readonly number[];

/** Longer texts are no address; they are cut, so that a client cannot fill maps with them. */
const MAX_TEXT_LENGTH = 64;
const IPV4_MAPPED: Groups = [0, 0, 0, 0, 0, 0xffff];
/** RFC 6052 §2.1: the well-known prefix under which a translator shows IPv4 clients to a server that has IPv6 only. */
const IPV4_TRANSLATED: Groups = [0x64, 0xff9b, 0, 0, 0, 0];

/**
 * The address group of an address. For IPv4, also when it is written as IPv6, the address itself. For IPv6 the first 64
 * bits, because a household owns all addresses below them. A text that is no address is its own group.
 */
export function addressKey(address: string): string {
	const groups = parseAddress(address);
	if (groups === undefined) {
		return address.slice(0, MAX_TEXT_LENGTH);
	}
	if (isBelow(groups, IPV4_MAPPED) || isBelow(groups, IPV4_TRANSLATED)) {
		return [groups[6]! >> 8, groups[6]! & 0xff, groups[7]! >> 8, groups[7]! & 0xff].join('.');
	}
	const prefix = groups.slice(0, 4).map((group) => group.toString(16));
	return `${prefix.join(':')}::/64`;
}

/** True for addresses of this machine (127.0.0.0/8 and ::1), in any notation. */
export function isLoopback(address: string): boolean {
	const groups = parseAddress(address);
	if (groups === undefined) {
		return false;
	}
	const isIpv6Loopback = groups.slice(0, 7).every((group) => group === 0) && groups[7] === 1;
	return isIpv6Loopback || (isBelow(groups, IPV4_MAPPED) && groups[6]! >> 8 === 127);
}

/**
 * The key under which an address is counted: its group. Undefined for loopback: behind a proxy on this machine that
 * does not forward their addresses, all clients share it.
 */
export function senderKey(address: string): string | undefined {
	return isLoopback(address) ? undefined : addressKey(address);
}

/** Groups of senders for a pool: address groups, but each use of a loopback address is a new group; see senderKey(). */
export class SenderGroups {
	#loopbackCount = 0;

	groupOf(address: string): string {
		return isLoopback(address) ? `loopback ${++this.#loopbackCount}` : addressKey(address);
	}
}

/** An address as people write it: an IPv4 address in its own form, also when it was written as IPv6. */
export function plainAddress(address: string): string {
	const groups = parseAddress(address);
	return groups !== undefined && isBelow(groups, IPV4_MAPPED) ? addressKey(address) : address;
}

/** Eight groups; undefined for a text that is no IP address. */
function parseAddress(text: string): Groups | undefined {
	if (text.length > MAX_TEXT_LENGTH) {
		return undefined;
	}
	const plain = text.split('%')[0]!;
	if (!plain.includes(':')) {
		const tail = parseIpv4(plain);
		return tail === undefined ? undefined : [...IPV4_MAPPED, ...tail];
	}
	// RFC 4291 §2.2: "::" means one or more groups of zeros, and can appear once.
	const halves = plain.split('::');
	if (halves.length > 2) {
		return undefined;
	}
	const [head, tail] = halves.map(parseGroups);
	if (head === undefined || (halves.length === 2 && tail === undefined)) {
		return undefined;
	}
	const missingCount = 8 - head.length - (tail?.length ?? 0);
	if (tail === undefined) {
		return missingCount === 0 ? head : undefined;
	}
	return missingCount < 1 ? undefined : [...head, ...new Array<number>(missingCount).fill(0), ...tail];
}

function parseGroups(text: string): number[] | undefined {
	if (text === '') {
		return [];
	}
	const groups: number[] = [];
	const parts = text.split(':');
	for (const [index, part] of parts.entries()) {
		// RFC 4291 §2.2: the last 32 bits may be written as an IPv4 address.
		const tail = index === parts.length - 1 && part.includes('.') ? parseIpv4(part) : undefined;
		if (tail !== undefined) {
			groups.push(...tail);
		} else if (/^[0-9a-f]{1,4}$/i.test(part)) {
			groups.push(parseInt(part, 16));
		} else {
			return undefined;
		}
	}
	return groups;
}

function parseIpv4(text: string): [number, number] | undefined {
	const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
	const bytes = match?.slice(1).map(Number) ?? [];
	return bytes.length === 4 && bytes.every((byte) => byte < 256)
		? [bytes[0]! * 256 + bytes[1]!, bytes[2]! * 256 + bytes[3]!]
		: undefined;
}

function isBelow(groups: Groups, prefix: Groups): boolean {
	return prefix.every((group, index) => groups[index] === group);
}
