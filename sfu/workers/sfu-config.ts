/** Configuration of the SFU tier. */
import { networkInterfaces } from 'node:os';

/** The server's configuration schema fills it. */
export type SfuConfig = {
	/** First port of the WebRTC servers, UDP and TCP, one per worker; 0 takes any free port for each. */
	rtcPort: number;
	/** Addresses for viewers and publishers; empty: every IPv4 address of the machine, then loopback. */
	announcedAddresses: readonly string[];
	/** mediasoup workers; 0: one per core. */
	workerCount: number;
	/** Loopback UDP ports of stages and pipes, inclusive. */
	plainPortMin: number;
	plainPortMax: number;
	/** Path of the mediasoup worker; undefined: mediasoup's default. */
	workerBin: string | undefined;
};

/** Where a WebRTC server listens, and the address in its candidates. */
type ListenAddress = { ip: string; announcedAddress: string | undefined };

/** Announced addresses of the machine are listened on; another (a NAT's outer side) is announced for all. */
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
	const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
	const outer = addresses.filter(({ family, internal }) => family === 'IPv4' && !internal);
	return [...outer.map(({ address }) => address), '127.0.0.1'];
}
