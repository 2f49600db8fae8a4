/** Builds the pages into web/dist when their sources have changed: for `npm start`, or alone as `node web/build.ts`. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdir, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const [brotli, zip] = [promisify(brotliCompress), promisify(gzip)];
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = path.join(ROOT, 'web/dist');
/** On the same file system as `web/dist`, so that a rename is atomic, and ignored by git. */
const BUILD_CACHE = path.join(ROOT, 'node_modules/.cache/spillway-web');
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
/** A build takes seconds; an older lock belongs to a process that hangs. */
const LOCK_TIMEOUT_MS = 180_000;
const LOCK_POLL_MS = 150;
/** Of Vite's error output, counted from its end. */
const MAX_ERRORS_LENGTH = 8000;

/** `folder` is absolute and has `index.html`. */
type WebBuild = { built: boolean; folder: string };

/**
 * Makes `web/dist` match the sources. Safe when several processes start at once: one builds, the others wait. The new
 * pages replace the old ones as a whole, so a failed or killed build keeps the old ones. Throws with Vite's errors.
 */
export async function buildWebIfStale(): Promise<WebBuild> {
	const wanted = await sourceHash();
	if (await isCurrent(wanted)) {
		return { built: false, folder: DIST };
	}
	await mkdir(BUILD_CACHE, { recursive: true });
	const unlock = await lock(path.join(BUILD_CACHE, 'build.lock'));
	try {
		if (await isCurrent(wanted)) {
			return { built: false, folder: DIST };
		}
		await removeLeftovers();
		const fresh = path.join(BUILD_CACHE, `new-${process.pid}`);
		await runVite(fresh);
		await compressFiles(fresh);
		await writeFile(path.join(fresh, STAMP_NAME), wanted);
		await replaceDist(fresh);
		return { built: true, folder: DIST };
	} finally {
		await unlock();
	}
}

/** In a separate process: Vite otherwise keeps 400 MB of the server's memory. Rejects with Vite's errors. */
async function runVite(outputFolder: string): Promise<void> {
	const child = spawn(process.execPath, [fileURLToPath(new URL('./run-vite.ts', import.meta.url)), outputFolder], {
		stdio: ['ignore', 'inherit', 'pipe'],
		// Vite needs no more, and must not get the server's secrets.
		env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
	});
	let errors = '';
	child.stderr.setEncoding('utf8').on('data', (text: string) => {
		errors = (errors + text).slice(-MAX_ERRORS_LENGTH);
	});
	const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
	if (code !== 0) {
		throw new Error(`The pages could not be built (${signal ?? `exit code ${code}`}):\n${errors.trim()}`);
	}
	process.stderr.write(errors);
}

/** Adds a `.br` and a `.gz` to each file that gets smaller: over a poor line hls.js loads in 1 s instead of 3 s. */
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
	if (statSync(target).isFile()) {
		return [target];
	}
	const entries = await readdir(target, { recursive: true, withFileTypes: true });
	return entries
		.filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
		.map((entry) => path.join(entry.parentPath, entry.name))
		.sort();
}

/** Renames the new folder into place. A directory cannot be replaced atomically: for an instant there is none. */
async function replaceDist(fresh: string): Promise<void> {
	const old = path.join(BUILD_CACHE, `old-${process.pid}`);
	if (existsSync(DIST)) {
		await rename(DIST, old);
	}
	await rename(fresh, DIST);
	await rm(old, { recursive: true, force: true });
}

/** Removes what a killed build left. The caller holds the lock, so no other process uses it. */
async function removeLeftovers(): Promise<void> {
	for (const name of await readdir(BUILD_CACHE)) {
		if (/^(new|old)-/.test(name)) {
			await rm(path.join(BUILD_CACHE, name), { recursive: true, force: true });
		}
	}
}

/** Creates the lock file; waits for a running holder, and removes a dead one's lock. Returns the function to unlock. */
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
	// Empty: the holder has created the file and is about to write its id.
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

// Not every supported Node has import.meta.main.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const { built, folder } = await buildWebIfStale();
	process.stdout.write(`${built ? 'Built' : 'Up to date'}: ${folder}\n`);
}
