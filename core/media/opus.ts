/** Reads the duration of an Opus packet from its first bytes (RFC 6716 §3.1). */

/** Samples at 48 kHz per frame, by the configuration number of the TOC byte. */
function frameTicks(config: number): number {
	if (config < 12) {
		return [480, 960, 1920, 2880][config % 4]!;
	}
	if (config < 16) {
		return config % 2 === 0 ? 480 : 960;
	}
	return [120, 240, 480, 960][config % 4]!;
}

/** Ticks at 48 kHz; undefined for an empty or impossible packet (RFC 6716 §3.4 allows 120 ms at most). */
export function opusDurationTicks(packet: Uint8Array): number | undefined {
	const toc = packet[0];
	if (toc === undefined) {
		return undefined;
	}
	const code = toc & 3;
	const count = code === 0 ? 1 : code < 3 ? 2 : packet[1] === undefined ? 0 : packet[1] & 0x3f;
	const ticks = count * frameTicks(toc >> 3);
	return ticks > 0 && ticks <= 5760 ? ticks : undefined;
}
