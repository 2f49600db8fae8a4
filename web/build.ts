/**
 * Builds the pages into web/dist when their sources have changed. Called by `npm start`; also runs by itself: `node
 * web/build.ts`.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const [brotli, zip] = [promisify(brotliCompress), promisify(gzip)];
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = path.join(ROOT, 'web/dist');
/**
 * On the same file system as `web/dist`, so that a rename is one step, and ignored by git as all of node_modules is.
 */
const WORKSHOP = path.join(ROOT, 'node_modules/.cache/spillway-web');
const STAMP_NAME = 'build-stamp.txt';
/** What the built pages depend on. */
const SOURCES = [
	'core',
	'web/src',
	'web/public',
	'web/index.html',
	'web/vite.config.ts',
	'web/build.ts',
	'web/run-vite.ts',
	'package-lock.json',
];
/** A build takes seconds; a lock that old belongs to a process that hangs. */
const LOCK_TIMEOUT_MS = 180_000;
const LOCK_POLL_MS = 150;
/** The end of what Vite says when it fails. */
const MAX_COMPLAINTS_LENGTH = 8000;

/** Result of {@link buildWebIfStale}. `folder` is absolute and holds `index.html`. */
type WebBuild = { built: boolean; folder: string };

/**
 * Makes sure that `web/dist` matches the sources. Safe when several processes start at once: one builds, the others
 * wait for it. The new pages replace the old ones whole, so a failed or killed build leaves the old ones. Throws what
 * Vite throws.
 */
export async function buildWebIfStale(): Promise<WebBuild> {
	const wanted = await sourceHash();
	if (await isCurrent(wanted)) {
		return { built: false, folder: DIST };
	}
	await mkdir(WORKSHOP, { recursive: true });
	const unlock = await lock(path.join(WORKSHOP, 'build.lock'));
	try {
		if (await isCurrent(wanted)) {
			return { built: false, folder: DIST };
		}
		await removeLeftovers();
		const fresh = path.join(WORKSHOP, `new-${process.pid}`);
		await runVite(fresh);
		await compressFiles(fresh);
		await writeFile(path.join(fresh, STAMP_NAME), wanted);
		await replaceDist(fresh);
		return { built: true, folder: DIST };
	} finally {
		await unlock();
	}
}

/** In a process of its own: Vite would keep 400 MB of the server's memory for ever. Rejects with what Vite says. */
async function runVite(outputFolder: string): Promise<void> {
	const child = spawn(process.execPath, [fileURLToPath(new URL('./run-vite.ts', import.meta.url)), outputFolder], {
		stdio: ['ignore', 'inherit', 'pipe'],
		// Vite needs no more of it, and the server's secrets are none of its business.
		env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
	});
	let complaints = '';
	child.stderr.setEncoding('utf8').on('data', (text: string) => {
		complaints = (complaints + text).slice(-MAX_COMPLAINTS_LENGTH);
	});
	const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
	if (code !== 0) {
		throw new Error(`The pages could not be built (${signal ?? `exit code ${code}`}):\n${complaints.trim()}`);
	}
	process.stderr.write(complaints);
}

/**
 * Puts a `.br` and a `.gz` beside each file that gets smaller: over a poor line hls.js takes one second instead of
 * three.
 */
async function compressFiles(folder: string): Promise<void> {
	const files = (await listFiles(folder)).filter((file) => /\.(js|css|svg|html)$/.test(file));
	await Promise.all(
		files.map(async (file) => {
			const plain = await readFile(file);
			const coded = { '.br': await brotli(plain), '.gz': await zip(plain, { level: constants.Z_BEST_COMPRESSION }) };
			for (const [suffix, bytes] of Object.entries(coded)) {
				if (bytes.length < plain.length) {
					await writeFile(file + suffix, bytes);
				}
			}
		}),
	);
}

async function isCurrent(wanted: string): Promise<boolean> {
	try {
		return (await readFile(path.join(DIST, STAMP_NAME), 'utf8')) === wanted;
	} catch {
		// Never built.
		return false;
	}
}

async function sourceHash(): Promise<string> {
	const hash = createHash('sha256');
	for (const source of SOURCES) {
		for (const file of await listFiles(path.join(ROOT, source))) {
			hash.update(`${path.relative(ROOT, file)}\0`);
			hash.update(await readFile(file));
			hash.update('\0');
		}
	}
	return hash.digest('hex');
}

async function listFiles(target: string): Promise<string[]> {
	if (!existsSync(target)) {
		return [];
	}
	const entries = await readdir(target, { recursive: true, withFileTypes: true }).catch(
		(error: NodeJS.ErrnoException) => {
			if (error.code === 'ENOTDIR') {
				return undefined;
			}
			throw error;
		},
	);
	if (entries === undefined) {
		return [target];
	}
	return entries
		.filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
		.map((entry) => path.join(entry.parentPath, entry.name))
		.sort();
}

/** Renames the new folder into place. A directory cannot be replaced in one step: for an instant there is none. */
async function replaceDist(fresh: string): Promise<void> {
	const old = path.join(WORKSHOP, `old-${process.pid}`);
	if (existsSync(DIST)) {
		await rename(DIST, old);
	}
	await rename(fresh, DIST);
	await rm(old, { recursive: true, force: true });
}

/** What a killed build left. We hold the lock, so it is nobody's. */
async function removeLeftovers(): Promise<void> {
	for (const name of await readdir(WORKSHOP)) {
		if (/^(new|old)-/.test(name)) {
			await rm(path.join(WORKSHOP, name), { recursive: true, force: true });
		}
	}
}

/**
 * Takes the lock file, waiting for a living holder and inheriting from a dead one. Returns the function that frees it.
 */
async function lock(file: string): Promise<() => Promise<void>> {
	const deadline = performance.now() + LOCK_TIMEOUT_MS;
	for (;;) {
		try {
			const handle = await open(file, 'wx');
			await handle.writeFile(String(process.pid));
			await handle.close();
			return () => rm(file, { force: true });
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
				throw error;
			}
		}
		if (performance.now() > deadline || !(await isHolderAlive(file))) {
			await rm(file, { force: true });
			continue;
		}
		await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
	}
}

async function isHolderAlive(file: string): Promise<boolean> {
	const text = await readFile(file, 'utf8').catch(() => 'gone');
	// Empty: the holder has made the file and is about to write its id.
	if (text === '' || text === 'gone') {
		return true;
	}
	try {
		process.kill(Number(text), 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}

// import.meta.main is not in every Node that may run this.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const { built, folder } = await buildWebIfStale();
	process.stdout.write(`${built ? 'Built' : 'Up to date'}: ${folder}\n`);
}
