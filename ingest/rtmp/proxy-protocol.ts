/** Reads the header in which a TCP proxy names its client: the PROXY protocol of HAProxy, versions 1 and 2. Pure. */
import { addressKey } from '../../core/limits/address-key.ts';

type ProxyHeader =
	| { state: 'incomplete' }
	/** `address` is undefined when the proxy connects for itself or names no client: its own address counts then. */
	| { state: 'complete'; address: string | undefined; headerBytes: number }
	| { state: 'malformed'; why: string };

/**
 * §2: "Both formats are designed to fit in the smallest TCP segment that any TCP/IP host is required to support
 * (576 - 40 = 536 bytes)."
 */
export const MAX_PROXY_HEADER_BYTES = 536;
// §2.1: "If the CRLF sequence is not found in the first 107 characters, the receiver should declare the line invalid."
const MAX_LINE_BYTES = 107;
const LINE_START = new TextEncoder().encode('PROXY ');
// §2.2: the constant block with which version 2 starts.
const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const FIXED_BYTES = 16;
/** Sizes of a source and a destination with their ports. */
const BLOCK_BYTES: Readonly<Record<number, number>> = { 0x1: 12, 0x2: 36, 0x3: 216 };

/** Reads the header at the start of the bytes. Never throws. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader {
	if (bytes.length === 0) {
		return { state: 'incomplete' };
	}
	if (startsWith(bytes, SIGNATURE)) {
		return readBinary(bytes);
	}
	if (startsWith(bytes, LINE_START)) {
		return readLine(bytes);
	}
	// §2.2: "otherwise the protocol is not covered by this specification and the connection must be dropped."
	return malformed('it does not begin with a PROXY header');
}

function readLine(bytes: Uint8Array): ProxyHeader {
	const end = bytes.subarray(0, MAX_LINE_BYTES).findIndex((byte, index) => byte === 0x0d && bytes[index + 1] === 0x0a);
	if (end < 0 || end + 2 > MAX_LINE_BYTES) {
		return bytes.length < MAX_LINE_BYTES
			? { state: 'incomplete' }
			: malformed(`its line has no end within ${MAX_LINE_BYTES} characters`);
	}
	const line = String.fromCharCode(...bytes.subarray(0, end));
	const headerBytes = end + 2;
	// §2.1: 'For "UNKNOWN", the rest of the line before the CRLF may be omitted by the sender, and the receiver must
	// ignore anything presented before the CRLF is found.' It "SHOULD accept the connection and use the real connection's
	// parameters".
	if (/^PROXY UNKNOWN( |$)/.test(line)) {
		return { state: 'complete', address: undefined, headerBytes };
	}
	const match = /^PROXY (TCP4|TCP6) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) (\d{1,5}) (\d{1,5})$/.exec(line);
	const [, family, source, destination, ...ports] = match ?? [];
	// §2.1: ports are "in the range [0..65535]", "heading zeroes are not permitted".
	const arePortsRight = ports.every((port) => Number(port) <= 65_535 && String(Number(port)) === port);
	const isAddress = family === 'TCP4' ? isPlainIpv4 : isPlainIpv6;
	if (match === null || !arePortsRight || !isAddress(source!) || !isAddress(destination!)) {
		return malformed('its line is not that of version 1');
	}
	return { state: 'complete', address: source, headerBytes };
}

function readBinary(bytes: Uint8Array): ProxyHeader {
	const [versionAndCommand, family] = [bytes[12], bytes[13]];
	// §2.2: the version "must always be sent as \x2 and the receiver must only accept this value".
	if (versionAndCommand !== undefined && versionAndCommand >> 4 !== 2) {
		return malformed(`version ${versionAndCommand >> 4}`);
	}
	// §2.2: of other commands, "Receivers must drop connections presenting unexpected values here."
	const command = (versionAndCommand ?? 0) & 0x0f;
	if (command > 1) {
		return malformed(`command ${command}`);
	}
	if (bytes.length < FIXED_BYTES) {
		return { state: 'incomplete' };
	}
	const headerBytes = FIXED_BYTES + bytes[14]! * 256 + bytes[15]!;
	if (headerBytes > MAX_PROXY_HEADER_BYTES) {
		return malformed(`a header of ${headerBytes} bytes; at most ${MAX_PROXY_HEADER_BYTES} are taken`);
	}
	const [addressFamily, transport] = [family! >> 4, family! & 0x0f];
	// §2.2: "Receivers MUST always consider this field to skip the appropriate number of bytes and must not assume zero
	// is presented for LOCAL connections." The family of a LOCAL command "is ignored".
	const isLocal = command === 0;
	// §2.2: "other values are unspecified and must not be emitted in version 2 of this protocol and must be rejected".
	if (!isLocal && (addressFamily > 3 || transport > 2)) {
		return malformed(`family ${addressFamily} with transport ${transport}`);
	}
	// An unspecified family or transport may have any block.
	const isSpecified = !isLocal && addressFamily > 0 && transport > 0;
	if (isSpecified && headerBytes < FIXED_BYTES + BLOCK_BYTES[addressFamily]!) {
		return malformed('its address block is too short for its family');
	}
	if (bytes.length < headerBytes) {
		return { state: 'incomplete' };
	}
	// Type-length-value vectors may follow the addresses; they are unused, and the length skips them. A client that
	// reached the proxy by another protocol than TCP has no address that can be counted.
	const isTcp = isSpecified && transport === 1 && addressFamily < 3;
	return { state: 'complete', address: isTcp ? formatSource(bytes, addressFamily) : undefined, headerBytes };
}

function formatSource(bytes: Uint8Array, addressFamily: number): string {
	if (addressFamily === 1) {
		return bytes.subarray(16, 20).join('.');
	}
	const groups = Array.from({ length: 8 }, (_, index) => bytes[16 + 2 * index]! * 256 + bytes[17 + 2 * index]!);
	return groups.map((group) => group.toString(16)).join(':');
}

/** Compares as many bytes as there are. */
function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
	return start.every((byte, index) => index >= bytes.length || bytes[index] === byte);
}

function isPlainIpv4(text: string): boolean {
	const parts = text.split('.');
	return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
}

function isPlainIpv6(text: string): boolean {
	// The key of an address differs from its text; any other text is its own key.
	return text.includes(':') && addressKey(text) !== text;
}

function malformed(why: string): ProxyHeader {
	return { state: 'malformed', why };
}
