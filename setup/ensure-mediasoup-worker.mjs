/** Ensures that there is a mediasoup worker binary that starts here, and returns its path. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildWorker, formatWorkerCacheKey, hashBuildRecipe } from './build-worker/build-worker.mjs';
import { runCommand } from './child-processes.mjs';
import { isExecutableFile, withPathFirst } from './find-program.mjs';
import { withoutNpmRunVariables } from './npm.mjs';
import { ensureCacheFolder, runLockedStep } from './setup-cache.mjs';
import { SetupError } from './setup-error.mjs';

/** The worker's exit code when it is started by hand (its main.cpp): it starts and finds its libraries. */
const EXIT_CODE_STARTED_BY_HAND = 41;

/** Starting and ending takes 10 ms; the rest is for a busy machine. */
const VERIFY_TIMEOUT_MS = 10_000;

/** Time for the server of the prebuilt workers to answer. Lost where a firewall drops packets. */
const PREBUILT_ANSWER_TIMEOUT_MS = 8_000;

/** Time for the download after an answer: 2 MB over a very slow line is still faster than compiling. */
const PREBUILT_DOWNLOAD_TIMEOUT_MS = 60_000;

/**
 * @typedef {object} WorkerSource A way to get a worker.
 * @property {'environment' | 'cached build' | 'cached prebuilt' | 'prebuilt' | 'source build'} name
 * @property {() => string | undefined | Promise<string | undefined>} find The path of a worker that starts, or
 * undefined when the source has none. Throws when the user has to act.
 */

/**
 * @param {import('./run.mjs').SetupContext} context
 * @param {{ executable: string, version: string }} node
 * @returns {Promise<string>} The path of the binary.
 * @throws {SetupError}
 */
export async function ensureMediasoupWorker(context, node) {
	return await findFirstWorker(createWorkerSources(context, node));
}

/**
 * Tries the sources in sequence, until one has a worker.
 *
 * @param {readonly WorkerSource[]} sources
 * @returns {Promise<string>} The path of the binary.
 */
export async function findFirstWorker(sources) {
	for (const { find } of sources) {
		const file = await find();
		if (file !== undefined) {
			return file;
		}
	}
	throw new SetupError('There is no mediasoup worker for this machine.', {
		whatToDo: ['Build one as mediasoup documents it, and set MEDIASOUP_WORKER_BIN to its path.'],
	});
}

/**
 * The ways to get a worker in their order: the user's choice, the cache, a quick download, and a build of minutes.
 *
 * @param {import('./run.mjs').SetupContext} context
 * @param {{ executable: string, version: string }} node
 * @returns {WorkerSource[]}
 */
export function createWorkerSources(context, node) {
	const mediasoupFolder = path.join(context.projectFolder, 'node_modules', 'mediasoup');
	const cachedFile = (/** @type {string} */ key) => path.join(context.cacheFolder, 'worker', key, 'mediasoup-worker');
	// Read on demand: with MEDIASOUP_WORKER_BIN, mediasoup need not be installed.
	const readVersion = () => JSON.parse(readFileSync(path.join(mediasoupFolder, 'package.json'), 'utf8')).version;
	const builtFile = () =>
		cachedFile(formatWorkerCacheKey({ mediasoupVersion: readVersion(), recipeHash: hashBuildRecipe() }));
	const prebuiltFile = () => cachedFile(`${readVersion()}-${process.platform}-${process.arch}-prebuilt`);
	const findCached = (/** @type {string} */ file) => (doesWorkerStart(file) ? file : undefined);

	return [
		{ name: 'environment', find: () => findChosenWorker(context.environment['MEDIASOUP_WORKER_BIN']) },
		{ name: 'cached build', find: () => findCached(builtFile()) },
		{ name: 'cached prebuilt', find: () => findCached(prebuiltFile()) },
		{
			name: 'prebuilt',
			find: () => fetchPrebuiltWorker(context, node, { mediasoupFolder, outputFile: prebuiltFile() }),
		},
		{ name: 'source build', find: () => runSourceBuild(context, { mediasoupFolder, outputFile: builtFile() }) },
	];
}

/**
 * Whether a worker binary starts on this machine. Checked on every set-up: an upgrade of the distribution may have
 * removed a library of a cached worker. The server then fails with a cryptic message.
 *
 * @param {string} file
 * @returns {boolean}
 */
export function doesWorkerStart(file) {
	if (!isExecutableFile(file)) {
		return false;
	}
	// Without environment, as in mediasoup's check: with MEDIASOUP_VERSION the worker waits for a parent.
	return (
		spawnSync(file, [], { env: {}, stdio: 'ignore', timeout: VERIFY_TIMEOUT_MS }).status === EXIT_CODE_STARTED_BY_HAND
	);
}

/** @param {string | undefined} chosen */
function findChosenWorker(chosen) {
	if (!chosen) {
		return undefined;
	}
	if (!doesWorkerStart(chosen)) {
		throw new SetupError(
			`MEDIASOUP_WORKER_BIN is set to ${chosen}, which is not a mediasoup worker that starts here.`,
			{
				whatToDo: ['Correct it, or unset MEDIASOUP_WORKER_BIN to have set-up get a worker.'],
			},
		);
	}
	return path.resolve(chosen);
}

/**
 * Whether mediasoup publishes a prebuilt worker for a platform.
 *
 * @param {{ platform: string, arch: string, isGlibc: boolean, environment: NodeJS.ProcessEnv }} facts
 * @returns {boolean}
 */
export function isPrebuiltLikely({ platform, arch, isGlibc, environment }) {
	if (environment['MEDIASOUP_SKIP_WORKER_PREBUILT_DOWNLOAD']) {
		return false;
	}
	return ['x64', 'arm64'].includes(arch) && (platform === 'darwin' || (platform === 'linux' && isGlibc));
}

/**
 * @param {import('./run.mjs').SetupContext} context
 * @param {{ executable: string }} node
 * @param {{ mediasoupFolder: string, outputFile: string }} place
 */
async function fetchPrebuiltWorker(context, node, { mediasoupFolder, outputFile }) {
	const facts = {
		platform: process.platform,
		arch: process.arch,
		isGlibc: isGlibc(),
		environment: context.environment,
	};
	if (!isPrebuiltLikely(facts)) {
		return undefined;
	}
	const step = context.terminal.startStep('mediasoup worker');
	step.progress('looking for a prebuilt one');

	// mediasoup's install script knows the addresses and the names. After a failed download it downloads and builds the
	// sources, which a Python that fails at once prevents.
	const environment = withPathFirst(withoutNpmRunVariables(context.environment), path.dirname(node.executable));
	delete environment['MEDIASOUP_WORKER_BIN'];
	delete environment['MEDIASOUP_LOCAL_DEV'];
	environment['PYTHON'] = 'false';

	const releaseFolder = path.join(mediasoupFolder, 'worker', 'out', 'Release');
	const deadline = new AbortController();
	const giveUp = () => deadline.abort(new Error('no answer in time'));
	// The script creates the folder after the answer, before the first byte of the download.
	const answerTimer = setTimeout(() => {
		if (!existsSync(releaseFolder)) {
			giveUp();
		}
	}, PREBUILT_ANSWER_TIMEOUT_MS);
	const downloadTimer = setTimeout(giveUp, PREBUILT_DOWNLOAD_TIMEOUT_MS);
	try {
		rmSync(releaseFolder, { recursive: true, force: true });
		await runCommand(
			{ signal: AbortSignal.any([context.signal, deadline.signal]) },
			node.executable,
			['npm-scripts.mjs', 'postinstall'],
			{ cwd: mediasoupFolder, env: environment },
		);
		const fetched = path.join(releaseFolder, 'mediasoup-worker');
		if (!doesWorkerStart(fetched)) {
			step.done('the prebuilt one does not start on this machine');
			return undefined;
		}
		ensureCacheFolder(path.dirname(outputFile));
		// Copied to another name first, so that no process sees an incomplete file.
		const copy = `${outputFile}.${process.pid}`;
		copyFileSync(fetched, copy);
		renameSync(copy, outputFile);
		step.done('fetched a prebuilt one');
		return outputFile;
	} catch (error) {
		if (context.signal.aborted) {
			step.fail('stopped');
			throw error;
		}
		// Not a failure of set-up: the next source may have one.
		step.done('no prebuilt one can be fetched here');
		return undefined;
	} finally {
		clearTimeout(answerTimer);
		clearTimeout(downloadTimer);
		for (const left of ['out', 'prebuild', 'pip_invoke']) {
			rmSync(path.join(mediasoupFolder, 'worker', left), { recursive: true, force: true });
		}
	}
}

function isGlibc() {
	if (process.platform !== 'linux') {
		return false;
	}
	// Otherwise the report looks up the name of every open connection.
	const report = /** @type {any} */ (process.report);
	report.excludeNetwork = true;
	return report.getReport().header.glibcVersionRuntime !== undefined;
}

/** @param {import('./run.mjs').SetupContext} context @param {{ mediasoupFolder: string, outputFile: string }} place */
async function runSourceBuild(context, { mediasoupFolder, outputFile }) {
	const names = { step: 'mediasoup worker, from source', lock: 'worker', failure: 'could not be built' };
	await runLockedStep(context, names, async (step) => {
		// Another set-up may have built it while this one waited.
		if (doesWorkerStart(outputFile)) {
			return 'built by another set-up';
		}
		const workerSourceFolder = path.join(mediasoupFolder, 'worker');
		await buildWorker(context, { workerSourceFolder, outputFile, verify: doesWorkerStart }, step);
		return 'built';
	});
	return outputFile;
}
