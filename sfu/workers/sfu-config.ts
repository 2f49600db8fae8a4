/** Configuration of the SFU tier. */
import { networkInterfaces } from 'node:os';

/** What {@link createSfu} needs to know; the server's configuration schema fills it. */
export type SfuConfig = {
	/** First port of the WebRTC servers, UDP and TCP, one per worker; 0 takes any free port for each. */
	rtcPort: number;
	/** Addresses that viewers and publishers are told; empty: every IPv4 address of the machine, then loopback. */
	announcedAddresses: readonly string[];
	/** mediasoup workers; 0: one per core. */
	workerCount: number;
	/** Loopback UDP ports of stages and pipes, inclusive. */
	plainPortMin: number;
	plainPortMax: number;
	/** Path of the mediasoup worker; undefined: mediasoup's own place. */
	workerBin: string | undefined;
};

/** Where a WebRTC server listens, and which address stands in the candidates. */
type ListenAddress = { ip: string; announcedAddress: string | undefined };

/**
 * Which addresses to listen on. An announced address that belongs to the machine is listened on itself; another one
 * (the outer side of a NAT) is announced for all of them together, of which there can be one only.
 */
export function listenAddresses(announced: readonly string[], ownAddresses = ownIpv4Addresses()): ListenAddress[] {
	if (announced.length === 0) {
		return ownAddresses.map((ip) => ({ ip, announcedAddress: undefined }));
	}
	const outer = announced.find((address) => !ownAddresses.includes(address));
	if (outer !== undefined) {
		return [{ ip: '0.0.0.0', announcedAddress: outer }];
	}
	return announced.map((ip) => ({ ip, announcedAddress: undefined }));
}

function ownIpv4Addresses(): string[] {
	const outer: string[] = [];
	for (const addresses of Object.values(networkInterfaces())) {
		for (const address of addresses ?? []) {
			if (address.family === 'IPv4' && !address.internal) {
				outer.push(address.address);
			}
		}
	}
	return [...outer, '127.0.0.1'];
}
