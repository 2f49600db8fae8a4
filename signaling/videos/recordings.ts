/** Which broadcasts are recorded now: begins and ends recordings, and ends those that a killed server left open. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, type Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { errorMessage, SpillwayError } from '../../core/errors/errors.ts';
import { createId, type BroadcastId, type ChannelId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Packager } from '../../packager/create-packager.ts';
import type { BroadcastPackager } from '../../packager/live/broadcast-packager.ts';
import { Journal } from '../../packager/recording/journal.ts';
import { recordedObjectName } from '../../packager/recording/journal-entry.ts';
import { JournalFile, readJournalFile } from '../../packager/recording/journal-file.ts';
import { Recorder } from '../../packager/recording/recorder.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { RecordingLimits } from './recording-limits.ts';
import type { RecordingSetting, VideoStore } from './video-store.ts';

/** One that runs. */
type RunningRecording = {
	videoId: string;
	channelId: ChannelId;
	broadcastId: BroadcastId;
	ownerId: string | undefined;
	recorder: Recorder;
	/** The database has a segment of each track. */
	isPlayable: boolean;
	/** Resolves when the database has all that is stored by now, or does not answer. */
	flush: () => Promise<void>;
};

type RecordingsDependencies = {
	videos: VideoStore;
	store: ObjectStore;
	limits: RecordingLimits;
	/** For the journals' files. */
	folder: string;
	registry: Pick<BroadcastRegistry, 'on'>;
	packager: Pick<Packager, 'broadcast'>;
	clock: Clock;
	logger: Logger;
};

export type RecordingsConfig = {
	/** A video that is not kept is deleted so long after its end. */
	retentionDays: number;
	/** Longest recording of one broadcast. */
	maxSeconds: number;
	/** How far viewers can go back while a broadcast is recorded. */
	archiveSeconds: number;
};

/** The owner's epoch of a new recording. */
const FIRST_EPOCH = 1;
const JOURNAL_FILE = /^([0-9a-z]{26})\.journal$/;
/** Between attempts while the database or the store does not answer. */
const RETRY_MS = 2000;
/** Segments that wait for the store at the end of a broadcast get so long. */
const FINISH_MS = 4000;
/** A recording without a segment for so long is nobody's. Another node may still write a younger one. */
const SILENT_MS = 60_000;
const SECOND_LOOK_MS = 90_000;
/** The newest segments of a recording that was cut short are read again; older ones are whole. */
const CHECKED_SEGMENTS = 3;

export class Recordings {
	readonly #deps: RecordingsDependencies;
	readonly #config: RecordingsConfig;
	readonly #scope: CloseScope<'server-shutdown'>;
	readonly #running = new Map<BroadcastId, RunningRecording>();
	/** Recordings on their way from the end of the broadcast to `ready`. */
	readonly #finishing = new Set<Promise<void>>();

	constructor(deps: RecordingsDependencies, config: RecordingsConfig) {
		this.#deps = deps;
		this.#config = config;
		this.#scope = new CloseScope(deps.logger);
	}

	/** Those that run, on this node. */
	get running(): readonly RunningRecording[] {
		return [...this.#running.values()];
	}

	/** Listens to broadcasts, and ends the recordings of a killed server in the background. */
	async start(): Promise<void> {
		const { folder, registry, clock } = this.#deps;
		await mkdir(folder, { recursive: true, mode: 0o700 });
		const left = (await readdir(folder)).flatMap((name) => JOURNAL_FILE.exec(name)?.[1] ?? []);
		this.#scope.onClose(registry.on('broadcastStarted', (broadcast) => void this.#begin(broadcast)));
		this.#background('a recording could not be ended', () => this.#recover(left));
		// Those whose newest segment was too young for the first look.
		this.#scope.after(clock, SECOND_LOOK_MS, () =>
			this.#background('a recording could not be ended', () => this.#recover([])),
		);
	}

	/** Ends all recordings, or leaves their journals for the next start. Call it when the broadcasts have ended. */
	close(): Promise<void> {
		if (!this.#scope.closed) {
			this.#scope.onClose(async () => void (await Promise.all(this.#finishing)));
		}
		return this.#scope.close('server-shutdown');
	}

	async #begin(broadcast: Pick<Broadcast, 'id' | 'channelId' | 'startedAt'>): Promise<void> {
		const { packager, logger, clock } = this.#deps;
		const live = packager.broadcast(broadcast.id);
		if (live === undefined) {
			return;
		}
		// One for all attempts: the first may have made the row before it failed.
		const videoId = createId<string>(clock.nowMs());
		let hasEnded = false;
		live.on('ended', () => (hasEnded = true), { once: true });
		while (!hasEnded && !this.#scope.closed) {
			try {
				await this.#tryBegin(videoId, broadcast, live);
				return;
			} catch (error) {
				logger.warn({ broadcastId: broadcast.id, reason: errorMessage(error) }, 'a recording cannot begin yet');
				await sleep(clock, RETRY_MS);
			}
		}
	}

	async #tryBegin(
		videoId: string,
		{ id: broadcastId, channelId, startedAt }: Pick<Broadcast, 'id' | 'channelId' | 'startedAt'>,
		live: BroadcastPackager,
	): Promise<void> {
		const { videos, folder, store, clock, limits } = this.#deps;
		const setting = await videos.recordingSetting(channelId);
		if (setting === undefined || !isRecordingWanted(setting)) {
			return;
		}
		const { ownerId, title, category } = setting;
		const logger = this.#deps.logger.child({ broadcastId, videoId });
		await limits.prepare(ownerId);
		await videos.create({ id: videoId, channelId, broadcastId, title, category, startedAt: new Date(startedAt) });
		const file = await JournalFile.open(join(folder, `${videoId}.journal`));
		const sink = {
			append: (entries: Parameters<VideoStore['append']>[2]) => videos.append(videoId, FIRST_EPOCH, entries),
		};
		const journal = new Journal({ file, sink, clock, logger });
		const endsAtMs = clock.monotonicMs() + this.#config.maxSeconds * 1000;
		const refusal = (): string | undefined =>
			clock.monotonicMs() > endsAtMs
				? `a recording is ${Math.round(this.#config.maxSeconds / 3600)} hours long at most`
				: limits.refusal(ownerId);
		const { archiveSeconds } = this.#config;
		const recorder = new Recorder(
			{ broadcast: live, store, journal, clock, logger, refusal },
			{ videoId, archiveSeconds },
		);
		live.archive = recorder;
		recorder.on('stopped', (reason) =>
			reason === undefined
				? logger.info({}, 'recording continues')
				: logger.warn({ reason }, 'recording has stopped; the live broadcast continues'),
		);
		const flush = (): Promise<void> => journal.flush();
		const running: RunningRecording = { videoId, channelId, broadcastId, ownerId, recorder, isPlayable: false, flush };
		this.#running.set(broadcastId, running);
		const unlisten = recorder.on('recorded', () => {
			if (recorder.hasAllTracks) {
				unlisten();
				void journal.flush().then(() => (running.isPlayable = true));
			}
		});
		logger.info({}, 'recording');
		const finish = (): void => {
			if (this.#running.get(broadcastId)?.recorder === recorder) {
				this.#running.delete(broadcastId);
				this.#background('a recording could not be ended', () => this.#finish(videoId, { recorder, journal, file }));
			}
		};
		live.on('ended', finish, { once: true });
		live.on('closed', finish, { once: true });
		if (live.state === 'ended' || live.state === 'closed') {
			finish();
		}
	}

	async #finish(
		videoId: string,
		{ recorder, journal, file }: { recorder: Recorder; journal: Journal; file: JournalFile },
	): Promise<void> {
		await recorder.finish(FINISH_MS);
		await journal.flush();
		while (journal.waitingCount > 0 && !this.#scope.closed) {
			await sleep(this.#deps.clock, RETRY_MS);
			await journal.flush();
		}
		await journal.close();
		const hasEnded = journal.waitingCount === 0 && (await this.#retry(() => this.#end(videoId))) !== undefined;
		await (hasEnded ? file.remove() : file.close());
	}

	/** True when there is something to play. */
	async #end(videoId: string): Promise<boolean> {
		const { videos, logger } = this.#deps;
		const isReady = await videos.finish(videoId, this.#config.retentionDays);
		logger.info({ videoId }, isReady ? 'a video is ready' : 'nothing was recorded');
		return isReady;
	}

	/** Ends the recordings of a killed server: those with a journal in a file, and others whose broadcasts have ended. */
	async #recover(left: readonly string[]): Promise<void> {
		const { videos, folder } = this.#deps;
		for (const videoId of left) {
			const path = join(folder, `${videoId}.journal`);
			await this.#retry(async () => {
				const { entries, brokenCount } = await readJournalFile(path);
				await this.#recoverOne(videoId, entries, brokenCount);
				await rm(path, { force: true });
			});
		}
		const others = await this.#retry(() => videos.listUnfinished(SILENT_MS));
		for (const videoId of others ?? []) {
			if (!this.running.some((running) => running.videoId === videoId)) {
				await this.#retry(() => this.#recoverOne(videoId, [], 0));
			}
		}
	}

	async #recoverOne(videoId: string, entries: Parameters<VideoStore['append']>[2], brokenCount: number): Promise<void> {
		const { videos, logger } = this.#deps;
		const epoch = await videos.takeOver(videoId);
		if (epoch === undefined) {
			return;
		}
		await videos.append(videoId, epoch, entries);
		const lostCount = await this.#checkLast(videoId);
		logger.info(
			{ videoId, entryCount: entries.length, brokenCount, lostCount },
			'a recording was cut short; it ends here',
		);
		await this.#end(videoId);
	}

	/** Marks those of the newest segments as lost whose bytes are not what was written. */
	async #checkLast(videoId: string): Promise<number> {
		const { videos, store } = this.#deps;
		let lostCount = 0;
		for (const segment of await videos.lastSegments(videoId, CHECKED_SEGMENTS)) {
			const name = recordedObjectName(videoId, segment.trackId, `segment${segment.mediaSequence}.m4s`);
			const bytes = await readObject(store, name);
			if (bytes === undefined || createHash('sha256').update(bytes).digest('hex') !== segment.hash) {
				await videos.markLost(videoId, segment);
				lostCount++;
			}
		}
		return lostCount;
	}

	/** Until it succeeds, or the server stops: then undefined. */
	async #retry<T>(work: () => Promise<T>): Promise<T | undefined> {
		for (;;) {
			try {
				return await work();
			} catch (error) {
				this.#deps.logger.warn({ reason: errorMessage(error) }, 'a recording cannot be ended yet');
				if (this.#scope.closed) {
					return undefined;
				}
				await sleep(this.#deps.clock, RETRY_MS);
			}
		}
	}

	#background(failure: string, work: () => Promise<void>): void {
		const done = work().catch((error: unknown) => this.#deps.logger.error({ err: error }, failure));
		this.#finishing.add(done);
		void done.finally(() => this.#finishing.delete(done));
	}
}

/** Whether the channel's next broadcast is recorded. */
export function isRecordingWanted({ choice, isApproved }: Pick<RecordingSetting, 'choice' | 'isApproved'>): boolean {
	return choice ?? isApproved;
}

async function readObject(store: ObjectStore, name: string): Promise<Uint8Array | undefined> {
	try {
		return (await store.get(name)).bytes;
	} catch (error) {
		if (error instanceof SpillwayError && error.code === 'OBJECT_NOT_FOUND') {
			return undefined;
		}
		throw error;
	}
}
