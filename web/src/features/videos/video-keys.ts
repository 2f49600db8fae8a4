/** The keys of the video player, and what they do. As on other sites with videos. Pure. */
import type { KeyPress } from '../controls/key-press.ts';

/** `share`: of the whole length. */
export type VideoAction =
	| { kind: 'toggle-pause' | 'toggle-mute' | 'toggle-fullscreen' | 'toggle-picture-in-picture' | 'show-keys' }
	| { kind: 'seek-by'; seconds: number }
	| { kind: 'seek-to'; share: number }
	| { kind: 'volume-by'; share: number }
	| { kind: 'step-frame'; direction: 1 | -1 }
	| { kind: 'change-speed'; direction: 1 | -1 };

/** What some keys mean behind live. */
const MEANINGS_LIVE: Readonly<Record<string, string>> = {
	'0–9': 'To the oldest picture, and in tenths towards live',
	Home: 'To the oldest picture, or to live',
	'<': 'Slower or faster, behind live',
};

/** For the page's list of keys. */
export const KEY_LIST: readonly (readonly [keys: readonly string[], meaning: string])[] = [
	[['Space', 'k'], 'Play or pause'],
	[['←', '→'], '5 seconds back or forward'],
	[['j', 'l'], '10 seconds back or forward'],
	[['0–9'], 'To the start, and in tenths to 90 %'],
	[['Home', 'End'], 'To the start or the end'],
	[[',', '.'], 'One picture back or forward'],
	[['<', '>'], 'Slower or faster'],
	[['↑', '↓'], 'Louder or quieter, while the player has the focus'],
	[['m'], 'Sound off or on'],
	[['Alt+X'], 'Clip the last minute'],
	[['i'], 'Picture in picture'],
	[['f'], 'Full screen'],
	[['?'], 'This list'],
];

/** For the player of a live channel, which has no single pictures and no window of its own. */
export const LIVE_KEY_LIST: typeof KEY_LIST = KEY_LIST.filter(([[key]]) => key !== ',' && key !== 'i').map(
	([keys, meaning]) => [keys, MEANINGS_LIVE[keys[0]!] ?? meaning],
);

const ACTIONS: Readonly<Record<string, VideoAction>> = {
	k: { kind: 'toggle-pause' },
	j: { kind: 'seek-by', seconds: -10 },
	l: { kind: 'seek-by', seconds: 10 },
	ArrowLeft: { kind: 'seek-by', seconds: -5 },
	ArrowRight: { kind: 'seek-by', seconds: 5 },
	m: { kind: 'toggle-mute' },
	f: { kind: 'toggle-fullscreen' },
	i: { kind: 'toggle-picture-in-picture' },
	',': { kind: 'step-frame', direction: -1 },
	'.': { kind: 'step-frame', direction: 1 },
	'<': { kind: 'change-speed', direction: -1 },
	'>': { kind: 'change-speed', direction: 1 },
	'?': { kind: 'show-keys' },
};

/** Elsewhere they scroll the page. */
const ACTIONS_IN_PLAYER: Readonly<Record<string, VideoAction>> = {
	ArrowUp: { kind: 'volume-by', share: 0.05 },
	ArrowDown: { kind: 'volume-by', share: -0.05 },
	Home: { kind: 'seek-to', share: 0 },
	End: { kind: 'seek-to', share: 1 },
	PageUp: { kind: 'seek-by', seconds: 60 },
	PageDown: { kind: 'seek-by', seconds: -60 },
};

/**
 * Undefined for keys without a meaning. `isInPlayer`: the focus is in the player, or the player is all that there is.
 * `isOnVolume`: on the slider that uses the arrows itself.
 */
export function videoAction(
	{ key, isOnControl }: KeyPress,
	{ isInPlayer, isOnVolume }: { isInPlayer: boolean; isOnVolume: boolean },
): VideoAction | undefined {
	if (isOnVolume && (key.startsWith('Arrow') || Object.hasOwn(ACTIONS_IN_PLAYER, key))) {
		return undefined;
	}
	if (key === ' ') {
		return isOnControl ? undefined : { kind: 'toggle-pause' };
	}
	if (/^[0-9]$/.test(key)) {
		return { kind: 'seek-to', share: Number(key) / 10 };
	}
	if (isInPlayer && Object.hasOwn(ACTIONS_IN_PLAYER, key)) {
		return ACTIONS_IN_PLAYER[key];
	}
	// With caps lock.
	const name = key.length === 1 ? key.toLowerCase() : key;
	return Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
}
