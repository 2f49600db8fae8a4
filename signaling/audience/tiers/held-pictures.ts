/** Counts viewers over WebRTC by the best picture that they may get, and the bits per second that they take. */
import { SHOWN_RUNGS, WISHED_RUNGS, type ShownRung, type WishedRung } from '../../../core/protocol/ladder-choice.ts';

/** One viewer of a picture, the sound included. */
export type PictureCost = {
	name: ShownRung;
	bitrateBps: number;
	/** Of these, the sound's. */
	soundBps: number;
	/** Of the shorter side, by which rungs are named; 0 while unknown. */
	shortSidePixels: number;
};

/** Without smaller pictures the source's is the only one. */
export function picturesOf(cost: {
	bitrateBps: number;
	soundBps: number;
	pictures?: readonly PictureCost[] | undefined;
}): readonly PictureCost[] {
	const { bitrateBps, soundBps } = cost;
	return cost.pictures ?? [{ name: 'source', bitrateBps, soundBps, shortSidePixels: 0 }];
}

/** What orders the viewers when pictures have to get smaller: `priority` are those with a role. */
export type PictureGroup = 'priority' | 'ordinary';
const GROUPS = ['priority', 'ordinary'] as const;

/** The best picture of each group; `source`: any. */
export type PictureCeilings = Readonly<Record<PictureGroup, ShownRung>>;

/**
 * No budget makes a picture smaller than this: 160 lines in real time are a worse show than the source two seconds
 * later, which LL-HLS brings. Viewers may choose less, and their lines may carry less.
 */
const LEAST_CEILING: ShownRung = '360p30';

/** The lower, the better. */
const rankOf = (name: WishedRung): number => WISHED_RUNGS.indexOf(name);

/** What a budget may make smaller; the best pictures first. */
const CEILINGS = SHOWN_RUNGS.slice(0, rankOf(LEAST_CEILING) + 1);

/** The worst that the budget asks of viewers who stay. */
export const LEAST_CEILINGS: PictureCeilings = { priority: LEAST_CEILING, ordinary: LEAST_CEILING };

/**
 * From no limit to the least, each step as cheap as the one before or cheaper. Viewers with a role come last. All
 * others are equal: a chatter's picture does not change between two of their sentences.
 */
export const CEILING_STEPS: readonly PictureCeilings[] = [
	...CEILINGS.map((ordinary): PictureCeilings => ({ priority: 'source', ordinary })),
	...CEILINGS.slice(1).map((priority): PictureCeilings => ({ priority, ordinary: LEAST_CEILING })),
];

/** The worse of two. */
export function lesserPicture(one: WishedRung, other: WishedRung): WishedRung {
	return rankOf(one) > rankOf(other) ? one : other;
}

/**
 * The best of these pictures under a ceiling; when none is, the least that the budget may ask for. A source that is no
 * larger than the ceiling's rung counts as it. `costs`: lowest first, the source last.
 */
export function pictureUnder<Cost extends Pick<PictureCost, 'name' | 'shortSidePixels'>>(
	costs: readonly Cost[],
	ceiling: ShownRung,
): Cost {
	const acceptable = costs.filter(({ name }) => rankOf(name) <= rankOf(LEAST_CEILING));
	const isSmall = (pixels: number): boolean => pixels > 0 && pixels <= Number.parseInt(ceiling);
	return (
		acceptable.findLast(
			({ name, shortSidePixels }) => rankOf(name) >= rankOf(ceiling) || (name === 'source' && isSmall(shortSidePixels)),
		) ?? acceptable[0]!
	);
}

/**
 * Bits per second of a viewer who may get `best` at most, under a ceiling; `audio`: without a picture. `costs`: lowest
 * first, the source last.
 */
export function pictureBps(costs: readonly PictureCost[], best: WishedRung, ceiling: ShownRung): number {
	if (best === 'audio') {
		return costs[0]!.soundBps;
	}
	const most = costs.indexOf(pictureUnder(costs, ceiling));
	const own = Math.max(
		0,
		costs.findLastIndex(({ name }) => rankOf(name) >= rankOf(best)),
	);
	return costs[Math.min(most, own)]!.bitrateBps;
}

/** The viewers of one channel who hold a transport or are promised one. */
export class HeldPictures {
	readonly #counts: Record<PictureGroup, number[]> = {
		priority: WISHED_RUNGS.map(() => 0),
		ordinary: WISHED_RUNGS.map(() => 0),
	};

	/** `best`: the best picture that the viewer may get by themselves; `audio`: none. */
	add(group: PictureGroup, best: WishedRung): void {
		this.#counts[group][rankOf(best)]!++;
	}

	remove(group: PictureGroup, best: WishedRung): void {
		this.#counts[group][rankOf(best)]!--;
	}

	/** What all of them together may take under these ceilings. */
	bitrateBps(costs: readonly PictureCost[], ceilings: PictureCeilings): number {
		let sum = 0;
		for (const group of GROUPS) {
			this.#counts[group].forEach((count, rank) => {
				sum += count === 0 ? 0 : count * pictureBps(costs, WISHED_RUNGS[rank]!, ceilings[group]);
			});
		}
		return sum;
	}
}
