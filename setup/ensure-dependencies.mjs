/** Ensures that node_modules matches package-lock.json, installed under the Node that will use it. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from './child-processes.mjs';
import { withPathFirst } from './find-program.mjs';
import { findNpm, withoutNpmRunVariables } from './npm.mjs';
import { runLockedStep } from './setup-cache.mjs';
import { SetupError, toSetupError } from './setup-error.mjs';

/** Written after a complete installation. Inside node_modules, so that deleting one deletes the other. */
const STAMP_NAME = '.spillway-setup.json';

/** Hundreds of packages over a slow line; npm gives up a registry that does not answer long before. */
const INSTALL_TIMEOUT_MS = 20 * 60_000;

/**
 * The text of the stamp: the facts that an installation depends on. They are the lock file and the Node for which
 * packages build or choose binaries.
 *
 * @param {string} lockText The text of package-lock.json.
 * @param {string} nodeVersion For example `v24.21.0`.
 * @param {string} [platform]
 */
export function formatStamp(lockText, nodeVersion, platform = `${process.platform}-${process.arch}`) {
	const lockHash = createHash('sha256').update(lockText).digest('hex');
	return JSON.stringify({ lockHash, nodeMajor: Number(/^v?(\d+)/.exec(nodeVersion)?.[1]), platform });
}

/**
 * Whether a manual `npm install` or `npm ci` has had the same result. Another installation only costs time then, and
 * removes node_modules while programs use it.
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
		// An unreadable result counts as wrong.
		return false;
	}
	for (const [location, { version, integrity, optional, devOptional, link }] of Object.entries(locked)) {
		if (location === '' || link) {
			continue;
		}
		const found = installed[location];
		if (found === undefined) {
			// Optional packages are mostly those for other platforms.
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
	const wanted = formatStamp(lockText, node.version);
	const stampFile = path.join(context.projectFolder, 'node_modules', STAMP_NAME);
	const isCurrent = () => readIfExists(stampFile) === wanted;
	if (isCurrent()) {
		return;
	}
	const installed = readIfExists(path.join(context.projectFolder, 'node_modules', '.package-lock.json'));
	if (readIfExists(stampFile) === undefined && isInstalledByHand(lockText, installed)) {
		writeFileSync(stampFile, wanted);
		return;
	}

	const checkout = createHash('sha256').update(context.projectFolder).digest('hex').slice(0, 12);
	const names = { step: 'npm dependencies', lock: `dependencies-${checkout}`, failure: 'could not be installed' };
	await runLockedStep(context, names, async (step) => {
		// Another set-up may have installed them while this one waited.
		if (!isCurrent()) {
			step.progress('npm ci');
			await installDependencies(context, node);
			// npm creates no folder when there is nothing to install.
			mkdirSync(path.dirname(stampFile), { recursive: true });
			writeFileSync(stampFile, wanted);
		}
		return 'installed';
	});
}

/** @param {import('./run.mjs').SetupContext} context @param {{ executable: string }} node */
async function installDependencies(context, node) {
	const npm = findNpm(context.environment);
	const environment = {
		...withPathFirst(withoutNpmRunVariables(context.environment), path.dirname(node.executable)),
		// mediasoup's install script fetches a prebuilt worker, or downloads and builds one for minutes. It fails the
		// installation when it can do neither. Any value here skips that; set-up gets the worker in another step.
		MEDIASOUP_WORKER_BIN: context.environment['MEDIASOUP_WORKER_BIN'] || process.execPath,
	};
	try {
		await runCommand(
			context,
			node.executable,
			// Development tools too, for any NODE_ENV: one node_modules serves `npm start` and `npm test`.
			[npm, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
			{ cwd: context.projectFolder, env: environment, timeoutMs: INSTALL_TIMEOUT_MS },
		);
	} catch (error) {
		throw toSetupError(context, error, 'npm ci failed', [
			'Read what npm says above. Usual causes: no network (`npm ping`), a proxy that npm is not configured for, a',
			'full disk, or files in node_modules that belong to another user (delete node_modules).',
		]);
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
