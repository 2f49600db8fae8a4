/** The state behind one media playlist: its segments and parts, the sliding window, and a version for each change. */
import type { Logger } from '../../core/logger.ts';
import type { TrackId } from '../../core/media/access-unit.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { concatBytes } from '../cmaf/box-writer.ts';
import { PART_MINIMUM_SECONDS, PART_TARGET_SECONDS } from '../config/packager-config.ts';
import type { LiveWindow } from '../store/live-window.ts';
import { gapName, partName, type Part } from './part.ts';
import type { RunDates } from './run-dates.ts';
import { isGapSegment, segmentName, segmentSeconds, type Segment } from './segment.ts';
import { SegmentWindow } from './segment-window.ts';

type RenditionEvents = {
	/** A part is complete and can be fetched. */
	partAdded: [part: Part];
	/** A segment is complete and can be fetched. */
	segmentAdded: [segment: Segment];
	/** The playlist has changed: after each of the above, at a new init segment, and at the end. */
	advanced: [];
	/** No further parts follow. Emitted once. */
	ended: [];
};

/** A place in the playlist: a segment, or a part of it (from 0). */
type PlaylistPosition = { mediaSequence: number; partIndex: number | undefined };

/** A part as its writer passes it. `bytes` is undefined for a gap. */
type NewPart = Pick<Part, 'startTicks' | 'durationTicks' | 'isIndependent' | 'sampleCount'> & {
	bytes: Uint8Array | undefined;
	/** When its first sample was captured. */
	programDateTimeMs: number;
};

export class Rendition extends TypedEmitter<RenditionEvents> {
	readonly trackId: TrackId;
	readonly #deps: { store: LiveWindow; logger: Logger };
	readonly #window: SegmentWindow;
	#nextMediaSequence: number;
	#nextPartNumber = 1;
	#nextGapNumber = 1;
	#nextInitNumber = 0;
	/** Discontinuities before its first segment. */
	#firstDiscontinuitySequence: number;
	#discontinuitySequence: number;
	#isDiscontinuityDue = false;
	/** The open segment has all its parts. */
	#isSegmentFull = false;
	#initName: string | undefined;
	#isInitNew = false;
	#timescale = 1;
	/** Of the current run. */
	#dates: RunDates | undefined;
	#mediaSeconds = 0;
	#version = 0;
	#hasEnded = false;
	#peakSegmentBps = 0;
	#hasDependentSegments = false;

	/**
	 * `mediaSequence`: number of its first segment, that of the other renditions then. `discontinuitySequence`:
	 * discontinuities that the broadcast had before this rendition began.
	 */
	constructor(
		deps: { store: LiveWindow; logger: Logger },
		options: { trackId: TrackId; windowSeconds: number; mediaSequence: number; discontinuitySequence: number },
	) {
		super(deps.logger);
		this.trackId = options.trackId;
		this.#deps = deps;
		this.#nextMediaSequence = options.mediaSequence;
		this.#window = new SegmentWindow((segment) => this.#deleteMedia(segment), options.windowSeconds);
		this.#discontinuitySequence = options.discontinuitySequence;
		this.#firstDiscontinuitySequence = options.discontinuitySequence;
	}

	/** Listed segments, oldest first; the last one may be open. */
	get segments(): readonly Segment[] {
		return this.#window.listed;
	}

	/** Counts up with every change of the playlist. */
	get version(): number {
		return this.#version;
	}

	/** True once nothing follows (EXT-X-ENDLIST). */
	get hasEnded(): boolean {
		return this.#hasEnded;
	}

	/** EXT-X-MEDIA-SEQUENCE. Starts at 1: before 1.7.4, hls.js did not block on a playlist that ends with 0. */
	get mediaSequence(): number {
		return this.segments[0]?.mediaSequence ?? this.#nextMediaSequence;
	}

	/** EXT-X-DISCONTINUITY-SEQUENCE: discontinuities that have left the window. */
	get removedDiscontinuityCount(): number {
		return this.#firstDiscontinuitySequence + this.#window.removedDiscontinuityCount;
	}

	/** Name that the next part will have. */
	get nextPartName(): string {
		return partName(this.#nextPartNumber);
	}

	/** Init segment of the coming part when it is not the one listed last. */
	get nextInitName(): string | undefined {
		return this.#isInitNew ? this.#initName : undefined;
	}

	/** Media sequence number that the next new segment will have. */
	get nextMediaSequence(): number {
		return this.#nextMediaSequence;
	}

	/** True once a player has something to begin with. hls.js and FFmpeg refuse a playlist without a whole segment. */
	get isPlayable(): boolean {
		return this.segments[0]?.isComplete === true;
	}

	/** True once any real part exists. */
	get hasParts(): boolean {
		return this.#nextPartNumber > 1;
	}

	/** Highest bit rate of a complete segment; before the first one of a second or more, that of all media listed. */
	get peakBps(): number {
		if (this.#peakSegmentBps > 0) {
			return this.#peakSegmentBps;
		}
		const sizeBytes = this.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
		const seconds = this.segments.reduce((sum, segment) => sum + segmentSeconds(segment), 0);
		// A few pictures of a broken run last almost no time, which makes gigabits of any size.
		return (sizeBytes * 8) / Math.max(seconds, PART_MINIMUM_SECONDS);
	}

	/** Where the media listed ends, in seconds of the broadcast's timeline; 0 before there is any. */
	get endSeconds(): number {
		const last = this.segments.at(-1);
		return last === undefined ? 0 : (last.startTicks + last.durationTicks) / last.timescale;
	}

	/** Bytes per second of media listed. */
	get bytesPerSecond(): number {
		const sizeBytes = this.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
		const seconds = this.segments.reduce((sum, segment) => sum + segmentSeconds(segment), 0);
		return seconds > 0 ? sizeBytes / seconds : 0;
	}

	/** Average bit rate of the media listed, without gaps; 0 before there is any. */
	get averageBps(): number {
		const media = this.segments.filter((segment) => !isGapSegment(segment));
		const sizeBytes = media.reduce((sum, segment) => sum + segment.sizeBytes, 0);
		const seconds = media.reduce((sum, segment) => sum + segmentSeconds(segment), 0);
		return seconds > 0 ? (sizeBytes * 8) / seconds : 0;
	}

	/** True once a segment began without a key frame: EXT-X-INDEPENDENT-SEGMENTS is not true of it. */
	get hasDependentSegments(): boolean {
		return this.#hasDependentSegments;
	}

	/** Segments deleted ahead of their time, to keep the memory bound. */
	get earlyEvictionCount(): number {
		return this.#window.earlyEvictionCount;
	}

	/** The newest part, for rendition reports; undefined before the first. */
	get lastPosition(): { mediaSequence: number; partIndex: number } | undefined {
		const last = this.segments.at(-1);
		return last && { mediaSequence: last.mediaSequence, partIndex: last.parts.length - 1 };
	}

	/** True when the playlist has reached the position (draft-pantos-hls-rfc8216bis §6.2.5.2). */
	has(position: PlaylistPosition): boolean {
		const last = this.segments.at(-1);
		if (last === undefined || position.mediaSequence > last.mediaSequence) {
			return false;
		}
		if (position.mediaSequence < last.mediaSequence) {
			const asked = this.segments.find((segment) => segment.mediaSequence === position.mediaSequence);
			// "If the Client requests a Part Index greater than that of the final Partial Segment of the Parent Segment, the
			// Server MUST treat the request as one for Part Index 0 of the following Parent Segment."
			const isPast =
				asked !== undefined && position.partIndex !== undefined && position.partIndex >= asked.parts.length;
			return !isPast || this.has({ mediaSequence: position.mediaSequence + 1, partIndex: 0 });
		}
		return position.partIndex === undefined ? last.isComplete : position.partIndex < last.parts.length;
	}

	/** Begins a run: its own init segment, and a discontinuity when there was media before. */
	beginRun(run: {
		initBytes: Uint8Array | undefined;
		timescale: number;
		discontinuitySequence: number;
		dates: RunDates;
	}): void {
		this.completeSegment();
		this.#isDiscontinuityDue = run.discontinuitySequence > this.#discontinuitySequence && this.segments.length > 0;
		this.#discontinuitySequence = run.discontinuitySequence;
		if (this.segments.length === 0) {
			this.#firstDiscontinuitySequence = run.discontinuitySequence;
		}
		this.#timescale = run.timescale;
		this.#dates = run.dates;
		if (run.initBytes !== undefined) {
			this.#initName = `init${this.#nextInitNumber++}.mp4`;
			this.#isInitNew = true;
			this.#deps.store.put(this.#storeName(this.#initName), run.initBytes);
			this.#advance();
		}
	}

	/** Adds a part to the open segment, which it opens when there is none. */
	addPart(input: NewPart): void {
		const isGap = input.bytes === undefined;
		const segment = this.#openSegment(input);
		const part: Part = {
			name: isGap ? gapName(this.#nextGapNumber++) : partName(this.#nextPartNumber++),
			startTicks: input.startTicks,
			durationTicks: input.durationTicks,
			isIndependent: input.isIndependent,
			isGap,
			sizeBytes: input.bytes?.length ?? 0,
			sampleCount: input.sampleCount,
		};
		if (input.bytes !== undefined) {
			this.#deps.store.put(this.#storeName(part.name), input.bytes);
		}
		this.#hasDependentSegments ||= !isGap && !part.isIndependent && segment.parts.every((earlier) => earlier.isGap);
		segment.parts.push(part);
		segment.durationTicks += part.durationTicks;
		segment.sizeBytes += part.sizeBytes;
		this.#mediaSeconds += part.durationTicks / segment.timescale;
		this.emit('partAdded', part);
		this.#advance();
	}

	/** Adds a segment of gaps behind the last one, which has to be complete. */
	addGapSegment(seconds: number): void {
		const last = this.segments.at(-1)!;
		const { timescale } = last;
		const firstTicks = last.startTicks + last.durationTicks;
		const endTicks = firstTicks + Math.round(seconds * timescale);
		const partTicks = Math.floor(PART_TARGET_SECONDS * timescale + 1e-6);
		const programDateTimeMs = last.programDateTimeMs + segmentSeconds(last) * 1000;
		for (let startTicks = firstTicks; startTicks < endTicks; startTicks += partTicks) {
			this.addPart({
				startTicks,
				durationTicks: Math.min(partTicks, endTicks - startTicks),
				isIndependent: false,
				sampleCount: 0,
				bytes: undefined,
				programDateTimeMs,
			});
		}
		this.completeSegment();
	}

	/**
	 * The open segment has all its parts. It is listed as complete (EXTINF) together with the next part, not before.
	 * Otherwise hls.js 1.7.4 takes a listed segment whose last 0.2 s are missing for loaded (fragment-tracker.js,
	 * getBufferedTimes). While it appends one part, it may see that the next one is the segment's last, and a short one.
	 * Then it loads neither that nor anything after it until it is 6 s behind.
	 */
	finishSegment(): void {
		this.#isSegmentFull = true;
	}

	/** Completes the open segment at once, if there is one, because no part follows for now. */
	completeSegment(): void {
		if (this.#complete()) {
			this.#advance();
		}
	}

	#complete(): boolean {
		const segment = this.segments.at(-1);
		this.#isSegmentFull = false;
		if (segment === undefined || segment.isComplete) {
			return false;
		}
		this.#joinParts(segment);
		segment.isComplete = true;
		// A short rest of a run says little about the rate, and a key frame in it distorts it.
		if (segmentSeconds(segment) >= 1) {
			this.#peakSegmentBps = Math.max(this.#peakSegmentBps, (segment.sizeBytes * 8) / segmentSeconds(segment));
		}
		this.#window.slide(this.#mediaSeconds);
		this.emit('segmentAdded', segment);
		return true;
	}

	/** Nothing follows. */
	end(): void {
		if (this.#hasEnded) {
			return;
		}
		this.completeSegment();
		this.#hasEnded = true;
		this.#advance();
		this.emit('ended');
	}

	/** Makes the window shorter, because memory is short. Never longer again: viewers have seen the short one. */
	shrinkWindow(windowSeconds: number): void {
		this.#window.shrink(windowSeconds, this.#mediaSeconds);
	}

	/** Deletes the oldest removed segment ahead of its time. False when there is none. */
	evictEarly(): boolean {
		return this.#window.evictEarly();
	}

	#dateMs(first: NewPart): number {
		const seconds = first.startTicks / this.#timescale;
		return this.#dates?.dateMs(this.trackId, seconds, first.programDateTimeMs) ?? first.programDateTimeMs;
	}

	#openSegment(first: NewPart): Segment {
		const last = this.segments.at(-1);
		if (last !== undefined && !last.isComplete && !this.#isSegmentFull) {
			return last;
		}
		this.#complete();
		const mediaSequence = this.#nextMediaSequence++;
		const segment: Segment = {
			mediaSequence,
			name: segmentName(mediaSequence),
			initName: this.#initName,
			discontinuitySequence: this.#discontinuitySequence,
			hasDiscontinuity: this.#isDiscontinuityDue,
			timescale: this.#timescale,
			startTicks: first.startTicks,
			durationTicks: 0,
			programDateTimeMs: this.#dateMs(first),
			parts: [],
			isComplete: false,
			sizeBytes: 0,
		};
		this.#isDiscontinuityDue = false;
		this.#isInitNew = false;
		this.#window.add(segment);
		return segment;
	}

	// A segment is its parts one after another. Once it is complete, the parts become ranges of it, so that nothing is
	// held twice.
	#joinParts(segment: Segment): void {
		const { store } = this.#deps;
		const real = segment.parts.filter((part) => !part.isGap);
		const pieces = real.map((part) => store.get(this.#storeName(part.name)));
		if (pieces.length === 0 || !pieces.every((piece): piece is Uint8Array => piece instanceof Uint8Array)) {
			return;
		}
		const name = this.#storeName(segment.name);
		store.put(name, concatBytes(pieces));
		let startByte = 0;
		for (const part of real) {
			store.alias(this.#storeName(part.name), { name, startByte, endByte: startByte + part.sizeBytes });
			startByte += part.sizeBytes;
		}
	}

	#deleteMedia(segment: Segment): void {
		for (const { name } of [segment, ...segment.parts]) {
			this.#deps.store.delete(this.#storeName(name));
		}
		const { initName } = segment;
		if (initName !== undefined && initName !== this.#initName && !this.#window.uses(initName)) {
			this.#deps.store.delete(this.#storeName(initName));
		}
	}

	#advance(): void {
		this.#version++;
		this.emit('advanced');
	}

	#storeName(file: string): string {
		return `${this.trackId}/${file}`;
	}
}
