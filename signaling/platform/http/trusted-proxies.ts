/** Recognises the addresses of trusted reverse proxies, for HTTP and RTMP. */
import { BlockList, isIP } from 'node:net';
import { plainAddress } from '../../../core/limits/address-key.ts';

/** RFC 1918, 3927, 4193, 4291, 6890. */
const NETWORKS_BY_NAME: Readonly<Record<string, readonly string[]>> = {
	loopback: ['127.0.0.0/8', '::1/128'],
	linklocal: ['169.254.0.0/16', 'fe80::/10'],
	uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

export type ProxyTrust = (address: string) => boolean;

/** `trustedProxies`: addresses, networks such as 10.0.0.0/8, and names. Throws TypeError for any other text. */
export function createProxyTrust(trustedProxies: readonly string[]): ProxyTrust {
	const list = new BlockList();
	for (const network of trustedProxies.flatMap((entry) => NETWORKS_BY_NAME[entry] ?? [entry])) {
		addNetwork(list, network);
	}
	return (address) => {
		const plain = plainAddress(address).split('%')[0]!;
		const family = isIP(plain);
		return family !== 0 && list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
	};
}

function addNetwork(list: BlockList, network: string): void {
	const [address, prefix] = network.split('/') as [string, string?];
	const family = isIP(address);
	const bits = family === 4 ? 32 : 128;
	const length = prefix === undefined ? bits : Number(prefix);
	if (family === 0 || !Number.isInteger(length) || length > bits) {
		throw new TypeError(`"${network}" is no address or network.`);
	}
	list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
}
