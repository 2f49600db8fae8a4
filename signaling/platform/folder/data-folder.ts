/** The data folder of a running server: layout, lock, secret, and the clean-up after a killed predecessor. */
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { lockFolder, tryLink, type FolderLock } from './folder-lock.ts';

const SECRET_BYTES = 32;
const ENDPOINTS_FILE = 'endpoints.json';
/** Marks files that are not complete yet. */
const DRAFT_MARK = '.draft-';

type DataFolderOptions = { path: string; clock: Clock; logger: Logger };

/**
 * Creates the folder when missing, takes its lock, and deletes the leftovers of a killed predecessor.
 * Throws DATA_FOLDER_LOCKED when another server owns it, CONFIG_INVALID when it cannot be created or written.
 */
export async function openDataFolder(options: DataFolderOptions): Promise<DataFolder> {
	const path = resolve(options.path);
	let lock: FolderLock | undefined;
	try {
		// Other accounts of a shared machine must not read secrets and recordings.
		await mkdir(path, { recursive: true, mode: 0o700 });
		await restrictMode(path, options.logger);
		lock = await lockFolder(join(path, 'process.lock'), options);
		await clearLeftovers(path);
		for (const name of ['media', 'temporary', 'secrets']) {
			await mkdir(join(path, name), { recursive: true, mode: 0o700 });
			await chmod(join(path, name), 0o700);
		}
		await restrictTree(join(path, 'database'));
		const serverSecret = await readOrCreateSecret(join(path, 'secrets', 'server-secret'), options.logger);
		return new DataFolder(path, serverSecret, lock, options.logger);
	} catch (error) {
		await lock?.release();
		if (error instanceof SpillwayError) {
			throw error;
		}
		throw new SpillwayError('CONFIG_INVALID', [`the data folder ${path} cannot be used: ${errorMessage(error)}.`], {
			cause: error,
		});
	}
}

export class DataFolder {
	/** Absolute path. */
	readonly path: string;
	/** Of the embedded database, which creates the folder itself. */
	readonly databaseFolder: string;
	/** For segments and recordings. */
	readonly mediaFolder: string;
	/** For files that are not needed after this run: sockets, pipes, drafts. Emptied at each start. */
	readonly temporaryFolder: string;
	/** 32 random bytes that never leave this machine: the key for hashes of stream keys. */
	readonly serverSecret: Uint8Array;
	readonly #scope: CloseScope<'closed'>;

	/** Use {@link openDataFolder}. */
	constructor(path: string, serverSecret: Uint8Array, lock: FolderLock, logger: Logger) {
		this.path = path;
		this.databaseFolder = join(path, 'database');
		this.mediaFolder = join(path, 'media');
		this.temporaryFolder = join(path, 'temporary');
		this.serverSecret = serverSecret;
		this.#scope = new CloseScope(logger);
		this.#scope.onClose(() => lock.release());
		this.#scope.onClose(() => rm(join(path, ENDPOINTS_FILE), { force: true }));
	}

	/** Writes `endpoints.json` atomically. A clean stop and the next start remove it. */
	async writeEndpoints(endpoints: Readonly<Record<string, string | number>>): Promise<void> {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		const target = join(this.path, ENDPOINTS_FILE);
		const draft = `${target}${DRAFT_MARK}${randomUUID()}`;
		await writeFile(draft, `${JSON.stringify(endpoints, undefined, '\t')}\n`, { mode: 0o600 });
		await rename(draft, target);
	}

	/** Removes `endpoints.json` and releases the lock. Idempotent. Close all users of the folder first. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}
}

// An existing folder, such as a volume or one from a package, may have any mode.
async function restrictMode(path: string, logger: Logger): Promise<void> {
	if (((await stat(path)).mode & 0o077) === 0) {
		return;
	}
	try {
		await chmod(path, 0o700);
		logger.info({ path }, 'the data folder was open to others; its mode is set to 0700');
	} catch (error) {
		// It belongs to another account. The server's own folders in it are restricted one by one.
		logger.warn(
			{ path, reason: errorMessage(error) },
			'the data folder is open to others, and its mode cannot be changed',
		);
	}
}

// The embedded database chooses the modes of its files and ignores the umask.
async function restrictTree(folder: string): Promise<void> {
	if (!existsSync(folder)) {
		return;
	}
	await chmod(folder, 0o700);
	for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
		if (entry.isFile() || entry.isDirectory()) {
			await chmod(join(entry.parentPath, entry.name), entry.isFile() ? 0o600 : 0o700);
		}
	}
}

// Only the server's own names: an operator may keep other files here.
async function clearLeftovers(path: string): Promise<void> {
	for (const name of await readdir(path)) {
		if (name === 'temporary' || name === ENDPOINTS_FILE || name.includes(DRAFT_MARK)) {
			await rm(join(path, name), { recursive: true, force: true });
		}
	}
}

async function readOrCreateSecret(path: string, logger: Logger): Promise<Uint8Array> {
	await createSecret(path);
	if (((await stat(path)).mode & 0o077) !== 0) {
		logger.warn({ path }, 'the server secret could be read by others; its mode is set to 0600');
		await chmod(path, 0o600);
	}
	const text = (await readFile(path, 'utf8')).trim();
	if (!/^[0-9a-f]{64}$/.test(text)) {
		throw new SpillwayError('CONFIG_INVALID', [
			`${path} does not hold a server secret. Put the right one back; without it every stream key is void.`,
		]);
	}
	return new Uint8Array(Buffer.from(text, 'hex'));
}

// Neither replaces an existing secret nor leaves half a file when the process is killed.
async function createSecret(path: string): Promise<void> {
	const draft = `${path}${DRAFT_MARK}${randomUUID()}`;
	try {
		await writeFile(draft, `${randomBytes(SECRET_BYTES).toString('hex')}\n`, { mode: 0o600 });
		await tryLink(draft, path);
	} finally {
		await rm(draft, { force: true });
	}
}
