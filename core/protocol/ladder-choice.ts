/** The names of rungs, the pictures below a source, and the choice among them in settings. */

export const RUNG_NAMES = ['1080p60', '720p60', '480p30', '360p30', '160p30'] as const;
export type RungName = (typeof RUNG_NAMES)[number];

/** What a viewer's picture may be: the source's own, or a rung. */
export const SHOWN_RUNGS = ['source', ...RUNG_NAMES] as const;
export type ShownRung = (typeof SHOWN_RUNGS)[number];

/** What a viewer may wish for; `audio`: no picture, the sound alone. */
export const WISHED_RUNGS = [...SHOWN_RUNGS, 'audio'] as const;
export type WishedRung = (typeof WISHED_RUNGS)[number];

/** Which rungs broadcasts have: as many as the source is worth and the machine carries, none, or these. */
export type LadderChoice = 'automatic' | 'off' | readonly RungName[];

const RUNG = `(${RUNG_NAMES.join('|')})`;
/** A text as settings have it: `automatic`, `off`, or different names of rungs with commas between. */
export const LADDER_CHOICE_PATTERN = `^(?!.*${RUNG}(,.*)?,\\1)(automatic|off|${RUNG}(,${RUNG})*)$`;
const NAMES = RUNG_NAMES.join(', ');
export const LADDER_CHOICE_IN_WORDS = `"automatic", "off", or different names of ${NAMES} with commas between`;

/** Reads such a text. Names that this version does not know are left out; undefined: it knows none of them. */
export function parseLadderChoice(text: string): LadderChoice | undefined {
	if (text === 'automatic' || text === 'off') {
		return text;
	}
	const names = RUNG_NAMES.filter((name) => text.split(',').includes(name));
	return names.length === 0 ? undefined : names;
}

/** The inverse of {@link parseLadderChoice}. */
export function formatLadderChoice(choice: LadderChoice): string {
	return typeof choice === 'string' ? choice : choice.join(',');
}
