/** What a viewer can choose from: the pictures of a channel, and sound alone. The same for both tiers. Pure. */

/** One choice. */
export type Quality = {
	/** Unique in its list. */
	id: string;
	kind: 'picture' | 'sound-only';
	/** Of the shorter side, as people name a picture; 0 where it is not known, and for sound. */
	heightPixels: number;
	/** 0 where it is not known, and for sound. */
	frameRate: number;
	/** The publisher's own picture, which is not encoded again. */
	isSource: boolean;
};

export const SOUND_ONLY: Quality = {
	id: 'sound-only',
	kind: 'sound-only',
	heightPixels: 0,
	frameRate: 0,
	isSource: false,
};

/** What the viewer wants on every channel; undefined: the player chooses. */
export type QualityPreference = Pick<Quality, 'kind' | 'heightPixels' | 'frameRate' | 'isSource'> | undefined;

/** What can be chosen in a tier. Everything may change while it plays. */
export interface QualityControl {
	/** From the best down. */
	readonly qualities: readonly Quality[];
	/** The viewer's choice in this list; undefined: automatic. */
	readonly quality: Quality | undefined;
	/** What is played now; undefined before anything is. */
	readonly shownQuality: Quality | undefined;
	/** Applies to this connection and later ones. */
	prefer(preference: QualityPreference): void;
}

/** For a connection whose picture nobody can choose: what is listed is what it plays. */
export class ListedQualities implements QualityControl {
	#qualities: readonly Quality[] = [];
	#preference: QualityPreference;
	readonly #onPrefer: ((quality: Quality | undefined) => void) | undefined;
	#shown: Quality | undefined;

	/** `onPrefer`: the viewer's choice in the list may have changed. */
	constructor(preference: QualityPreference, onPrefer?: (quality: Quality | undefined) => void) {
		this.#preference = preference;
		this.#onPrefer = onPrefer;
	}

	get qualities(): readonly Quality[] {
		return this.#qualities;
	}

	/** From the best down; `shown` is what comes now. */
	list(qualities: readonly Quality[], shown: Quality | undefined): void {
		const before = this.quality?.id;
		this.#qualities = qualities;
		this.#shown = shown;
		if (this.quality?.id !== before) {
			this.#onPrefer?.(this.quality);
		}
	}

	get quality(): Quality | undefined {
		return matchQuality(this.#qualities, this.#preference);
	}

	/** A picture that still comes, for a moment, with the chosen sound is not shown. */
	get shownQuality(): Quality | undefined {
		return this.quality?.kind === 'sound-only' ? this.quality : this.#shown;
	}

	prefer(preference: QualityPreference): void {
		this.#preference = preference;
		this.#onPrefer?.(this.quality);
	}
}

/** A picture at a higher rate has the rate in its name. */
const HIGH_FRAME_RATE = 40;

/** As people name a picture: `720p60`, `480p`; empty where its size is not known. */
export function qualityName({ heightPixels, frameRate }: Pick<Quality, 'heightPixels' | 'frameRate'>): string {
	if (heightPixels === 0) {
		return '';
	}
	return `${heightPixels}p${frameRate > HIGH_FRAME_RATE ? Math.round(frameRate) : ''}`;
}

/** The choice that is meant: the same picture, else the best one that is not larger, else the smallest. */
export function matchQuality(qualities: readonly Quality[], preference: QualityPreference): Quality | undefined {
	if (preference === undefined) {
		return undefined;
	}
	if (preference.kind === 'sound-only') {
		return qualities.find(({ kind }) => kind === 'sound-only');
	}
	const pictures = qualities.filter(({ kind }) => kind === 'picture');
	const isNotLarger = ({ heightPixels, frameRate }: Quality): boolean =>
		heightPixels < preference.heightPixels ||
		(heightPixels === preference.heightPixels && frameRate <= preference.frameRate + 1);
	return (
		(preference.isSource ? pictures.find(({ isSource }) => isSource) : undefined) ??
		pictures.find(isNotLarger) ??
		pictures.at(-1)
	);
}

/** One that was stored as text; undefined for anything else. */
export function readPreference(stored: unknown): QualityPreference {
	const { kind, heightPixels, frameRate, isSource } = (stored ?? {}) as Record<string, unknown>;
	if (kind === 'sound-only') {
		return SOUND_ONLY;
	}
	return kind === 'picture' && typeof heightPixels === 'number' && typeof frameRate === 'number'
		? { kind, heightPixels, frameRate, isSource: isSource === true }
		: undefined;
}
