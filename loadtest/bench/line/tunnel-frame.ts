/**
 * The packets inside a VXLAN tunnel (RFC 7348): their checksum, and the few facts that are counted. Pure. Only IPv4;
 * frames of other kinds (ARP, IPv6 neighbours) pass as they are.
 */

/** VXLAN header and Ethernet header. */
const IP_AT = 8 + 14;
const ETHER_TYPE_AT = IP_AT - 2;
const ETHER_TYPE_IPV4 = 0x0800;
const PROTOCOL = { tcp: 6, udp: 17 } as const;
/** Of the checksum in the header of each protocol. */
const CHECKSUM_AT = { tcp: 16, udp: 6 } as const;
const LEAST_HEADER_BYTES = { tcp: 20, udp: 8 } as const;

/** Outer Ethernet, IP and UDP headers, and those within the tunnel before the IP packet. */
export const TUNNEL_BYTES = 14 + 20 + 8 + IP_AT;

export type InnerPacket = {
	protocol: keyof typeof PROTOCOL;
	/** With its IP header. */
	ipBytes: number;
	/** Source and destination, as one key. */
	flow: string;
	/** TCP or UDP header. */
	headerAt: number;
	/** First byte after the IP packet. */
	endAt: number;
};

/** A TCP or UDP packet over IPv4, unfragmented; undefined for everything else. */
export function readInnerPacket(frame: Buffer): InnerPacket | undefined {
	if (frame.length < IP_AT + 20 || frame.readUInt16BE(ETHER_TYPE_AT) !== ETHER_TYPE_IPV4) {
		return undefined;
	}
	const ipBytes = frame.readUInt16BE(IP_AT + 2);
	const headerAt = IP_AT + (frame[IP_AT]! & 0x0f) * 4;
	const endAt = IP_AT + ipBytes;
	const isFragment = (frame.readUInt16BE(IP_AT + 6) & 0x3fff) !== 0;
	const number = frame[IP_AT + 9];
	const protocol = number === PROTOCOL.tcp ? 'tcp' : number === PROTOCOL.udp ? 'udp' : undefined;
	if (protocol === undefined || isFragment || endAt > frame.length) {
		return undefined;
	}
	if (endAt - headerAt < LEAST_HEADER_BYTES[protocol]) {
		return undefined;
	}
	const flow = frame.toString('latin1', IP_AT + 12, IP_AT + 20) + frame.toString('latin1', headerAt, headerAt + 4);
	return { protocol, ipBytes, flow, headerAt, endAt };
}

/**
 * Writes the checksum of the packet within (RFC 9293 §3.1, RFC 768). The sender's kernel leaves it to a network card,
 * and a tunnel that ends in a program has none.
 */
export function completeChecksum(frame: Buffer, { protocol, headerAt, endAt }: InnerPacket): void {
	const at = headerAt + CHECKSUM_AT[protocol];
	frame.writeUInt16BE(0, at);
	let sum = PROTOCOL[protocol] + endAt - headerAt;
	for (let index = IP_AT + 12; index < IP_AT + 20; index += 2) {
		sum += frame.readUInt16BE(index);
	}
	let index = headerAt;
	for (; index + 1 < endAt; index += 2) {
		sum += (frame[index]! << 8) | frame[index + 1]!;
	}
	if (index < endAt) {
		sum += frame[index]! << 8;
	}
	while (sum > 0xffff) {
		sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
	}
	const checksum = ~sum & 0xffff;
	// RFC 768: a zero stands for "none".
	frame.writeUInt16BE(checksum === 0 && protocol === 'udp' ? 0xffff : checksum, at);
}
