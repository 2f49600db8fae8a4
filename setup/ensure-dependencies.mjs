/** Makes sure that node_modules is what package-lock.json says, installed under the Node that will use it. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from './child-processes.mjs';
import { withPathFirst } from './find-program.mjs';
import { findNpm, withoutNpmRunVariables } from './npm.mjs';
import { withLock } from './setup-cache.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * What set-up writes into node_modules after a complete installation. Inside, so that deleting one deletes the other.
 */
const STAMP_NAME = '.spillway-setup.json';

/** Hundreds of packages over a slow line; a registry that does not answer is given up by npm itself long before. */
const INSTALL_TIMEOUT_MS = 20 * 60_000;

/**
 * What an installation depends on: the lock file, and the Node for which packages may have built or chosen binaries.
 *
 * @param {string} lockText The text of package-lock.json.
 * @param {string} nodeVersion For example `v24.21.0`.
 * @param {string} [platform]
 * @returns {{ lockHash: string, nodeMajor: number, platform: string }}
 */
export function describeInstallation(lockText, nodeVersion, platform = `${process.platform}-${process.arch}`) {
	return {
		lockHash: createHash('sha256').update(lockText).digest('hex'),
		nodeMajor: Number(/^v?(\d+)/.exec(nodeVersion)?.[1]),
		platform,
	};
}

/**
 * Whether an installation is the wanted one.
 *
 * @param {string | undefined} stampText The text of the stamp; undefined when there is none.
 * @param {ReturnType<typeof describeInstallation>} wanted
 * @returns {boolean}
 */
export function isStampCurrent(stampText, wanted) {
	if (stampText === undefined) {
		return false;
	}
	try {
		const stamp = JSON.parse(stampText);
		return (
			stamp.lockHash === wanted.lockHash && stamp.nodeMajor === wanted.nodeMajor && stamp.platform === wanted.platform
		);
	} catch {
		// Half written by a process that was killed: as good as none.
		return false;
	}
}

/**
 * Whether somebody has run `npm install` or `npm ci` by hand with the same result, so that doing it again would only
 * cost time and take node_modules away from under running programs.
 *
 * @param {string} lockText The text of package-lock.json.
 * @param {string | undefined} installedText The text of node_modules/.package-lock.json, which npm writes last.
 * @returns {boolean}
 */
export function isInstalledByHand(lockText, installedText) {
	if (installedText === undefined) {
		return false;
	}
	let locked;
	let installed;
	try {
		locked = JSON.parse(lockText).packages ?? {};
		installed = JSON.parse(installedText).packages ?? {};
	} catch {
		// Not readable means not known to be right.
		return false;
	}
	for (const [location, { version, integrity, optional, devOptional, link }] of Object.entries(locked)) {
		if (location === '' || link) {
			continue;
		}
		const found = installed[location];
		if (found === undefined) {
			// Optional packages are those for other platforms, mostly.
			if (!optional && !devOptional) {
				return false;
			}
		} else if (found.version !== version || found.integrity !== integrity) {
			return false;
		}
	}
	return Object.keys(installed).every((location) => location in locked);
}

/**
 * Installs the npm dependencies when they are missing or not the ones in package-lock.json.
 *
 * @param {import('./run.mjs').SetupContext} context
 * @param {{ executable: string, version: string }} node The Node to install under; lifecycle scripts run on it too.
 * @throws {SetupError}
 */
export async function ensureDependencies(context, node) {
	const lockFile = path.join(context.projectFolder, 'package-lock.json');
	const lockText = readIfExists(lockFile);
	if (lockText === undefined) {
		throw new SetupError('package-lock.json is missing.', {
			whatToDo: ['Restore it from the repository; the versions it pins are the ones that were tested.'],
		});
	}
	const wanted = describeInstallation(lockText, node.version);
	const stampFile = path.join(context.projectFolder, 'node_modules', STAMP_NAME);
	const isCurrent = () => isStampCurrent(readIfExists(stampFile), wanted);
	if (isCurrent()) {
		return;
	}
	const installed = readIfExists(path.join(context.projectFolder, 'node_modules', '.package-lock.json'));
	if (readIfExists(stampFile) === undefined && isInstalledByHand(lockText, installed)) {
		writeFileSync(stampFile, JSON.stringify(wanted));
		return;
	}

	const step = context.terminal.startStep('npm dependencies');
	const checkout = createHash('sha256').update(context.projectFolder).digest('hex').slice(0, 12);
	try {
		await withLock(
			context,
			`dependencies-${checkout}`,
			async () => {
				if (isCurrent()) {
					return;
				}
				step.progress('npm ci');
				await installDependencies(context, node);
				// npm leaves no folder behind when there is nothing to install.
				mkdirSync(path.dirname(stampFile), { recursive: true });
				writeFileSync(stampFile, JSON.stringify(wanted));
			},
			{ onWait: (holder) => step.progress(`waiting for another set-up, process ${holder.pid}`) },
		);
	} catch (/** @type {any} */ error) {
		step.fail(context.signal.aborted ? 'stopped' : 'could not be installed');
		throw error;
	}
	step.done('installed');
}

/** @param {import('./run.mjs').SetupContext} context @param {{ executable: string }} node */
async function installDependencies(context, node) {
	const npm = findNpm(context.environment);
	const environment = {
		...withPathFirst(withoutNpmRunVariables(context.environment), path.dirname(node.executable)),
		// mediasoup's install script fetches a prebuilt worker, else builds one with downloads of its own, for minutes, and
		// fails the installation where it can do neither. It leaves that when this is set, whatever to. Set-up sees to the
		// worker in a step of its own.
		MEDIASOUP_WORKER_BIN: context.environment['MEDIASOUP_WORKER_BIN'] || process.execPath,
	};
	try {
		await runCommand(
			context,
			node.executable,
			// Development tools too, whatever NODE_ENV says: one node_modules serves `npm start` and `npm test`.
			[npm, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
			{ cwd: context.projectFolder, env: environment, timeoutMs: INSTALL_TIMEOUT_MS },
		);
	} catch (/** @type {any} */ error) {
		if (context.signal.aborted) {
			throw error;
		}
		throw new SetupError(`npm ci failed: ${error.message}.`, {
			whatToDo: [
				'Read what npm says above. Usual causes: no network (`npm ping`), a proxy that npm is not configured for, a',
				'full disk, or files in node_modules that belong to another user (delete node_modules).',
			],
			output: error.output,
			cause: error,
		});
	}
}

/** @param {string} file */
function readIfExists(file) {
	try {
		return readFileSync(file, 'utf8');
	} catch (/** @type {any} */ error) {
		if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
			return undefined;
		}
		throw error;
	}
}
