/** What the browser remembers of a viewer, for all channels of the site. Without storage, nothing. */
import type { WatchSettings } from './hand-over/screen.ts';
import { readPreference, type QualityPreference } from './playback/quality.ts';

const SETTINGS_KEY = 'spillway.watch';
const QUALITY_KEY = 'spillway.quality';
const LINE_KEY = 'spillway.line';

export function readSettings(): Omit<WatchSettings, 'isPaused'> {
	const { volume, isMuted } = read(SETTINGS_KEY);
	return {
		isMuted: isMuted === true,
		volume: typeof volume === 'number' && volume >= 0 && volume <= 1 ? volume : 1,
	};
}

export function writeSettings({ isMuted, volume }: WatchSettings): void {
	write(SETTINGS_KEY, { isMuted, volume });
}

export function readQuality(): QualityPreference {
	return readPreference(read(QUALITY_KEY));
}

export function writeQuality(preference: QualityPreference): void {
	write(QUALITY_KEY, preference);
}

/** What the line carried last, in bits a second; undefined where that is not known. */
export function readLine(): number | undefined {
	const { bps } = read(LINE_KEY);
	return typeof bps === 'number' && bps > 0 ? bps : undefined;
}

export function writeLine(bps: number): void {
	write(LINE_KEY, { bps: Math.round(bps) });
}

function read(key: string): Record<string, unknown> {
	try {
		return (JSON.parse(localStorage.getItem(key) ?? '{}') ?? {}) as Record<string, unknown>;
	} catch {
		// Storage is off, or holds another format.
		return {};
	}
}

function write(key: string, value: object | undefined): void {
	try {
		if (value === undefined) {
			localStorage.removeItem(key);
		} else {
			localStorage.setItem(key, JSON.stringify(value));
		}
	} catch {
		// Storage is off.
	}
}
