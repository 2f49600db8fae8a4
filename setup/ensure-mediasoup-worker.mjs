/** Makes sure that there is a mediasoup worker binary that starts here, and says where it is. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildWorker, formatWorkerCacheKey, hashBuildRecipe } from './build-worker/build-worker.mjs';
import { runCommand } from './child-processes.mjs';
import { isExecutableFile, withPathFirst } from './find-program.mjs';
import { withoutNpmRunVariables } from './npm.mjs';
import { ensureCacheFolder, withLock } from './setup-cache.mjs';
import { SetupError } from './setup-error.mjs';

/** The worker's exit code when it is started by hand (its main.cpp): it starts, its libraries are there. */
const EXIT_CODE_STARTED_BY_HAND = 41;

/** Starting and ending takes 10 ms; the rest is for a machine that is busy with something else. */
const VERIFY_TIMEOUT_MS = 10_000;

/** How long the server of the prebuilt workers may take to answer. Spent in vain where a firewall swallows packets. */
const PREBUILT_ANSWER_TIMEOUT_MS = 8_000;

/**
 * How long the download may take once there was an answer: 2 MB over a very slow line is still faster than compiling.
 */
const PREBUILT_DOWNLOAD_TIMEOUT_MS = 60_000;

/**
 * @typedef {object} WorkerSource A way to get a worker.
 * @property {'environment' | 'cached build' | 'cached prebuilt' | 'prebuilt' | 'source build'} name
 * @property {() => string | undefined | Promise<string | undefined>} find The path of a worker that starts, or
 * undefined when this way does not lead to one here; throws when it should have and the user has to know.
 */

/**
 * Finds or makes the worker.
 *
 * @param {import('./run.mjs').SetupContext} context
 * @param {{ executable: string, version: string }} node
 * @returns {Promise<string>} The path of the binary.
 * @throws {SetupError}
 */
export async function ensureMediasoupWorker(context, node) {
	return (await findFirstWorker(createWorkerSources(context, node))).file;
}

/**
 * Asks sources one after another, until one has a worker.
 *
 * @param {readonly WorkerSource[]} sources
 * @returns {Promise<{ file: string, sourceName: string }>}
 */
export async function findFirstWorker(sources) {
	for (const { name, find } of sources) {
		const file = await find();
		if (file !== undefined) {
			return { file, sourceName: name };
		}
	}
	throw new SetupError('There is no mediasoup worker for this machine.', {
		whatToDo: ['Build one as mediasoup documents it, and set MEDIASOUP_WORKER_BIN to its path.'],
	});
}

/**
 * The ways to get a worker, in the order in which they are tried: what the user says, what is there already, what is
 * quick to get, and last what takes minutes.
 *
 * @param {import('./run.mjs').SetupContext} context
 * @param {{ executable: string, version: string }} node
 * @returns {WorkerSource[]}
 */
export function createWorkerSources(context, node) {
	const mediasoupFolder = path.join(context.projectFolder, 'node_modules', 'mediasoup');
	const cachedFile = (/** @type {string} */ key) => path.join(context.cacheFolder, 'worker', key, 'mediasoup-worker');
	// Read only when it is needed: with MEDIASOUP_WORKER_BIN, mediasoup need not even be installed.
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
 * Whether a worker binary starts on this machine. Started on every set-up, because an upgrade of the distribution may
 * have taken a library away from a cached one; the alternative is a cryptic failure of the server.
 *
 * @param {string} file
 * @returns {boolean}
 */
export function doesWorkerStart(file) {
	if (!isExecutableFile(file)) {
		return false;
	}
	// Without environment, like mediasoup's own check: MEDIASOUP_VERSION in it would make the worker wait for a parent.
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

	// mediasoup's install script knows the addresses and the names. Its way out of a failed download, a build with
	// downloads of its own, is closed by naming a Python that fails at once.
	const environment = withPathFirst(withoutNpmRunVariables(context.environment), path.dirname(node.executable));
	delete environment['MEDIASOUP_WORKER_BIN'];
	delete environment['MEDIASOUP_LOCAL_DEV'];
	environment['PYTHON'] = 'false';

	const releaseFolder = path.join(mediasoupFolder, 'worker', 'out', 'Release');
	const deadline = new AbortController();
	const giveUp = () => deadline.abort(new Error('no answer in time'));
	// The script creates the folder when there was an answer, before the first byte of the download.
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
		// Copied beside its place first, so that nobody sees half of it.
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
		// No failure of set-up: the next source may have one.
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
	// Without this, the report would look up the name of every open connection.
	const report = /** @type {any} */ (process.report);
	report.excludeNetwork = true;
	return report.getReport().header.glibcVersionRuntime !== undefined;
}

/** @param {import('./run.mjs').SetupContext} context @param {{ mediasoupFolder: string, outputFile: string }} place */
async function runSourceBuild(context, { mediasoupFolder, outputFile }) {
	const step = context.terminal.startStep('mediasoup worker, from source');
	let builtElsewhere = false;
	try {
		await withLock(
			context,
			'worker',
			async () => {
				// Another set-up may have built it while this one waited.
				builtElsewhere = doesWorkerStart(outputFile);
				if (!builtElsewhere) {
					const workerSourceFolder = path.join(mediasoupFolder, 'worker');
					await buildWorker(context, { workerSourceFolder, outputFile, verify: doesWorkerStart }, step);
				}
			},
			{ onWait: (holder) => step.progress(`waiting for another set-up, process ${holder.pid}`) },
		);
	} catch (error) {
		step.fail(context.signal.aborted ? 'stopped' : 'could not be built');
		throw error;
	}
	step.done(builtElsewhere ? 'built by another set-up' : 'built');
	return outputFile;
}
