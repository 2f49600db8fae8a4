/** A remote store behind a local one: a put ends when the object is on the disk, and uploads follow. */
import { chance, retryDelayMs, type RetryPolicy } from '../../../core/lifecycle/back-off.ts';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import { TypedEmitter } from '../../../core/lifecycle/typed-emitter.ts';
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ByteRange, ObjectStore, StoredObject } from '../../../packager/store/object-store.ts';
import type { DiskStore } from './disk-store.ts';
import { assertObjectName, assertPrefix } from './object-work.ts';
import { S3Failure } from './s3-failure.ts';

type WriteBehindDependencies = { clock: Clock; logger: Logger };

export type WriteBehindOptions = {
	/** Belongs to this store alone, and is closed with it. */
	spool: DiskStore;
	/** Is closed with it. */
	remote: ObjectStore;
	/** Of the objects that wait in the spool. */
	maxSpoolBytes: number;
	/** Of all uploads together; 0: no bound. */
	maxUploadBitrateBps?: number;
	/** Tried once at the start, so that wrong settings show before a broadcast. */
	checkRemote?: () => Promise<void>;
};

/** For notices and figures. */
export type UploadState = {
	waitingCount: number;
	waitingBytes: number;
	/** How long the oldest of them has been waiting; 0 when none is. */
	oldestWaitingMs: number;
	/** A sentence, until an upload succeeds. */
	lastError: string | undefined;
	/** A put was refused, and since then nothing was put or uploaded with a tenth of the room free. */
	isFull: boolean;
};

export type WriteBehindEvents = {
	/** Anything of `uploadState` has changed, except that time has passed. */
	stateChanged: [];
};

type WaitingObject = {
	name: string;
	totalBytes: number;
	/** Wall clock, because a restart may lie between. */
	storedAtMs: number;
	failureCount: number;
	/** Monotonic; not tried before. */
	notBeforeMs: number;
	/** Pending while it is being uploaded. */
	upload: Promise<void> | undefined;
	/** An earlier upload may have arrived without our knowledge. */
	mayBeRemote: boolean;
};

/**
 * 1.5 MB takes 0.3 s on a far service (150 ms away): four at a time are 13 objects a second, five times real time of
 * four broadcasts. More take memory, and the line of the viewers.
 */
const PARALLEL_UPLOADS = 4;

/** A service that returns is used within 10 s. Longer waits save nothing, because one upload at a time tries. */
const UPLOAD_RETRY: RetryPolicy = { maxAttempts: Infinity, firstDelayMs: 1000, maxDelayMs: 10_000, jitterRatio: 0.3 };

/** One object that the service refuses must not keep the others waiting each time, so it waits longer than they do. */
const REFUSED_OBJECT_DELAY_FACTOR = 2;

/** Room that has to be free again before "full" ends, so that it does not flicker with each upload. */
const FREE_AGAIN_RATIO = 0.1;

/** Reads what a predecessor left in the spool, and begins to upload it. */
export async function openWriteBehindStore(
	deps: WriteBehindDependencies,
	options: WriteBehindOptions,
): Promise<WriteBehindStore> {
	const found: WaitingObject[] = [];
	for await (const { name, totalBytes, storedAtMs } of options.spool.inventory()) {
		found.push({ ...newWaiting(name, totalBytes, storedAtMs), mayBeRemote: true });
	}
	found.sort((one, other) => one.storedAtMs - other.storedAtMs);
	return new WriteBehindStore(deps, options, found);
}

export class WriteBehindStore extends TypedEmitter<WriteBehindEvents> implements ObjectStore {
	readonly #deps: WriteBehindDependencies;
	readonly #options: WriteBehindOptions;
	readonly #scope: CloseScope<'closed'>;
	/** Oldest first. */
	readonly #waiting = new Map<string, WaitingObject>();
	readonly #timer: Timer;
	#waitingBytes = 0;
	/** Of puts that have not reached the spool yet. */
	#reservedBytes = 0;
	#uploadCount = 0;
	/** Waiting objects whose upload has failed. */
	#failedCount = 0;
	/** Failures since the last upload that succeeded. */
	#failuresInRow = 0;
	/** Monotonic, as the next. */
	#pausedUntilMs = 0;
	/** The uploads so far have used the bitrate up to then. */
	#paidUntilMs = 0;
	#lastError: string | undefined;
	#isFull = false;

	/** Use {@link openWriteBehindStore}. */
	constructor(deps: WriteBehindDependencies, options: WriteBehindOptions, found: readonly WaitingObject[]) {
		super(deps.logger);
		this.#deps = deps;
		this.#options = options;
		this.#scope = new CloseScope(deps.logger);
		this.#timer = new Timer(deps.clock, () => this.#startUploads());
		this.#scope.onClose(() => options.spool.close());
		this.#scope.onClose(async () => {
			// Ends the uploads that run.
			await options.remote.close();
			await Promise.all([...this.#waiting.values()].map(({ upload }) => upload));
		});
		this.#scope.onClose(this.#timer.disarm);
		for (const object of found) {
			this.#add(object);
		}
		if (found.length > 0) {
			deps.logger.info({ count: found.length, bytes: this.#waitingBytes }, 'objects of an earlier run are uploaded');
		}
		this.#startUploads();
		void options.checkRemote?.().catch((error: unknown) => {
			if (!this.#scope.closed) {
				deps.logger.warn({ err: error }, 'the store of recordings cannot be used');
				this.#setLastError(error);
			}
		});
	}

	get uploadState(): UploadState {
		const oldest = this.#waiting.values().next().value;
		return {
			waitingCount: this.#waiting.size,
			waitingBytes: this.#waitingBytes,
			oldestWaitingMs: oldest === undefined ? 0 : Math.max(0, this.#deps.clock.nowMs() - oldest.storedAtMs),
			lastError: this.#lastError,
			isFull: this.#isFull,
		};
	}

	async put(name: string, bytes: Uint8Array): Promise<void> {
		this.#assertOpen();
		const { spool, maxSpoolBytes } = this.#options;
		const size = bytes.length;
		if (this.#waitingBytes + this.#reservedBytes + size > maxSpoolBytes) {
			this.#setFull(true);
			throw new SpillwayError('OBJECT_STORE_FULL', [
				`${this.#waiting.size} objects wait for their upload and fill recording.maxSpoolBytes (${maxSpoolBytes})`,
			]);
		}
		this.#reservedBytes += size;
		try {
			await spool.put(name, bytes);
		} catch (error) {
			if (error instanceof SpillwayError && error.code === 'OBJECT_STORE_FULL') {
				this.#setFull(true);
			}
			throw error;
		} finally {
			this.#reservedBytes -= size;
		}
		// The same bytes again keep their place.
		if (!this.#waiting.has(name)) {
			this.#add(newWaiting(name, size, this.#deps.clock.nowMs()));
			this.#updateFull();
			this.emit('stateChanged');
			this.#startUploads();
		}
	}

	async get(name: string, range?: ByteRange): Promise<StoredObject> {
		this.#assertOpen();
		if (this.#waiting.has(name)) {
			try {
				return await this.#options.spool.get(name, range);
			} catch (error) {
				if (!isMissing(error)) {
					throw error;
				}
				// Its upload has ended meanwhile.
			}
		}
		return this.#options.remote.get(name, range);
	}

	async *list(prefix: string): AsyncGenerator<string> {
		assertPrefix(prefix);
		this.#assertOpen();
		const local = new Set([...this.#waiting.keys()].filter((name) => name.startsWith(prefix)));
		yield* local;
		for await (const name of this.#options.remote.list(prefix)) {
			if (!local.has(name)) {
				yield name;
			}
		}
	}

	/** What waits is forgotten at once, also while the remote store is away; then this throws, and is to be repeated. */
	async delete(names: readonly string[]): Promise<void> {
		this.#assertOpen();
		names.forEach(assertObjectName);
		const waiting = names.flatMap((name) => this.#waiting.get(name) ?? []);
		waiting.forEach((object) => this.#remove(object));
		this.#afterRemoval();
		await this.#options.spool.delete(names);
		// An upload that runs could arrive after the removal.
		await Promise.all(waiting.map(({ upload }) => upload));
		const onlyLocal = new Set(waiting.filter(({ mayBeRemote }) => !mayBeRemote).map(({ name }) => name));
		const remoteNames = names.filter((name) => !onlyLocal.has(name));
		if (remoteNames.length > 0) {
			await this.#options.remote.delete(remoteNames);
		}
	}

	async presign(name: string, seconds: number): Promise<string | undefined> {
		this.#assertOpen();
		return this.#waiting.has(name) ? undefined : this.#options.remote.presign(name, seconds);
	}

	/** Of those that are uploaded. */
	async changeStorageClass(names: readonly string[], storageClass: string): Promise<void> {
		this.#assertOpen();
		const uploaded = names.filter((name) => !this.#waiting.has(name));
		await this.#options.remote.changeStorageClass?.(uploaded, storageClass);
	}

	/** What waits stays in the spool for the next open. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	#assertOpen(): void {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
	}

	#add(object: WaitingObject): void {
		this.#waiting.set(object.name, object);
		this.#waitingBytes += object.totalBytes;
	}

	#remove(object: WaitingObject): void {
		// Deleted and put again, it is another one.
		if (this.#waiting.get(object.name) === object) {
			this.#waiting.delete(object.name);
			this.#waitingBytes -= object.totalBytes;
			this.#failedCount -= object.failureCount > 0 ? 1 : 0;
		}
	}

	#afterRemoval(): void {
		this.#updateFull();
		this.emit('stateChanged');
	}

	#updateFull(): void {
		if (this.#waitingBytes + this.#reservedBytes <= this.#options.maxSpoolBytes * (1 - FREE_AGAIN_RATIO)) {
			this.#isFull = false;
		}
	}

	#setFull(isFull: boolean): void {
		if (this.#isFull !== isFull) {
			this.#isFull = isFull;
			this.emit('stateChanged');
		}
	}

	#startUploads(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		const waitMs = this.#pausedUntilMs - nowMs;
		if (waitMs > 0) {
			this.#timer.arm(waitMs);
			return;
		}
		// After a failure one upload tries whether the store is back.
		const maxUploads = this.#failuresInRow === 0 ? PARALLEL_UPLOADS : 1;
		let nextTryMs = Infinity;
		for (const object of this.#waiting.values()) {
			if (this.#uploadCount >= maxUploads || this.#scope.closed) {
				return;
			}
			if (object.upload === undefined && object.notBeforeMs <= nowMs) {
				if (this.#paidUntilMs > nowMs) {
					nextTryMs = Math.min(nextTryMs, this.#paidUntilMs);
					break;
				}
				this.#pay(object, nowMs);
				this.#uploadCount++;
				object.upload = this.#upload(object);
			} else if (object.upload === undefined) {
				nextTryMs = Math.min(nextTryMs, object.notBeforeMs);
			}
		}
		if (nextTryMs < Infinity) {
			this.#timer.arm(nextTryMs - nowMs);
		}
	}

	#pay({ totalBytes }: WaitingObject, nowMs: number): void {
		const { maxUploadBitrateBps = 0 } = this.#options;
		if (maxUploadBitrateBps > 0) {
			this.#paidUntilMs = Math.max(nowMs, this.#paidUntilMs) + (totalBytes * 8000) / maxUploadBitrateBps;
		}
	}

	/** Never rejects. */
	async #upload(object: WaitingObject): Promise<void> {
		try {
			const { bytes } = await this.#options.spool.get(object.name);
			object.mayBeRemote = true;
			await this.#options.remote.put(object.name, bytes);
			await this.#forget(object);
		} catch (error) {
			if (isMissing(error)) {
				this.#forgetMissing(object);
			} else if (!this.#scope.closed) {
				this.#delayUploads(object, error);
			}
		}
		object.upload = undefined;
		this.#uploadCount--;
		if (!this.#scope.closed) {
			this.#startUploads();
		}
	}

	async #forget(object: WaitingObject): Promise<void> {
		this.#remove(object);
		if (this.#failuresInRow > 0) {
			this.#deps.logger.info({ waitingCount: this.#waiting.size }, 'uploads succeed again');
		}
		this.#failuresInRow = 0;
		if (this.#failedCount === 0) {
			this.#lastError = undefined;
		}
		this.#afterRemoval();
		await this.#options.spool.delete([object.name]).catch((error: unknown) => {
			// The next open finds it and uploads it again.
			this.#deps.logger.warn({ err: error, object: object.name }, 'an uploaded object stays in the spool');
		});
	}

	/** Deleted while it waited for its turn; else somebody has emptied the folder. */
	#forgetMissing(object: WaitingObject): void {
		if (this.#waiting.get(object.name) === object) {
			this.#deps.logger.error({ object: object.name }, 'an object was lost: it is missing in the spool');
			this.#remove(object);
			this.#afterRemoval();
		}
	}

	#delayUploads(object: WaitingObject, error: unknown): void {
		const nowMs = this.#deps.clock.monotonicMs();
		if (object.failureCount === 0 && this.#waiting.get(object.name) === object) {
			this.#failedCount++;
		}
		object.failureCount++;
		object.notBeforeMs = nowMs + REFUSED_OBJECT_DELAY_FACTOR * delayMs(object.failureCount);
		// Uploads that fail together are one failure.
		if (nowMs >= this.#pausedUntilMs) {
			this.#failuresInRow++;
			this.#pausedUntilMs = nowMs + delayMs(this.#failuresInRow);
			if (this.#failuresInRow === 1) {
				this.#deps.logger.warn({ err: error, object: object.name }, 'uploads fail; they wait in the spool');
			}
		}
		this.#setLastError(error);
	}

	#setLastError(error: unknown): void {
		const sentence = describe(error);
		if (this.#lastError !== sentence) {
			this.#lastError = sentence;
			this.emit('stateChanged');
		}
	}
}

function newWaiting(name: string, totalBytes: number, storedAtMs: number): WaitingObject {
	return { name, totalBytes, storedAtMs, failureCount: 0, notBeforeMs: 0, upload: undefined, mayBeRemote: false };
}

function delayMs(failureCount: number): number {
	return retryDelayMs(UPLOAD_RETRY, failureCount, chance())!;
}

function isMissing(error: unknown): boolean {
	return error instanceof SpillwayError && error.code === 'OBJECT_NOT_FOUND';
}

/** A failure of the service without the advice for viewers. */
function describe(error: unknown): string {
	if (error instanceof SpillwayError && error.cause instanceof S3Failure) {
		const { message } = error.cause;
		return `${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`;
	}
	return errorMessage(error);
}
