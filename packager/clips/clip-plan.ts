/**
 * Decides which pictures of a recording are in a clip, and which of them can be copied. Pure.
 *
 * A clip begins and ends at any picture. A decoder can begin at IDR pictures only, so the pictures before the first one
 * are encoded again. With B-frames the last pictures may need one that is shown after the end: they are encoded again
 * as well. Everything between is copied.
 */

/** A picture of the source. Of a list in decode order the first one is an IDR picture. */
export type SourcePicture = {
	presentationTicks: number;
	isIdr: boolean;
	/** Counts up at each discontinuity. */
	run: number;
};

export type ClipPlan = {
	/** In the decode order of the file: index of the source's picture. */
	pictures: readonly { index: number; isEncoded: boolean }[];
	/** What the decoder needs for those that are encoded: stretches of the source that begin with an IDR picture. */
	feeds: readonly PictureRange[];
	/** Usual ticks between two pictures. */
	frameTicks: number;
};

/** From `first` up to, not including, `end`. */
type PictureRange = { first: number; end: number };

/**
 * The plan for the pictures from the first at or after `startTicks` to the last before `endTicks`, each by half a
 * picture; undefined when there is none. `canCopy`: one decoder configuration serves all pictures.
 */
export function planClip(
	pictures: readonly SourcePicture[],
	range: { startTicks: number; endTicks: number; canCopy: boolean; usualFrameTicks: number },
): ClipPlan | undefined {
	const frameTicks = measureFrameTicks(pictures) ?? range.usualFrameTicks;
	const startTicks = range.startTicks - frameTicks / 2;
	const endTicks = range.endTicks - frameTicks / 2;
	const inRange = pictures.flatMap(({ presentationTicks }, index) =>
		presentationTicks >= startTicks && presentationTicks < endTicks ? [index] : [],
	);
	const runEnds = findRunEnds(pictures);
	const wanted = inRange.filter((index) => {
		const { presentationTicks, run } = pictures[index]!;
		return presentationTicks < runEnds.get(run)!;
	});
	if (wanted.length === 0) {
		return undefined;
	}
	const canCopy = range.canCopy && wanted.length === inRange.length;
	return { ...(canCopy ? planCopy(pictures, wanted) : planEncoding(pictures, wanted)), frameTicks };
}

/** The median of the differences. */
function measureFrameTicks(pictures: readonly SourcePicture[]): number | undefined {
	const times = pictures.map(({ presentationTicks }) => presentationTicks).toSorted((one, other) => one - other);
	const steps = times.slice(1).map((time, index) => time - times[index]!);
	return steps.filter((step) => step > 0).toSorted((one, other) => one - other)[steps.length >> 1];
}

/** Where the next run begins. What a run has behind that is not shown. */
function findRunEnds(pictures: readonly SourcePicture[]): Map<number, number> {
	const starts = new Map<number, number>();
	for (const { run, presentationTicks } of pictures) {
		starts.set(run, Math.min(starts.get(run) ?? Infinity, presentationTicks));
	}
	const ends = new Map<number, number>();
	let nextStart = Infinity;
	for (const [run, start] of [...starts].toReversed()) {
		ends.set(run, nextStart);
		nextStart = Math.min(nextStart, start);
	}
	return ends;
}

type Pieces = Omit<ClipPlan, 'frameTicks'>;

function planEncoding(pictures: readonly SourcePicture[], wanted: readonly number[]): Pieces {
	return { pictures: encoded(pictures, wanted), feeds: [feedOf(pictures, wanted)] };
}

function planCopy(pictures: readonly SourcePicture[], wanted: readonly number[]): Pieces {
	const copyStart = wanted.find((index) => pictures[index]!.isIdr);
	if (copyStart === undefined || !isClosedAt(pictures, wanted, copyStart)) {
		return planEncoding(pictures, wanted);
	}
	const head = wanted.filter((index) => index < copyStart);
	const last = wanted.at(-1)!;
	const isWanted = new Set(wanted);
	const copyEnd = findCopyEnd(pictures, isWanted, { first: copyStart, end: last + 1 });
	const tail = wanted.filter((index) => index >= copyEnd);
	const copied = wanted.filter((index) => index >= copyStart && index < copyEnd);
	return {
		pictures: [
			...encoded(pictures, head),
			...copied.map((index) => ({ index, isEncoded: false })),
			...encoded(pictures, tail),
		],
		feeds: [head, tail].filter((piece) => piece.length > 0).map((piece) => feedOf(pictures, piece)),
	};
}

/** Nothing behind the picture is shown before it, and nothing before it is shown behind it. */
function isClosedAt(pictures: readonly SourcePicture[], wanted: readonly number[], at: number): boolean {
	const { presentationTicks } = pictures[at]!;
	return wanted.every(
		(index) => Math.sign(pictures[index]!.presentationTicks - presentationTicks) === Math.sign(index - at),
	);
}

/**
 * Up to here pictures are copied: to the first one that is not wanted, or as much earlier as needed so that all before
 * are shown before all that follow.
 */
function findCopyEnd(
	pictures: readonly SourcePicture[],
	isWanted: ReadonlySet<number>,
	{ first, end }: PictureRange,
): number {
	let unwanted = first;
	while (unwanted < end && isWanted.has(unwanted)) {
		unwanted++;
	}
	const time = (index: number): number => pictures[index]!.presentationTicks;
	const latest: number[] = [];
	for (let index = first; index < unwanted; index++) {
		latest.push(Math.max(latest.at(-1) ?? -Infinity, time(index)));
	}
	let earliestTicks = Infinity;
	for (let index = end - 1; index > unwanted; index--) {
		earliestTicks = isWanted.has(index) ? Math.min(earliestTicks, time(index)) : earliestTicks;
	}
	let copyEnd = unwanted;
	while (copyEnd > first && latest[copyEnd - 1 - first]! > earliestTicks) {
		copyEnd--;
		earliestTicks = Math.min(earliestTicks, time(copyEnd));
	}
	return copyEnd;
}

/** An encoder without B-frames puts pictures out in the order in which they are shown. */
function encoded(pictures: readonly SourcePicture[], indexes: readonly number[]): ClipPlan['pictures'] {
	return indexes
		.toSorted((one, other) => pictures[one]!.presentationTicks - pictures[other]!.presentationTicks)
		.map((index) => ({ index, isEncoded: true }));
}

function feedOf(pictures: readonly SourcePicture[], indexes: readonly number[]): PictureRange {
	return { first: lastIdr(pictures, indexes[0]!), end: indexes.at(-1)! + 1 };
}

/** At or before the picture. */
function lastIdr(pictures: readonly SourcePicture[], index: number): number {
	let found = index;
	while (found > 0 && !pictures[found]!.isIdr) {
		found--;
	}
	return found;
}

/** Times of pictures in the file: in its decode order, from 0. */
type FileTimes = {
	durationsTicks: readonly number[];
	compositionOffsetsTicks: readonly number[];
	/** Presentation begins so long after decoding. */
	delayTicks: number;
	/** Of the presentation. */
	totalTicks: number;
};

/**
 * Decode times for pictures with these presentation times, in decode order, the last one shown until `endTicks`. The
 * n-th picture is decoded when the n-th is shown, less the least delay with which none is decoded after it is shown.
 */
export function placePictures(presentationTicks: readonly number[], endTicks: number): FileTimes {
	const order = presentationTicks
		.map((ticks, index) => ({ ticks, index }))
		.toSorted((one, other) => one.ticks - other.ticks);
	const startTicks = order[0]!.ticks;
	/** When each is shown, and when the n-th of them is. */
	const shown: number[] = [];
	const steps: number[] = [];
	for (const { ticks, index } of order) {
		// No two pictures at once, whatever the source says.
		const own = Math.max(ticks - startTicks, (steps.at(-1) ?? -1) + 1);
		steps.push(own);
		shown[index] = own;
	}
	const delayTicks = steps.reduce((most, step, index) => Math.max(most, step - shown[index]!), 0);
	const totalTicks = Math.max(endTicks - startTicks, steps.at(-1)! + 1);
	return {
		durationsTicks: steps.map((step, index) => (steps[index + 1] ?? totalTicks) - step),
		compositionOffsetsTicks: steps.map((step, index) => shown[index]! - step + delayTicks),
		delayTicks,
		totalTicks,
	};
}
