/** Objects as files of one folder. */
import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ByteRange, ObjectStore, StoredObject } from '../../../packager/store/object-store.ts';
import { assertByteRange, assertObjectName, assertPrefix, RunningWork, storeUnavailable } from './object-work.ts';

type DiskStoreDependencies = { clock: Clock; logger: Logger };

type DiskStoreOptions = {
	/** Belongs to this store alone; created when missing. */
	folder: string;
};

/** An object with the facts of its file. */
type DiskObject = { name: string; totalBytes: number; storedAtMs: number };

/** No step of an object's name begins with a point, so no object can be in here. */
const DRAFTS_FOLDER = '.drafts';

/** A disk that spins up, or a network folder whose server restarts, answers within it. */
const OPERATION_TIMEOUT_MS = 20_000;

/** What runs at the end takes milliseconds; only a stuck disk is left behind. */
const CLOSE_TIMEOUT_MS = 2000;

const MISSING_CODES: readonly unknown[] = ['ENOENT', 'ENOTDIR', 'EISDIR'];
const FULL_CODES: readonly unknown[] = ['ENOSPC', 'EDQUOT'];

/** Creates the folder and removes the drafts of a killed predecessor. Throws OBJECT_STORE_UNAVAILABLE. */
export async function openDiskStore(deps: DiskStoreDependencies, options: DiskStoreOptions): Promise<DiskStore> {
	const folder = resolve(options.folder);
	const drafts = join(folder, DRAFTS_FOLDER);
	try {
		await mkdir(folder, { recursive: true, mode: 0o700 });
		await chmod(folder, 0o700);
		await rm(drafts, { recursive: true, force: true });
		await mkdir(drafts, { mode: 0o700 });
	} catch (error) {
		throw storeUnavailable(`the folder ${folder} cannot be used (${errorCode(error)})`, error);
	}
	return new DiskStore(deps, { folder });
}

/**
 * A put writes a draft and renames it, so that readers see the whole object or none, and a killed process leaves only
 * drafts. Files are flushed, which takes 2 ms for a segment; folders are not. So after a power cut the objects of the
 * last seconds may be missing, but none is damaged.
 */
export class DiskStore implements ObjectStore {
	readonly #folder: string;
	readonly #work: RunningWork;
	readonly #scope: CloseScope<'closed'>;
	/** The end of the last change of folders. */
	#folderTurn: Promise<unknown> = Promise.resolve();

	/** Use {@link openDiskStore}. */
	constructor({ clock, logger }: DiskStoreDependencies, { folder }: DiskStoreOptions) {
		this.#folder = folder;
		this.#work = new RunningWork(clock);
		this.#scope = new CloseScope(logger);
		this.#scope.onClose(() => this.#work.settle(CLOSE_TIMEOUT_MS));
	}

	async put(name: string, bytes: Uint8Array): Promise<void> {
		assertObjectName(name);
		await this.#run(async () => {
			const draft = join(this.#folder, DRAFTS_FOLDER, randomUUID());
			try {
				await writeFlushed(draft, bytes);
				await this.#moveIntoPlace(draft, join(this.#folder, name));
			} catch (error) {
				await rm(draft, { force: true }).catch(() => undefined);
				throw error;
			}
		});
	}

	async get(name: string, range?: ByteRange): Promise<StoredObject> {
		assertObjectName(name);
		assertByteRange(range);
		return this.#run(async () => {
			try {
				return await readRange(join(this.#folder, name), range);
			} catch (error) {
				if (MISSING_CODES.includes(codeOf(error))) {
					throw new SpillwayError('OBJECT_NOT_FOUND', [name], { cause: error });
				}
				throw error;
			}
		});
	}

	async *list(prefix: string): AsyncGenerator<string> {
		assertPrefix(prefix);
		yield* this.#listFolder(prefix);
	}

	/** Everything in the store with sizes and times, for a store that is a queue. */
	async *inventory(): AsyncGenerator<DiskObject> {
		for await (const name of this.#listFolder('')) {
			const found = await this.#run(() => stat(join(this.#folder, name)).catch(ignoreMissing));
			if (found !== undefined) {
				yield { name, totalBytes: found.size, storedAtMs: found.mtimeMs };
			}
		}
	}

	async delete(names: readonly string[]): Promise<void> {
		names.forEach(assertObjectName);
		const folders = new Set<string>();
		for (const name of names) {
			await this.#run(() => unlink(join(this.#folder, name)).catch(ignoreMissing));
			folders.add(dirname(name));
		}
		for (const folder of folders) {
			await this.#run(() => this.#inTurn(() => this.#removeEmptyFolders(folder)));
		}
	}

	presign(name: string): Promise<undefined> {
		return this.#run(() => {
			assertObjectName(name);
			return Promise.resolve(undefined);
		});
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	async #moveIntoPlace(draft: string, file: string): Promise<void> {
		try {
			await rename(draft, file);
		} catch (error) {
			if (codeOf(error) !== 'ENOENT') {
				throw error;
			}
			await this.#inTurn(async () => {
				await mkdir(dirname(file), { recursive: true, mode: 0o700 });
				await rename(draft, file);
			});
		}
	}

	/** Between making a folder and using it, no delete may find it empty and remove it. */
	#inTurn<T>(work: () => Promise<T>): Promise<T> {
		const result = this.#folderTurn.then(work);
		this.#folderTurn = result.catch(() => undefined);
		return result;
	}

	async *#listFolder(prefix: string): AsyncGenerator<string> {
		const entries = await this.#run(() => readFolder(join(this.#folder, prefix)));
		for (const entry of entries) {
			if (entry.isDirectory()) {
				yield* this.#listFolder(`${prefix}${entry.name}/`);
			} else if (entry.isFile()) {
				yield `${prefix}${entry.name}`;
			}
		}
	}

	async #removeEmptyFolders(folder: string): Promise<void> {
		for (let name = folder; name !== '.'; name = dirname(name)) {
			try {
				await rmdir(join(this.#folder, name)).catch(ignoreMissing);
			} catch {
				// It holds other objects, and so does every folder above it.
				return;
			}
		}
	}

	async #run<T>(work: () => Promise<T>): Promise<T> {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		try {
			return await this.#work.run(work, OPERATION_TIMEOUT_MS, () => `the disk of ${this.#folder} does not answer`);
		} catch (error) {
			throw this.#toStoreError(error);
		}
	}

	#toStoreError(error: unknown): unknown {
		if (FULL_CODES.includes(codeOf(error))) {
			return new SpillwayError('OBJECT_STORE_FULL', [`the disk of ${this.#folder} is full`], { cause: error });
		}
		if (error instanceof SpillwayError || codeOf(error) === undefined) {
			return error;
		}
		return storeUnavailable(`the folder ${this.#folder} cannot be used (${errorCode(error)})`, error);
	}
}

async function writeFlushed(file: string, bytes: Uint8Array): Promise<void> {
	const handle = await open(file, 'wx', 0o600);
	try {
		await handle.writeFile(bytes);
		await handle.datasync();
	} finally {
		await handle.close();
	}
}

async function readRange(file: string, range: ByteRange | undefined): Promise<StoredObject> {
	const handle = await open(file, 'r');
	try {
		const facts = await handle.stat();
		if (!facts.isFile()) {
			throw Object.assign(new Error(`${file} is a folder.`), { code: 'EISDIR' });
		}
		const totalBytes = facts.size;
		const startByte = Math.min(range?.startByte ?? 0, totalBytes);
		const endByte = Math.min(range?.endByte ?? totalBytes, totalBytes);
		const bytes = new Uint8Array(endByte - startByte);
		for (let filled = 0; filled < bytes.length;) {
			const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, startByte + filled);
			if (bytesRead === 0) {
				throw storeUnavailable(`${file} became shorter while it was read`);
			}
			filled += bytesRead;
		}
		return { bytes, totalBytes };
	} finally {
		await handle.close();
	}
}

/** Without the drafts, in the order of names; empty when it is missing or no folder. */
async function readFolder(folder: string): Promise<Dirent[]> {
	const entries = (await readdir(folder, { withFileTypes: true }).catch(ignoreMissing)) ?? [];
	return entries.filter(({ name }) => !name.startsWith('.')).sort((one, other) => (one.name < other.name ? -1 : 1));
}

function ignoreMissing(error: unknown): undefined {
	if (!MISSING_CODES.includes(codeOf(error))) {
		throw error;
	}
}

function codeOf(error: unknown): unknown {
	return error instanceof Error && 'code' in error ? error.code : undefined;
}

function errorCode(error: unknown): string {
	return String(codeOf(error) ?? error);
}
