/**
 * What a run's leading picture decides for the tracks that follow it: where parts and segments end, and where each of
 * its pictures lies. Pure.
 *
 * A picture is known by its presentation time, which the leader and all that follow it share. The leader places its
 * pictures in decode order, so with B-frames the n-th picture in order of presentation takes the n-th place.
 */
import type { SegmentationStep } from './segmentation-policy.ts';

/** A part of the leader: one with pictures, one in which the last picture stays, or one without media. */
export type Slot = {
	kind: 'media' | 'hold' | 'gap';
	startTicks: number;
	endTicks: number;
	/** The leader shows its last picture until then, where that is later than the end. */
	heldUntilTicks: number;
	/** Its pictures, by number in order of presentation: from this one up to, not including, the other. */
	fromPicture: number;
	toPicture: number;
	/** The leader's first picture of it, in decode order, is a key frame. */
	beginsWithKeyFrame: boolean;
};

/** What the leader did, in order. */
type LeaderEvent = Slot | { kind: 'segment-end' };

/** A picture as the leader got it. */
type LeaderPicture = { presentationTicks: number; decodeTicks: number; isKeyFrame: boolean };

/** How far a track has followed: the first event and the first picture that it still needs. */
export type FollowerCursor = { event: number; picture: number };

/** Clocks of different rates may differ by this when they name the same time. */
const SAME_TIME_TICKS = 2;
/** What all have followed is removed when a list is longer than this. */
const TRIM_COUNT = 256;

/**
 * One per run that has followers. Its lists are as long as the follower furthest behind needs, and that is bounded by
 * how long followers wait.
 */
export class LeaderBorders {
	readonly #cursors: FollowerCursor[] = [];
	readonly #events: LeaderEvent[] = [];
	#firstEvent = 0;
	/** In order of presentation. */
	readonly #times: number[] = [];
	readonly #keyFrames: boolean[] = [];
	/** In order of places. */
	readonly #starts: number[] = [];
	#firstPicture = 0;
	#newestDecodeTicks = -Infinity;
	#openPart: Pick<Slot, 'startTicks' | 'fromPicture' | 'beginsWithKeyFrame'> | undefined;
	#sampleEndTicks = 0;
	#endTicks: number | undefined;

	/** A follower that begins with the first event. */
	follow(): FollowerCursor {
		const cursor = { event: 0, picture: 0 };
		this.#cursors.push(cursor);
		return cursor;
	}

	/** Records what the leader did; `picture` is what its `start-sample` placed, `endTicks` where it is now. */
	record(steps: readonly SegmentationStep[], endTicks: number | undefined, picture?: LeaderPicture): void {
		for (const step of steps) {
			switch (step.kind) {
				case 'start-sample':
					this.#openPart ??= {
						startTicks: step.startTicks,
						fromPicture: this.pictureCount,
						beginsWithKeyFrame: picture!.isKeyFrame,
					};
					this.#addPicture(picture!, step.startTicks);
					break;
				case 'finish-sample':
					this.#sampleEndTicks = this.#starts.at(-1)! + step.durationTicks;
					break;
				case 'finish-part':
					this.#finishPart(step.durationTicks);
					break;
				case 'hold-part':
				case 'gap-part':
					this.#addEmptySlot(step.kind === 'hold-part' ? 'hold' : 'gap', step);
					break;
				case 'finish-segment':
					this.#events.push({ kind: 'segment-end' });
					break;
			}
		}
		this.#endTicks = endTicks ?? this.#endTicks;
		this.#trim();
	}

	/** End of the leader's media so far; undefined before there is any. */
	get endTicks(): number | undefined {
		return this.#endTicks;
	}

	/** Number that the next picture will have. */
	get pictureCount(): number {
		return this.#firstPicture + this.#times.length;
	}

	/** The event of that number, once there is one. */
	event(number: number): LeaderEvent | undefined {
		return this.#events[number - this.#firstEvent];
	}

	/** The picture with this time, or else the last one before it; undefined while the leader is not there yet. */
	pictureAt(presentationTicks: number): number | undefined {
		const newestTicks = this.#times.at(-1);
		return newestTicks === undefined || presentationTicks > newestTicks + SAME_TIME_TICKS
			? undefined
			: this.#firstPicture + this.#countUntil(presentationTicks + SAME_TIME_TICKS) - 1;
	}

	/** Where a picture with this time is placed: with the leader's own one, or in proportion after it. */
	startOf(presentationTicks: number): number {
		const index = Math.max(0, this.#countUntil(presentationTicks + SAME_TIME_TICKS) - 1);
		const startTicks = this.#starts[index]!;
		const laterTicks = Math.max(0, presentationTicks - this.#times[index]!);
		return laterTicks <= SAME_TIME_TICKS
			? startTicks
			: Math.min(startTicks + laterTicks, (this.#starts[index + 1] ?? Infinity) - 1);
	}

	/**
	 * The first picture known to be taken by a track that took one at `lastTicks` and keeps those at least `leastTicks`
	 * apart, and key frames.
	 */
	nextTaken(lastTicks: number, leastTicks: number): number | undefined {
		const first = this.#countUntil(lastTicks + SAME_TIME_TICKS);
		for (let index = first; index < this.#times.length; index++) {
			if (this.#keyFrames[index] || this.#times[index]! - lastTicks >= leastTicks) {
				return this.#firstPicture + index;
			}
		}
		return undefined;
	}

	/** No picture can still come between those before this number: with B-frames a later one may be shown before. */
	isSettled(toPicture: number): boolean {
		const lastTicks = this.#times[toPicture - 1 - this.#firstPicture];
		return lastTicks === undefined || lastTicks <= this.#newestDecodeTicks;
	}

	/** Whether a segment ends between the event and this picture. */
	endsSegmentBefore(event: number, picture: number): boolean {
		for (let index = event - this.#firstEvent; index < this.#events.length; index++) {
			const later = this.#events[index]!;
			if (later.kind === 'segment-end') {
				return true;
			}
			if (picture < later.toPicture) {
				return false;
			}
		}
		return false;
	}

	#addPicture({ presentationTicks, decodeTicks, isKeyFrame }: LeaderPicture, startTicks: number): void {
		const index = this.#countUntil(presentationTicks);
		this.#times.splice(index, 0, presentationTicks);
		this.#keyFrames.splice(index, 0, isKeyFrame);
		this.#starts.push(startTicks);
		this.#newestDecodeTicks = decodeTicks;
	}

	#finishPart(durationTicks: number | undefined): void {
		const part = this.#openPart;
		if (part === undefined) {
			return;
		}
		this.#openPart = undefined;
		this.#events.push({
			kind: 'media',
			...part,
			toPicture: this.pictureCount,
			endTicks: durationTicks === undefined ? this.#sampleEndTicks : part.startTicks + durationTicks,
			heldUntilTicks: this.#sampleEndTicks,
		});
	}

	#addEmptySlot(
		kind: 'hold' | 'gap',
		{ startTicks, durationTicks }: { startTicks: number; durationTicks: number },
	): void {
		const endTicks = startTicks + durationTicks;
		const next = this.pictureCount;
		this.#events.push({
			kind,
			startTicks,
			endTicks,
			heldUntilTicks: endTicks,
			fromPicture: next,
			toPicture: next,
			beginsWithKeyFrame: false,
		});
	}

	/** Pictures up to and including this time. Times come in order but for B-frames, so the search is from the end. */
	#countUntil(presentationTicks: number): number {
		let count = this.#times.length;
		while (count > 0 && this.#times[count - 1]! > presentationTicks) {
			count--;
		}
		return count;
	}

	#trim(): void {
		if (this.#events.length > TRIM_COUNT) {
			const event = Math.min(...this.#cursors.map((cursor) => cursor.event));
			this.#events.splice(0, event - this.#firstEvent);
			this.#firstEvent = event;
		}
		if (this.#times.length > TRIM_COUNT) {
			const picture = Math.min(...this.#cursors.map((cursor) => cursor.picture));
			for (const list of [this.#times, this.#keyFrames, this.#starts]) {
				list.splice(0, picture - this.#firstPicture);
			}
			this.#firstPicture = picture;
		}
	}
}
