/**
 * Packages a rung of the ladder: its parts and segments end where those of the leading picture do, so that players can
 * change between the two at any of them.
 *
 * A rung has all or some of the leader's pictures, with the leader's times, and later, because they come out of an
 * encoder. Each of its parts lasts exactly as long as the leader's. It holds the pictures that lie in the leader's
 * part, shown when the leader shows them. It is published with the last one of them, not with the next: the leader's
 * times and the rule by which the encoder selects pictures show whether another one comes.
 *
 * A part for which no picture came is a GAP. A rung that was away begins where a segment does.
 */
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import type { FollowerCursor, LeaderBorders, Slot } from './leader-borders.ts';
import { PartAssembler } from './part-assembler.ts';
import { MAX_SPREAD_SECONDS } from './segmentation-policy.ts';
import type { TrackStart, WriteResult } from './track-writer.ts';

/** What is missing for longer is a GAP; up to it the picture before stays, or the next one is decoded early. */
const MAX_MISSING_TICKS = MAX_SPREAD_SECONDS * VIDEO_CLOCK_RATE;
/** A rung that is this far behind has failed. Its encoder needs tenths of a second. */
const MAX_WAIT_TICKS = 2.5 * VIDEO_CLOCK_RATE;
/** Pictures that wait for the leader, which may come out of an encoder too. */
const MAX_WAITING_PICTURES = 512;
/** A time that goes back by more than this is another timeline. */
const JUMP_BACK_TICKS = VIDEO_CLOCK_RATE;

type FollowingOptions = {
	/** The picture follows the last one taken by at least this; 0 for a track that takes all. */
	leastIntervalSeconds: number;
	/** As in the leader's init segment, and so in this track's. */
	presentationDelayTicks: number;
	/** The run has no media of this track, or not yet. */
	isAway: boolean;
};

/**
 * following: takes its pictures, or waits for them. away: has none for now; all parts are GAPs. returning: has some
 * again, which begin with the next segment.
 */
type FollowingState = 'following' | 'away' | 'returning';

/** Lives as long as a run. Its times are presentation times in 90 kHz ticks. */
export class FollowingTrackWriter {
	readonly #rendition: TrackStart['rendition'];
	readonly #borders: LeaderBorders;
	readonly #cursor: FollowerCursor;
	readonly #assembler: PartAssembler;
	readonly #leastTicks: number;
	readonly #presentationDelayTicks: number;
	#state: FollowingState;
	/** In order of their times, which is their decode order. */
	#waiting: AccessUnit[] = [];
	/** Pictures of the part under way. */
	#taken: AccessUnit[] = [];
	/** Time of the picture taken last; undefined while a key frame has to come first. */
	#lastTicks: number | undefined;
	#isSegmentStart = true;
	#endTicks: number;

	constructor(start: TrackStart, borders: LeaderBorders, options: FollowingOptions) {
		this.#rendition = start.rendition;
		this.#borders = borders;
		this.#cursor = borders.follow();
		this.#endTicks = Math.round(start.startSeconds * VIDEO_CLOCK_RATE);
		this.#assembler = new PartAssembler(
			{ ...start, timescale: VIDEO_CLOCK_RATE },
			{ ticks: this.#endTicks, captureTimeMs: start.captureTimeMs },
		);
		this.#leastTicks = options.leastIntervalSeconds * VIDEO_CLOCK_RATE;
		this.#presentationDelayTicks = options.presentationDelayTicks;
		this.#state = options.isAway ? 'away' : 'following';
	}

	/** End of the parts published, in seconds of the broadcast's timeline. */
	get endSeconds(): number {
		return this.#endTicks / VIDEO_CLOCK_RATE;
	}

	/** It has no media for now. */
	get isAway(): boolean {
		return this.#state === 'away';
	}

	/** All that the leader did is published: after the leader's flush, no picture is missing. */
	get isComplete(): boolean {
		return this.#event === undefined;
	}

	/** Adds the next picture. */
	write(accessUnit: AccessUnit): WriteResult {
		const ticks = accessUnit.presentationTimeTicks;
		const newestTicks = this.#waiting.at(-1)?.presentationTimeTicks ?? this.#lastTicks;
		if (newestTicks !== undefined && ticks <= newestTicks) {
			if (ticks > newestTicks - JUMP_BACK_TICKS) {
				return 'dropped';
			}
			this.#leave();
		}
		const isFirst = this.#lastTicks === undefined && this.#waiting.length === 0;
		if (isFirst && !accessUnit.isKeyFrame) {
			return 'dropped';
		}
		if (this.#state === 'away') {
			this.#state = 'returning';
		}
		if (this.#waiting.length === MAX_WAITING_PICTURES) {
			this.#leave();
			return 'dropped';
		}
		this.#waiting.push(accessUnit);
		this.follow();
		return 'written';
	}

	/** Publishes what the leader's borders and the pictures so far allow. Called after each change of the borders. */
	follow(): void {
		this.#passEvents();
		if (this.#state !== 'away' && (this.#borders.endTicks ?? -Infinity) - this.#endTicks > MAX_WAIT_TICKS) {
			this.#leave();
			this.#passEvents();
		}
	}

	/** Has no media from now on, until its next key frame. */
	pause(): void {
		this.#leave();
		this.#passEvents();
	}

	/** The leader is flushed: publishes all the rest. */
	flush(): void {
		this.#passEvents();
		this.#publishTaken();
		for (let event = this.#event; event !== undefined; event = this.#event) {
			this.#cursor.event++;
			if (event.kind === 'segment-end') {
				this.#endSegment();
			} else {
				// The encoder still has these pictures.
				const isShort = this.#borders.endTicks! - (this.#lastTicks ?? -Infinity) <= MAX_MISSING_TICKS;
				this.#publishMissing(event, isShort);
			}
		}
		this.#rendition.completeSegment();
	}

	get #event(): ReturnType<LeaderBorders['event']> {
		return this.#borders.event(this.#cursor.event);
	}

	#passEvents(): void {
		for (let event = this.#event; event !== undefined; event = this.#event) {
			if (event.kind === 'segment-end') {
				this.#endSegment();
			} else if (!this.#passSlot(event)) {
				break;
			}
			this.#cursor.event++;
			this.#cursor.picture = event.kind === 'segment-end' ? this.#cursor.picture : event.toPicture;
		}
	}

	#endSegment(): void {
		this.#assembler.apply([{ kind: 'finish-segment', isForced: false }]);
		this.#isSegmentStart = true;
		if (this.#state === 'returning') {
			this.#state = 'following';
		}
	}

	/** Publishes the part; false while its pictures are not complete. */
	#passSlot(slot: Slot): boolean {
		if (slot.kind !== 'media') {
			const isHeld = slot.kind === 'hold' && this.#lastTicks !== undefined;
			this.#publishEmpty(slot, isHeld ? 'hold-part' : 'gap-part');
			return true;
		}
		if (this.#state !== 'following') {
			this.#discardUntil(slot.toPicture);
			this.#publishEmpty(slot, 'gap-part');
			return true;
		}
		const hasLater = this.#take(slot);
		if (!hasLater && this.#mayComplete(slot)) {
			return false;
		}
		if (this.#taken.length > 0) {
			this.#publish(slot);
			return true;
		}
		return this.#lastTicks === undefined ? this.#passBeforeKeyFrame(slot) : this.#passWithoutPicture(slot, hasLater);
	}

	/** Takes the pictures of the part; true when one past its end has come. */
	#take(slot: Slot): boolean {
		for (let [unit] = this.#waiting; unit !== undefined; [unit] = this.#waiting) {
			const number = this.#borders.pictureAt(unit.presentationTimeTicks);
			const isFirst = this.#lastTicks === undefined;
			if (number === undefined && (unit.isKeyFrame || !isFirst)) {
				return false;
			}
			if (isFirst && (!unit.isKeyFrame || number! < slot.fromPicture)) {
				this.#waiting.shift();
				continue;
			}
			if (number! >= slot.toPicture) {
				return true;
			}
			this.#taken.push(unit);
			this.#lastTicks = unit.presentationTimeTicks;
			this.#waiting.shift();
		}
		return false;
	}

	/** Whether a further picture may come for the part. */
	#mayComplete(slot: Slot): boolean {
		if (this.#lastTicks === undefined || !this.#borders.isSettled(slot.toPicture)) {
			return true;
		}
		const next = this.#borders.nextTaken(this.#lastTicks, this.#leastTicks);
		return next !== undefined && next < slot.toPicture;
	}

	/** Its first key frame comes later. Where the leader has one at the segment's start, so will the next segment. */
	#passBeforeKeyFrame(slot: Slot): boolean {
		if (this.#isSegmentStart && slot.beginsWithKeyFrame) {
			this.#state = 'returning';
		}
		this.#publishEmpty(slot, 'gap-part');
		return true;
	}

	/** The encoder selected no picture of this part, or has lost some. */
	#passWithoutPicture(slot: Slot, hasLater: boolean): boolean {
		const [later] = this.#waiting;
		if (hasLater && later!.presentationTimeTicks - this.#lastTicks! > MAX_MISSING_TICKS && this.#isMissing(slot)) {
			this.#lastTicks = undefined;
			this.#state = 'returning';
			this.#publishEmpty(slot, 'gap-part');
			return true;
		}
		const following = this.#borders.event(this.#cursor.event + 1);
		if (following === undefined && !hasLater) {
			return false;
		}
		const isLastOfSegment =
			following?.kind === 'segment-end' ||
			(hasLater &&
				this.#borders.endsSegmentBefore(
					this.#cursor.event + 1,
					this.#borders.pictureAt(later!.presentationTimeTicks)!,
				));
		if (isLastOfSegment) {
			this.#publishMissing(slot, true);
			return true;
		}
		if (!hasLater) {
			return false;
		}
		// Without a sample decoders see a hole, and players lose all up to the next key frame. So the next picture is
		// decoded in this part, and shown at its own time.
		this.#taken.push(later!);
		this.#lastTicks = later!.presentationTimeTicks;
		this.#waiting.shift();
		this.#publish(slot);
		return true;
	}

	#isMissing(slot: Slot): boolean {
		const expected = this.#borders.nextTaken(this.#lastTicks!, this.#leastTicks);
		return expected !== undefined && expected < slot.toPicture;
	}

	/** Publishes what has come of the part under way, because no more comes. */
	#publishTaken(): void {
		const slot = this.#event;
		if (this.#taken.length > 0 && slot !== undefined && slot.kind !== 'segment-end') {
			this.#publish(slot);
			this.#cursor.event++;
			this.#cursor.picture = slot.toPicture;
		}
	}

	#leave(): void {
		this.#publishTaken();
		this.#state = 'away';
		this.#lastTicks = undefined;
		this.#waiting = [];
		this.#taken = [];
	}

	#discardUntil(picture: number): void {
		for (let [unit] = this.#waiting; unit !== undefined; [unit] = this.#waiting) {
			const number = this.#borders.pictureAt(unit.presentationTimeTicks);
			if (number === undefined || number >= picture) {
				break;
			}
			this.#waiting.shift();
		}
	}

	#publish(slot: Slot): void {
		const units = this.#isSegmentStart && slot.beginsWithKeyFrame ? fromKeyFrame(this.#taken) : this.#taken;
		this.#taken = [];
		// The first is decoded where the part begins, so that decode times have no hole.
		let startTicks = slot.startTicks;
		for (const [index, unit] of units.entries()) {
			const next = units[index + 1];
			const laterCount = units.length - index - 1;
			const nextTicks =
				next === undefined
					? this.#lastEndTicks(slot)
					: Math.min(
							Math.max(startTicks + 1, this.#borders.startOf(next.presentationTimeTicks)),
							slot.endTicks - laterCount,
						);
			const { bytes, presentationTimeTicks, isKeyFrame, captureTimeMs } = unit;
			const shownTicks =
				this.#presentationDelayTicks > 0
					? presentationTimeTicks + this.#presentationDelayTicks
					: this.#borders.startOf(presentationTimeTicks);
			this.#assembler.apply(
				[
					{ kind: 'start-sample', startTicks },
					{ kind: 'finish-sample', durationTicks: nextTicks - startTicks },
				],
				{
					bytes,
					sourceTicks: presentationTimeTicks,
					presentation: { kind: 'absolute', ticks: Math.max(startTicks, shownTicks) },
					isSync: isKeyFrame,
					captureTimeMs,
				},
			);
			startTicks = nextTicks;
		}
		this.#assembler.apply([{ kind: 'finish-part', durationTicks: slot.endTicks - slot.startTicks }]);
		this.#finishSlot(slot);
	}

	/**
	 * The last picture lasts until the part ends; longer where the leader's does, and where the pictures known to follow
	 * are none of this track, so that what players have does not end before the segment.
	 */
	#lastEndTicks(slot: Slot): number {
		const hasOthersAfter = this.#borders.pictureCount > slot.toPicture;
		const isNextKnown = this.#borders.nextTaken(this.#lastTicks!, this.#leastTicks) !== undefined;
		const shownUntilTicks = hasOthersAfter && !isNextKnown ? this.#borders.endTicks! : slot.endTicks;
		return Math.max(slot.endTicks, slot.heldUntilTicks, shownUntilTicks);
	}

	/** The picture before stays for a short time, but not into another segment, which has to begin with a key frame. */
	#publishMissing(slot: Slot, isShort: boolean): void {
		if (isShort && !this.#isSegmentStart) {
			this.#publishEmpty(slot, 'hold-part');
			return;
		}
		this.#lastTicks = undefined;
		this.#publishEmpty(slot, 'gap-part');
	}

	#publishEmpty(slot: Slot, kind: 'hold-part' | 'gap-part'): void {
		const { startTicks, endTicks } = slot;
		this.#assembler.apply([{ kind, startTicks, durationTicks: endTicks - startTicks }]);
		this.#finishSlot(slot);
	}

	#finishSlot({ endTicks }: Slot): void {
		this.#isSegmentStart = false;
		this.#endTicks = endTicks;
	}
}

/** From the key frame on, if it is there: what an open GOP shows before it belongs to the segment before. */
function fromKeyFrame(units: AccessUnit[]): AccessUnit[] {
	const first = units.findIndex((unit) => unit.isKeyFrame);
	return first > 0 ? units.slice(first) : units;
}
