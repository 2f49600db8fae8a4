/**
 * Records one broadcast: each finished segment goes to the object store once, then into the journal. The live path only
 * hands over bytes that it has anyway, and never waits.
 */
import { createHash } from 'node:crypto';
import { sleep, withDeadline, type Clock } from '../../core/lifecycle/clock.ts';
import { errorMessage, SpillwayError } from '../../core/errors/errors.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import type { Logger } from '../../core/logger.ts';
import type { TrackId } from '../../core/media/access-unit.ts';
import type { Archive, ArchivedSegment } from '../live/archive.ts';
import type { BroadcastPackager } from '../live/broadcast-packager.ts';
import type { RenditionEntry } from '../live/tracks-in-step.ts';
import { formatSegmentSeconds } from '../playlist/playlist-tags.ts';
import { trackFacts } from '../rendition/track-facts.ts';
import { isGapSegment, type Segment } from '../rendition/segment.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { Journal } from './journal.ts';
import { recordedObjectName, type InitEntry, type JournalEntry, type SegmentEntry } from './journal-entry.ts';

/** Segments that wait for the store hold at most so much memory; beyond it the newest are not stored. */
const MAX_WAITING_BYTES = 64 * 2 ** 20;
/** Before a segment is tried again, while the store does not answer. */
const RETRY_MS = 500;
/** A rung up to this is recorded beside the source, for viewers on poor lines. */
const MAX_RUNG_BPS = 1_000_000;

/** What a segment needs besides its entry. */
type Waiting = {
	entry: SegmentEntry;
	/** Undefined for a gap. */
	bytes: Uint8Array | undefined;
	init: { entry: InitEntry; bytes: Uint8Array } | undefined;
};

type RecorderEvents = {
	/** The segment is stored and in the journal, or it is a gap. */
	recorded: [entry: SegmentEntry];
	/** Why segments are not stored now; undefined: they are again. */
	stopped: [reason: string | undefined];
};

type RecorderDependencies = {
	broadcast: Pick<BroadcastPackager, 'on' | 'store' | 'renditions'>;
	store: Pick<ObjectStore, 'put' | 'get'>;
	journal: Pick<Journal, 'add' | 'refusal'>;
	clock: Clock;
	logger: Logger;
	/** Why nothing may be stored now, as a sentence; undefined: it may. */
	refusal: () => string | undefined;
};

/** From the broadcast's first segment to {@link Recorder.finish}. */
export class Recorder extends TypedEmitter<RecorderEvents> implements Archive {
	readonly videoId: string;
	readonly #deps: RecorderDependencies;
	readonly #waiting: Waiting[] = [];
	/** Tracks and init segments that the journal has. */
	readonly #inits = new Set<string>();
	readonly #failures: RateLimitedReport;
	readonly #unlisten: () => void;
	readonly #archiveSeconds: number;
	readonly #archived = new Map<TrackId, ArchivedSegment[]>();
	#waitingBytes = 0;
	#storedBytes = 0;
	#missingSeconds = 0;
	#startSeconds: number | undefined;
	#endSeconds = 0;
	#rungId: TrackId | undefined;
	#work: Promise<void> | undefined;
	#stopReason: string | undefined;
	#isGivenUp = false;
	/** At the last look nothing was allowed to be stored. */
	#isRefused = false;

	/** `archiveSeconds`: how far back {@link segments} goes. */
	constructor(deps: RecorderDependencies, options: { videoId: string; archiveSeconds: number }) {
		super(deps.logger);
		this.#deps = deps;
		this.videoId = options.videoId;
		this.#archiveSeconds = options.archiveSeconds;
		this.#failures = new RateLimitedReport(deps.clock, deps.logger, 'a segment could not be recorded', 10_000);
		this.#unlisten = deps.broadcast.on('segmentAdded', (track, segment) => this.#take(track, segment));
	}

	/** Bytes in the store so far. */
	get storedBytes(): number {
		return this.#storedBytes;
	}

	/** Seconds of the source's picture, or of its sound where it has none, that are not stored. */
	get missingSeconds(): number {
		return this.#missingSeconds;
	}

	/** From the first to the last segment that is stored. */
	get recordedSeconds(): number {
		return this.#endSeconds - (this.#startSeconds ?? this.#endSeconds);
	}

	/** Every picture and sound of the source has a segment that is stored. */
	get hasAllTracks(): boolean {
		const own = this.#deps.broadcast.renditions.filter(({ rung }) => rung === undefined);
		return own.every(({ trackId }) => this.segments(trackId).some(({ isGap }) => !isGap));
	}

	/** Why segments are not stored now; undefined: they are. */
	get stopReason(): string | undefined {
		return this.#stopReason;
	}

	segments(trackId: TrackId): readonly ArchivedSegment[] {
		return this.#archived.get(trackId) ?? [];
	}

	async get(trackId: TrackId, file: string): Promise<Uint8Array> {
		return (await this.#deps.store.get(recordedObjectName(this.videoId, trackId, file))).bytes;
	}

	/** Takes no more segments, and resolves when those that wait are stored, or when `deadlineMs` have passed. */
	async finish(deadlineMs: number): Promise<void> {
		this.#unlisten();
		// What a running recording takes counts no longer, which must not let its last segments in.
		this.#isGivenUp ||= this.#isRefused;
		const work = this.#work ?? Promise.resolve();
		const tooLate = (): Error => new Error('The store takes too long.');
		await withDeadline(this.#deps.clock, work, deadlineMs, tooLate).catch(() => undefined);
		this.#isGivenUp = true;
	}

	#take(track: RenditionEntry, segment: Segment): void {
		if (!this.#isRecorded(track)) {
			return;
		}
		const { store } = this.#deps.broadcast;
		const { trackId } = track;
		const bytes = isGapSegment(segment) ? undefined : store.get(`${trackId}/${segment.name}`);
		const initBytes = segment.initName === undefined ? undefined : store.get(`${trackId}/${segment.initName}`);
		const partSeconds = segment.parts.map((part) => part.durationTicks / segment.timescale);
		const entry: SegmentEntry = {
			kind: 'segment',
			trackId,
			mediaSequence: segment.mediaSequence,
			run: segment.discontinuitySequence,
			initName: segment.initName ?? null,
			startSeconds: segment.startTicks / segment.timescale,
			durationSeconds: Number(formatSegmentSeconds(partSeconds)),
			capturedAtMs: Math.round(segment.programDateTimeMs),
			gap: bytes === undefined ? 'away' : null,
			sizeBytes: bytes?.length ?? 0,
			hash: '',
		};
		const init =
			segment.initName === undefined || initBytes === undefined
				? undefined
				: { entry: initEntry(track, segment.initName), bytes: initBytes };
		this.#waiting.push(this.#bounded({ entry, bytes, init }));
		this.#work ??= this.#run().finally(() => (this.#work = undefined));
	}

	/** The source's pictures and sounds, and the best rung that is small enough when the first one comes. */
	#isRecorded({ rung, trackId }: RenditionEntry): boolean {
		if (rung === undefined) {
			return true;
		}
		if (this.#rungId === undefined) {
			const small = this.#deps.broadcast.renditions.flatMap((entry) =>
				entry.rung?.kind === 'video' && entry.rung.maxBitrateBps <= MAX_RUNG_BPS
					? [{ id: entry.trackId, bps: entry.rung.maxBitrateBps }]
					: [],
			);
			this.#rungId = small.toSorted((one, other) => other.bps - one.bps)[0]?.id;
		}
		return trackId === this.#rungId;
	}

	#bounded(segment: Waiting): Waiting {
		const sizeBytes = segment.entry.sizeBytes;
		const { refusal } = this.#deps.journal;
		if (this.#waitingBytes + sizeBytes <= MAX_WAITING_BYTES && refusal === undefined) {
			this.#waitingBytes += sizeBytes;
			return segment;
		}
		this.#stop(refusal ?? 'the store takes recordings more slowly than they come');
		return withoutBytes(segment);
	}

	async #run(): Promise<void> {
		for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
			const recorded = await this.#store(next);
			this.#waitingBytes -= next.bytes?.length ?? 0;
			this.#waiting.shift();
			await this.#enter(recorded.entry);
			if (recorded.entry.gap !== null && recorded.entry.gap !== 'away' && this.#countsAsMissing(recorded.entry)) {
				this.#missingSeconds += recorded.entry.durationSeconds;
			}
			if (recorded.entry.gap === null) {
				this.#startSeconds ??= recorded.entry.startSeconds;
				this.#endSeconds = Math.max(this.#endSeconds, recorded.entry.startSeconds + recorded.entry.durationSeconds);
			}
			this.#archive(recorded.entry);
			this.emit('recorded', recorded.entry);
		}
	}

	#archive({ trackId, mediaSequence, run, initName, durationSeconds, capturedAtMs, gap }: SegmentEntry): void {
		const isGap = gap !== null;
		const archived = this.#archived.get(trackId) ?? [];
		this.#archived.set(trackId, archived);
		archived.push({ mediaSequence, run, initName, durationSeconds, capturedAtMs, isGap });
		const oldest = archived.findIndex((segment) => segment.capturedAtMs >= capturedAtMs - this.#archiveSeconds * 1000);
		archived.splice(0, oldest);
	}

	/** Puts the segment's bytes into the store, and makes it a gap where that cannot be. */
	async #store(segment: Waiting): Promise<Waiting> {
		const { entry, bytes, init } = segment;
		if (bytes === undefined) {
			return segment;
		}
		for (;;) {
			const refusal = this.#deps.refusal();
			if (refusal !== undefined || this.#isGivenUp) {
				this.#isRefused ||= refusal !== undefined;
				this.#stop(refusal ?? this.#stopReason ?? 'the server is stopping');
				return withoutBytes(segment);
			}
			try {
				if (init !== undefined) {
					await this.#storeInit(init.entry, init.bytes);
				}
				const hash = createHash('sha256').update(bytes).digest('hex');
				await this.#put(entry.trackId, `segment${entry.mediaSequence}.m4s`, bytes);
				this.#isRefused = false;
				this.#stop(undefined);
				return { ...segment, entry: { ...entry, hash } };
			} catch (error) {
				this.#failures.count({ trackId: entry.trackId, reason: errorMessage(error) });
				this.#stop(errorMessage(error));
				if (!(error instanceof SpillwayError) || error.code === 'OBJECT_STORE_FULL') {
					return withoutBytes(segment);
				}
				await sleep(this.#deps.clock, RETRY_MS);
			}
		}
	}

	async #storeInit(entry: InitEntry, bytes: Uint8Array): Promise<void> {
		const key = `${entry.trackId}/${entry.name}`;
		if (!this.#inits.has(key)) {
			await this.#put(entry.trackId, entry.name, bytes);
			await this.#enter(entry);
			this.#inits.add(key);
		}
	}

	async #put(trackId: TrackId, file: string, bytes: Uint8Array): Promise<void> {
		await this.#deps.store.put(recordedObjectName(this.videoId, trackId, file), bytes);
		this.#storedBytes += bytes.length;
	}

	/** An entry that the file cannot take goes to the database all the same. */
	async #enter(entry: JournalEntry): Promise<void> {
		try {
			await this.#deps.journal.add(entry);
		} catch (error) {
			this.#failures.count({ trackId: entry.trackId, reason: errorMessage(error) });
		}
	}

	#countsAsMissing({ trackId }: SegmentEntry): boolean {
		return trackId === this.#deps.broadcast.renditions[0]?.trackId;
	}

	#stop(reason: string | undefined): void {
		if (this.#stopReason !== reason) {
			this.#stopReason = reason;
			this.emit('stopped', reason);
		}
	}
}

function initEntry({ trackId, config, rung, frameRate }: RenditionEntry, name: string): InitEntry {
	const facts = { ...trackFacts(config), rung: rung ?? null, frameRate: frameRate ?? null };
	return { kind: 'init', trackId, name, facts };
}

function withoutBytes({ entry }: Waiting): Waiting {
	return { entry: { ...entry, gap: 'not-stored', sizeBytes: 0, hash: '' }, bytes: undefined, init: undefined };
}
