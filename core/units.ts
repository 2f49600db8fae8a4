/** Conversions between clock ticks, milliseconds, seconds, bytes and bits: the only place with the clock rates. */

/** Ticks per second of every video RTP clock and of our CMAF video tracks (RFC 6184 §8.2.1). */
export const VIDEO_CLOCK_RATE = 90_000;
/** Ticks per second of the Opus RTP clock, for any capture rate (RFC 7587 §4.1). */
export const OPUS_CLOCK_RATE = 48_000;
/** Audio samples in one AAC-LC access unit. */
export const AAC_FRAME_SAMPLES = 1024;
/** Seconds between the NTP epoch (1900) and the Unix epoch (1970). */
const NTP_UNIX_OFFSET_SECONDS = 2_208_988_800;

/** Milliseconds → ticks, rounded to the nearest tick. */
export function msToTicks(ms: number, clockRate: number): number {
	return Math.round((ms * clockRate) / 1000);
}

/** Ticks → milliseconds, fractional. */
export function ticksToMs(ticks: number, clockRate: number): number {
	return (ticks * 1000) / clockRate;
}

/** Ticks → seconds, fractional. */
export function ticksToSeconds(ticks: number, clockRate: number): number {
	return ticks / clockRate;
}

/** Bytes over a time → bits per second. */
export function bytesToBps(bytes: number, overMs: number): number {
	return overMs > 0 ? (bytes * 8 * 1000) / overMs : 0;
}

/** Epoch milliseconds → NTP seconds and 2^-32 fractions (RFC 5905 §6), as sender reports and abs-capture-time carry. */
export function epochMsToNtp(epochMs: number): { seconds: number; fraction: number } {
	const whole = Math.floor(epochMs / 1000);
	const fraction = Math.min(0xffff_ffff, Math.round(((epochMs - whole * 1000) / 1000) * 2 ** 32));
	return { seconds: (whole + NTP_UNIX_OFFSET_SECONDS) >>> 0, fraction };
}

/** NTP seconds and fractions → epoch milliseconds, fractional. Era 0 only, which ends in 2036. */
export function ntpToEpochMs(seconds: number, fraction: number): number {
	return (seconds - NTP_UNIX_OFFSET_SECONDS) * 1000 + (fraction / 2 ** 32) * 1000;
}

/**
 * Continues a wrapping counter: the value nearest to `reference`, the last unwrapped value, that equals `wrapped`
 * modulo 2^bits. Negative when the first values step back.
 */
export function unwrap(wrapped: number, reference: number, bits: 16 | 32): number {
	const range = 2 ** bits;
	const base = reference - (((reference % range) + range) % range);
	let candidate = base + wrapped;
	if (candidate - reference > range / 2) {
		candidate -= range;
	} else if (reference - candidate > range / 2) {
		candidate += range;
	}
	return candidate;
}
