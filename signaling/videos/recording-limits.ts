/** How much may be recorded: in all, for each owner, and up to the disk's reserve, which only the database may use. */
import { statfs } from 'node:fs/promises';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SingleFlight } from '../../core/lifecycle/single-flight.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { VideoStore } from './video-store.ts';

export type RecordingLimitsConfig = {
	/** Of all videos; 0: what the disk has besides the reserve. */
	maxBytes: number;
	/** Of the videos on all channels of one account. */
	maxBytesPerOwner: number;
	/** Free room of the disk that recordings leave, at least. */
	reservedBytes: number;
};

type RecordingLimitsDependencies = {
	videos: Pick<VideoStore, 'usage'>;
	/** On the disk that recordings are written to. */
	folder: string;
	/** Bytes that running recordings have stored; of all owners where undefined. */
	runningBytes: (ownerId: string | undefined) => number;
	clock: Clock;
	logger: Logger;
	/** Size and free room of the disk; for tests. */
	readDisk?: (folder: string) => Promise<Disk>;
};

type Disk = { totalBytes: number; freeBytes: number };
type Usage = { totalBytes: number; ownerBytes: number };

/** What was read is read again when it is asked for and so old. */
const DISK_LIFE_MS = 2000;
const USAGE_LIFE_MS = 60_000;
/** The reserve is this share of the disk where that is more. */
const RESERVED_SHARE = 0.05;
/** A notice from here on. */
const NOTICE_SHARE = 0.9;

/** Answers at once from what it read last, and reads again in the background when that is old. */
export class RecordingLimits {
	readonly #deps: RecordingLimitsDependencies;
	readonly #config: RecordingLimitsConfig;
	/** By owner; the key of channels without one is empty. */
	readonly #usage = new Map<string, Usage>();
	readonly #reading = new SingleFlight<void>();
	#disk: Disk | undefined;
	#diskReadAtMs = -Infinity;
	#usageReadAtMs = -Infinity;

	constructor(deps: RecordingLimitsDependencies, config: RecordingLimitsConfig) {
		this.#deps = deps;
		this.#config = config;
	}

	/** Reads the disk, and what the owner has; call it before the first question about them. */
	async prepare(ownerId: string | undefined): Promise<void> {
		this.#usage.set(ownerId ?? '', await this.#deps.videos.usage(ownerId));
		await this.#readDisk();
	}

	/** Why nothing may be recorded for them now, as part of a sentence; undefined: it may. */
	refusal(ownerId: string | undefined): string | undefined {
		void this.#reading.run(() => this.#refresh());
		const disk = this.#disk;
		const { ownerBytes, totalBytes } = this.#usageOf(ownerId);
		const { maxBytes, maxBytesPerOwner } = this.#config;
		if (disk !== undefined && disk.freeBytes < this.#reservedBytes(disk)) {
			return `the server's disk has only ${gigabytes(disk.freeBytes)} left, which are kept for its database`;
		}
		if (maxBytes > 0 && totalBytes >= maxBytes) {
			return `the recordings on this server have reached ${gigabytes(maxBytes)}`;
		}
		if (ownerId !== undefined && ownerBytes >= maxBytesPerOwner) {
			return `your recordings have reached ${gigabytes(maxBytesPerOwner)}; delete some of them`;
		}
		return undefined;
	}

	/** What an owner should know before that happens, in sentences. */
	notices(ownerId: string | undefined): string[] {
		if (this.refusal(ownerId) !== undefined) {
			return [];
		}
		const disk = this.#disk;
		const { ownerBytes, totalBytes } = this.#usageOf(ownerId);
		const { maxBytes, maxBytesPerOwner } = this.#config;
		const notices: string[] = [];
		if (disk !== undefined) {
			const room = disk.totalBytes - this.#reservedBytes(disk);
			if (disk.totalBytes - disk.freeBytes >= room * NOTICE_SHARE) {
				notices.push("The server's disk is 90 % full. When it is full, recording stops and the live stream continues.");
			}
		}
		if (maxBytes > 0 && totalBytes >= maxBytes * NOTICE_SHARE) {
			notices.push(`The recordings on this server have reached 90 % of ${gigabytes(maxBytes)}.`);
		}
		if (ownerId !== undefined && ownerBytes >= maxBytesPerOwner * NOTICE_SHARE) {
			notices.push(`Your recordings have reached 90 % of ${gigabytes(maxBytesPerOwner)}. Delete some to make room.`);
		}
		return notices;
	}

	/** Bytes that the owner's videos have. */
	ownerBytes(ownerId: string | undefined): number {
		return this.#usageOf(ownerId).ownerBytes;
	}

	#usageOf(ownerId: string | undefined): Usage {
		const { totalBytes = 0, ownerBytes = 0 } = this.#usage.get(ownerId ?? '') ?? {};
		const { runningBytes } = this.#deps;
		return {
			totalBytes: totalBytes + runningBytes(undefined),
			ownerBytes: ownerId === undefined ? 0 : ownerBytes + runningBytes(ownerId),
		};
	}

	#reservedBytes({ totalBytes }: Disk): number {
		return Math.max(this.#config.reservedBytes, totalBytes * RESERVED_SHARE);
	}

	async #refresh(): Promise<void> {
		const nowMs = this.#deps.clock.monotonicMs();
		if (nowMs - this.#diskReadAtMs >= DISK_LIFE_MS) {
			await this.#readDisk();
		}
		if (nowMs - this.#usageReadAtMs >= USAGE_LIFE_MS) {
			await this.#readUsage();
		}
	}

	async #readDisk(): Promise<void> {
		this.#diskReadAtMs = this.#deps.clock.monotonicMs();
		const { folder, readDisk = readSystemDisk, logger } = this.#deps;
		try {
			this.#disk = await readDisk(folder);
		} catch (error) {
			logger.warn({ reason: errorMessage(error) }, 'the disk of the recordings cannot be read');
		}
	}

	async #readUsage(): Promise<void> {
		this.#usageReadAtMs = this.#deps.clock.monotonicMs();
		const { videos, logger } = this.#deps;
		for (const key of this.#usage.keys()) {
			try {
				this.#usage.set(key, await videos.usage(key === '' ? undefined : key));
			} catch (error) {
				logger.warn({ reason: errorMessage(error) }, 'the size of the recordings cannot be read');
				return;
			}
		}
	}
}

async function readSystemDisk(folder: string): Promise<Disk> {
	const { bavail, blocks, bsize } = await statfs(folder);
	return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

function gigabytes(bytes: number): string {
	const [unit, name] = bytes < 1e9 ? [1e6, 'MB'] : [1e9, 'GB'];
	return `${(bytes / unit).toFixed(bytes < 10 * unit ? 1 : 0)} ${name}`;
}
