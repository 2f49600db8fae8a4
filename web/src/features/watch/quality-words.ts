/** The player's quality menu in words. Pure. */
import { qualityName, type Quality } from '../../player/create-player.ts';

/** Value of the entry with which the player chooses. */
export const AUTOMATIC = 'auto';

type QualityFacts = {
	/** From the best down. */
	qualities: readonly Quality[];
	/** The viewer's choice; undefined: automatic. */
	quality: Quality | undefined;
	shownQuality: Quality | undefined;
};

type QualityEntry = { value: string; label: string; detail?: string; isChecked: boolean };

export function qualityEntries({ qualities, quality, shownQuality }: QualityFacts): QualityEntry[] {
	const now = quality === undefined && shownQuality !== undefined ? `now ${formatQuality(shownQuality)}` : undefined;
	return [
		{
			value: AUTOMATIC,
			label: 'Auto',
			...(now === undefined ? {} : { detail: now }),
			isChecked: quality === undefined,
		},
		...qualities.map((entry) => ({
			value: entry.id,
			label: formatQuality(entry),
			...(entry.isSource ? { detail: 'source' } : {}),
			isChecked: entry.id === quality?.id,
		})),
	];
}

/** On the button: `Auto · 480p`, `720p60`. */
export function formatChoice({ quality, shownQuality }: QualityFacts): string {
	if (quality !== undefined) {
		return formatQuality(quality);
	}
	return shownQuality === undefined ? 'Auto' : `Auto · ${formatQuality(shownQuality)}`;
}

function formatQuality(quality: Quality): string {
	return quality.kind === 'sound-only' ? 'Audio only' : qualityName(quality) || 'Picture';
}
