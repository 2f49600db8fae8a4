/** What the browser remembers of a viewer, for all channels of the site. Without storage, nothing. */
import { DELIVERY_TIERS, type DeliveryTier } from '../../../core/protocol/tiers.ts';
import type { WatchSettings } from './hand-over/screen.ts';
import { readPreference, type QualityPreference } from './playback/quality.ts';

const SETTINGS_KEY = 'spillway.watch';
const QUALITY_KEY = 'spillway.quality';
const LINE_KEY = 'spillway.line';
const TIER_KEY = 'spillway.tier';

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

/** The tier that the viewer has chosen in this tab: another visit may be over another line. */
export function readTier(): DeliveryTier | undefined {
	try {
		return DELIVERY_TIERS.find((tier) => tier === sessionStorage.getItem(TIER_KEY));
	} catch {
		// Storage is off.
		return undefined;
	}
}

export function writeTier(tier: DeliveryTier): void {
	try {
		sessionStorage.setItem(TIER_KEY, tier);
	} catch {
		// Storage is off.
	}
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
