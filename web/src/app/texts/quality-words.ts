/** The player's quality menu in words. Pure. */
import { qualityName, type Quality, type QualityPreference } from '../../player/playback/quality.ts';

/** Value of the entry with which the player chooses. */
export const AUTOMATIC = 'auto';
/** Value of the entry of a choice that is not in the list now. It stays the choice when it is chosen again. */
export const WAITING = 'waiting';

type QualityFacts = {
	/** From the best down. */
	qualities: readonly Quality[];
	/** The viewer's choice, which may not be among them; undefined: automatic. */
	preference: QualityPreference;
	/** What it means among them. */
	quality: Quality | undefined;
	shownQuality: Quality | undefined;
};

type QualityEntry = { value: string; label: string; detail?: string; isChecked: boolean };

export function qualityEntries(facts: QualityFacts): QualityEntry[] {
	const { qualities, preference, quality } = facts;
	const waiting = waitingChoice(facts);
	const now = shownInstead(facts);
	const entries = qualities.map((entry): QualityEntry => {
		const isChecked = waiting === undefined && entry.id === quality?.id;
		const detail = joinDetail(entry.isSource ? 'source' : undefined, isChecked ? now : undefined);
		return { value: entry.id, label: formatQuality(entry), ...detail, isChecked };
	});
	if (waiting !== undefined) {
		const isBelow = ({ kind, heightPixels }: Quality): boolean =>
			kind === 'sound-only' || heightPixels < waiting.heightPixels;
		const place = waiting.kind === 'sound-only' ? -1 : qualities.findIndex(isBelow);
		const detail = joinDetail('not available', now);
		const entry = { value: WAITING, label: formatQuality(waiting), ...detail, isChecked: true };
		entries.splice(place < 0 ? entries.length : place, 0, entry);
	}
	const isAutomatic = preference === undefined;
	const automatic = { value: AUTOMATIC, label: 'Auto', ...joinDetail(isAutomatic ? now : undefined) };
	return [{ ...automatic, isChecked: isAutomatic }, ...entries];
}

/** On the button: `Auto · 480p`, `720p60`, `720p60 · now 360p`. */
export function formatChoice(facts: QualityFacts): string {
	const { preference, quality, shownQuality } = facts;
	if (preference === undefined) {
		return shownQuality === undefined ? 'Auto' : `Auto · ${formatQuality(shownQuality)}`;
	}
	const chosen = formatQuality(waitingChoice(facts) ?? quality ?? preference);
	const now = shownInstead(facts);
	return now === undefined ? chosen : `${chosen} · ${now}`;
}

/** The viewer's choice, where the list has no picture of that size. */
function waitingChoice({ qualities, preference, quality }: QualityFacts): QualityPreference {
	if (preference === undefined || qualities.length === 0) {
		return undefined;
	}
	if (quality === undefined) {
		return preference;
	}
	const isSource = preference.isSource && quality.isSource;
	const isUnknown = quality.kind === 'picture' && (quality.heightPixels === 0 || preference.heightPixels === 0);
	const isSame = quality.kind === preference.kind && quality.heightPixels === preference.heightPixels;
	return isSource || isUnknown || isSame ? undefined : preference;
}

/** `now 360p`: what plays, where it is not what the viewer has chosen. */
function shownInstead(facts: QualityFacts): string | undefined {
	const { preference, quality, shownQuality } = facts;
	if (shownQuality === undefined) {
		return undefined;
	}
	const shown = formatQuality(shownQuality);
	const chosen = preference === undefined ? undefined : (waitingChoice(facts) ?? quality);
	const isChosen = chosen !== undefined && formatQuality(chosen) === shown;
	return isChosen ? undefined : `now ${shown.charAt(0).toLowerCase()}${shown.slice(1)}`;
}

function joinDetail(...parts: readonly (string | undefined)[]): { detail?: string } {
	const detail = parts.filter((part) => part !== undefined).join(', ');
	return detail === '' ? {} : { detail };
}

function formatQuality(quality: Pick<Quality, 'kind' | 'heightPixels' | 'frameRate'>): string {
	return quality.kind === 'sound-only' ? 'Audio only' : qualityName(quality) || 'Picture';
}
