/**
 * The folder that a running server owns: its layout, its lock, its secret, and what a killed predecessor left in it.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';

const SECRET_BYTES = 32;
const ENDPOINTS_FILE = 'endpoints.json';
/** Marks files that are written under another name until they are whole. */
const DRAFT_MARK = '.draft-';

type DataFolderOptions = { path: string; clock: Clock; logger: Logger };

/**
 * Makes the folder when missing, takes its lock, and clears what a killed predecessor left.
 * Throws DATA_FOLDER_LOCKED when another server has it, CONFIG_INVALID when it cannot be made or written.
 */
export async function openDataFolder(options: DataFolderOptions): Promise<DataFolder> {
	const path = resolve(options.path);
	let lock: FolderLock | undefined;
	try {
		// Secrets and recordings are nobody else's business on a shared machine.
		await mkdir(path, { recursive: true, mode: 0o700 });
		await closeToOthers(path, options.logger);
		lock = await lockFolder(join(path, 'process.lock'), options);
		await clearLeftovers(path);
		for (const name of ['media', 'temporary', 'secrets']) {
			await mkdir(join(path, name), { recursive: true, mode: 0o700 });
			await chmod(join(path, name), 0o700);
		}
		await closeTree(join(path, 'database'));
		const serverSecret = await readOrMakeSecret(join(path, 'secrets', 'server-secret'), options.logger);
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

/** An owned data folder. */
export class DataFolder {
	/** Absolute path. */
	readonly path: string;
	/** Where the embedded database lives; it makes the folder itself. */
	readonly databaseFolder: string;
	/** Where segments and recordings go. */
	readonly mediaFolder: string;
	/** For files that nobody needs after this run: sockets, pipes, drafts. Emptied at each start. */
	readonly temporaryFolder: string;
	/** 32 random bytes that never leave this machine: the key under which stream keys are hashed. */
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

	/** Writes `endpoints.json`, whole or not at all. It is removed by a clean stop, and by the next start. */
	async writeEndpoints(endpoints: Readonly<Record<string, string | number>>): Promise<void> {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		const target = join(this.path, ENDPOINTS_FILE);
		const draft = `${target}${DRAFT_MARK}${randomUUID()}`;
		await writeFile(draft, `${JSON.stringify(endpoints, undefined, '\t')}\n`, { mode: 0o600 });
		await rename(draft, target);
	}

	/** Removes `endpoints.json` and gives the lock up. Idempotent. Close what uses the folder first. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}
}

// A folder that was there before, such as a volume or one that a package made, has the mode that somebody else gave it.
async function closeToOthers(path: string, logger: Logger): Promise<void> {
	if (((await stat(path)).mode & 0o077) === 0) {
		return;
	}
	try {
		await chmod(path, 0o700);
		logger.info({ path }, 'the data folder was open to others; its mode is set to 0700');
	} catch (error) {
		// It belongs to somebody else. What is ours in it is closed one by one.
		logger.warn(
			{ path, reason: errorMessage(error) },
			'the data folder is open to others, and its mode cannot be changed',
		);
	}
}

// The embedded database gives its files modes of its own, whatever the process asks for.
async function closeTree(folder: string): Promise<void> {
	const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
			return undefined;
		}
		throw error;
	});
	if (entries === undefined) {
		return;
	}
	await chmod(folder, 0o700);
	for (const entry of entries) {
		if (entry.isFile() || entry.isDirectory()) {
			await chmod(join(entry.parentPath, entry.name), entry.isFile() ? 0o600 : 0o700);
		}
	}
}

// Only names that we make ourselves: an operator may keep other things here.
async function clearLeftovers(path: string): Promise<void> {
	for (const name of await readdir(path)) {
		if (name === 'temporary' || name === ENDPOINTS_FILE || name.includes(DRAFT_MARK)) {
			await rm(join(path, name), { recursive: true, force: true });
		}
	}
}

async function readOrMakeSecret(path: string, logger: Logger): Promise<Uint8Array> {
	try {
		await makeSecret(path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
			throw error;
		}
	}
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

// link() neither replaces a secret that is there nor leaves half a file when we are killed.
async function makeSecret(path: string): Promise<void> {
	const draft = `${path}${DRAFT_MARK}${randomUUID()}`;
	try {
		await writeFile(draft, `${randomBytes(SECRET_BYTES).toString('hex')}\n`, { mode: 0o600 });
		await link(draft, path);
	} finally {
		await rm(draft, { force: true });
	}
}
