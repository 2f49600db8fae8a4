/** Numbers as the pages write them. Pure. */

/** `0.05 s`, `0.82 s`, `12 s`: one unit for latency, so that the tiers are easy to compare. */
export function formatSeconds(ms: number): string {
	const seconds = ms / 1000;
	return `${seconds.toFixed(Math.abs(seconds) < 9.995 ? 2 : 0)} s`;
}

/** `48 ms`. */
export function formatMs(ms: number): string {
	return `${Math.round(ms)} ms`;
}

/** `640 kbit/s`, `2.4 Mbit/s`. */
export function formatBitrate(bps: number): string {
	return bps < 999_500 ? `${Math.round(bps / 1000)} kbit/s` : `${(bps / 1e6).toFixed(1)} Mbit/s`;
}

/** `30`, `29.4`, `59.9`. */
export function formatFrameRate(framesPerSecond: number): string {
	const nearest = Math.round(framesPerSecond);
	return Math.abs(framesPerSecond - nearest) < 0.05 ? String(nearest) : framesPerSecond.toFixed(1);
}

/** `1280 × 720`. */
export function formatSize(widthPixels: number, heightPixels: number): string {
	return `${widthPixels} × ${heightPixels}`;
}

/** `less than a minute`, `12 min`, `3 h 05 min`. */
export function formatDuration(ms: number): string {
	const minutes = Math.floor(ms / 60_000);
	if (minutes < 1) {
		return 'less than a minute';
	}
	return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

const BYTE_UNITS = ['KB', 'MB', 'GB', 'TB'] as const;

/** `0 MB`, `640 KB`, `35 MB`, `1.2 GB`, in powers of 1000. */
export function formatBytes(bytes: number): string {
	if (bytes < 1000) {
		return bytes === 0 ? '0 MB' : '1 KB';
	}
	let [value, unit] = [bytes / 1000, 0];
	while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
		value /= 1000;
		unit++;
	}
	const rounded = value.toFixed(unit >= 2 && value < 99.95 ? 1 : 0).replace(/\.0$/, '');
	return `${rounded} ${BYTE_UNITS[unit]}`;
}

/** `12 Nov 2026`, in the viewer's time zone. */
export function formatDate(date: string): string {
	return new Date(date).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
}

/** `14:05:09`, in the viewer's time zone. */
export function formatClockTime(epochMs: number): string {
	return new Date(epochMs).toLocaleTimeString('en-GB');
}

const CODEC_NAMES: Record<string, string> = {
	avc1: 'H.264',
	h264: 'H.264',
	vp8: 'VP8',
	opus: 'Opus',
	mp4a: 'AAC',
	aac: 'AAC',
};

/** `H.264` for `h264`, `H264` and `avc1.42e01f`; an unknown codec stays as it is. */
export function formatCodec(codec: string): string {
	return CODEC_NAMES[codec.split('.')[0]!.toLowerCase()] ?? codec;
}
