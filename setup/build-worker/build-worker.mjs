/** Builds the mediasoup worker from the sources in its npm package against the libraries of a Debian-like system. */
import { createHash } from 'node:crypto';
import {
	copyFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	readFileSync,
	readdirSync,
	renameSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { aptInstall, isRoot } from '../apt.mjs';
import { runCommand } from '../child-processes.mjs';
import { detectPackageManager, isDebianLike, readOsRelease } from '../operating-system.mjs';
import { createWorkFolder, ensureCacheFolder, hashFolder, removeLeftoverWorkFolders } from '../setup-cache.mjs';
import { SetupError, toSetupError } from '../setup-error.mjs';
import { formatInstallCommands } from '../system-programs.mjs';
import { SOURCE_PATCHES, patchSources } from './source-patches.mjs';
import { deriveSourcePackageList, parseDeb822Sources, parseOneLineSources } from './debian-sources.mjs';

/** The Meson subprojects and headers that replace mediasoup's downloads. */
const OVERLAY_FOLDER = fileURLToPath(new URL('./subprojects', import.meta.url));

/** The development packages depend on the runtime libraries. */
const BUILD_PACKAGES = [
	'meson',
	'ninja-build',
	'g++',
	'pkg-config',
	'libuv1-dev',
	'libssl-dev',
	'libflatbuffers-dev',
	'flatbuffers-compiler',
	'libabsl-dev',
	'dpkg-dev',
];

/** The source package that is built into the worker with OpenSSL; subprojects/libsrtp3/meson.build has the reason. */
const SRTP_SOURCE_PACKAGE = 'libsrtp2';

// The worker parses untrusted input. These flags cost little, and are the distribution's defaults for its packages.
const HARDENING_COMPILER_FLAGS = '-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2';
const HARDENING_LINKER_FLAGS = '-Wl,-z,relro,-z,now';

const MESON_OPTIONS = ['--buildtype=release', '-Db_ndebug=true'];

/** The peak of one compiler process; more processes than fit into memory swap or are killed. */
const MEMORY_PER_COMPILER_BYTES = 1_200_000_000;

/** Ten processor minutes on a fast machine, and ten times as much on a slow one with a single core. */
const BUILD_TIMEOUT_MS = 100 * 60_000;

/** Two small index files and 700 kB of source. */
const SOURCE_DOWNLOAD_TIMEOUT_MS = 5 * 60_000;

/**
 * A hash of all parts of this build that decide the behaviour of the worker.
 *
 * @param {string} [overlayFolder]
 * @returns {string} Hexadecimal.
 */
export function hashBuildRecipe(overlayFolder = OVERLAY_FOLDER) {
	const recipe = {
		SRTP_SOURCE_PACKAGE,
		HARDENING_COMPILER_FLAGS,
		HARDENING_LINKER_FLAGS,
		MESON_OPTIONS,
		SOURCE_PATCHES,
	};
	return createHash('sha256').update(hashFolder(overlayFolder)).update(JSON.stringify(recipe)).digest('hex');
}

/**
 * The name of a built worker in the cache. It has the distribution, because the worker is linked to its libraries.
 *
 * @param {{ mediasoupVersion: string, recipeHash: string, platform?: string, arch?: string,
 * osRelease?: import('../operating-system.mjs').OsRelease }} facts
 * @returns {string} Safe as a file name.
 */
export function formatWorkerCacheKey({
	mediasoupVersion,
	recipeHash,
	platform = process.platform,
	arch = process.arch,
	osRelease = readOsRelease(),
}) {
	const distribution = `${osRelease.id}${osRelease.versionId}`.replace(/[^A-Za-z0-9.]/g, '_') || 'unknown';
	return `${mediasoupVersion}-${platform}-${arch}-${distribution}-${recipeHash.slice(0, 16)}`;
}

/**
 * Parses ninja's progress.
 *
 * @param {string} line For example `[17/279] Compiling C++ object …`.
 * @returns {string | undefined} `17/279`, or undefined for other lines.
 */
export function parseNinjaProgress(line) {
	return /^\[(\d+\/\d+)\] /.exec(line)?.[1];
}

/**
 * @param {import('../run.mjs').SetupContext} context
 * @param {{ workerSourceFolder: string, outputFile: string, verify(file: string): boolean }} options `verify` decides
 * whether a built binary is kept; `outputFile` is replaced atomically. The caller holds the lock of this build.
 * @param {{ progress(text: string): void }} step
 * @throws {SetupError}
 */
export async function buildWorker(context, { workerSourceFolder, outputFile, verify }, step) {
	await ensureBuildPackages(context, step);

	removeLeftoverWorkFolders(context.cacheFolder, 'worker');
	const work = createWorkFolder(context.cacheFolder, 'worker');
	try {
		step.progress(`fetching the source package ${SRTP_SOURCE_PACKAGE}`);
		const srtpFolder = await fetchSourcePackage(context, SRTP_SOURCE_PACKAGE, path.join(work, 'apt'));

		step.progress('preparing the sources');
		const sourceFolder = path.join(work, 'worker');
		prepareSources({ workerSourceFolder, sourceFolder, srtpFolder });

		const built = await compile(context, { sourceFolder, buildFolder: path.join(work, 'build') }, step);
		await assertNotLinkedToNss(context, built);
		if (!verify(built)) {
			throw buildError('The worker was built, but does not start.');
		}
		ensureCacheFolder(path.dirname(outputFile));
		// Copied to the folder first, because a rename within one folder is atomic.
		const copy = `${outputFile}.${process.pid}`;
		copyFileSync(built, copy);
		renameSync(copy, outputFile);
	} finally {
		rmSync(work, { recursive: true, force: true });
	}
}

/** @param {import('../run.mjs').SetupContext} context @param {{ progress(text: string): void }} step */
async function ensureBuildPackages(context, step) {
	if (detectPackageManager(context.environment) !== 'apt' || !isDebianLike(readOsRelease())) {
		throw buildError('The worker can be built from source on Debian and its relatives only.');
	}
	const missing = [];
	for (const name of BUILD_PACKAGES) {
		try {
			const { stdout } = await runCommand(context, 'dpkg-query', ['--show', '--showformat=${db:Status-Status}', name]);
			if (stdout.trim() !== 'installed') {
				missing.push(name);
			}
		} catch (error) {
			if (context.signal.aborted) {
				throw error;
			}
			// dpkg-query fails for an unknown package.
			missing.push(name);
		}
	}
	if (missing.length === 0) {
		return;
	}
	if (!isRoot()) {
		throw new SetupError('Building the mediasoup worker needs packages that are not installed.', {
			whatToDo: [
				'Install and run the same command again:',
				...formatInstallCommands('apt', missing, { isRoot: false }).map((command) => `    ${command}`),
				...USE_ANOTHER_WORKER,
			],
		});
	}
	await aptInstall(context, missing, step);
}

/** @param {import('../run.mjs').SetupContext} context @param {string} name @param {string} folder */
async function fetchSourcePackage(context, name, folder) {
	const list = deriveSourcePackageList(readAptSources(), readOsRelease().versionCodename);
	if (list === '') {
		throw buildError(`No apt source of this machine has the distribution's own packages, of which ${name} is one.`);
	}
	// Separate folders for apt, which neither change nor use the machine's sources, lists and caches.
	for (const created of ['sources', 'lists/partial', 'cache/archives/partial', 'download']) {
		mkdirSync(path.join(folder, created), { recursive: true });
	}
	writeFileSync(path.join(folder, 'sources', 'spillway.sources'), list);
	const aptOptions = [
		'--quiet',
		'--option=Dir::Etc::SourceList=/dev/null',
		`--option=Dir::Etc::SourceParts=${path.join(folder, 'sources')}`,
		`--option=Dir::State::Lists=${path.join(folder, 'lists')}`,
		`--option=Dir::Cache=${path.join(folder, 'cache')}`,
		// The unprivileged user for downloads cannot enter a home folder. apt checks the distribution's signature of the
		// download either way.
		...(isRoot() ? ['--option=APT::Sandbox::User=root'] : []),
	];
	const download = path.join(folder, 'download');
	const options = { cwd: download, env: { ...context.environment, LC_ALL: 'C.UTF-8' } };
	try {
		const timed = { ...options, timeoutMs: SOURCE_DOWNLOAD_TIMEOUT_MS };
		await runCommand(context, 'apt-get', [...aptOptions, 'update'], timed);
		await runCommand(context, 'apt-get', [...aptOptions, 'source', '--download-only', '--only-source', name], timed);
		const description = readdirSync(download).find((file) => file.endsWith('.dsc'));
		if (description === undefined) {
			throw buildError(`apt-get source downloaded no description of ${name}.`);
		}
		const extracted = path.join(folder, name);
		await runCommand(context, 'dpkg-source', ['--extract', description, extracted], options);
		return extracted;
	} catch (error) {
		throw toSetupError(context, error, `The source package ${name} could not be fetched`, USE_ANOTHER_WORKER);
	}
}

function readAptSources() {
	/** @type {import('./debian-sources.mjs').AptSource[]} */
	const sources = [];
	const read = (/** @type {string} */ file) => {
		const parse = file.endsWith('.sources') ? parseDeb822Sources : parseOneLineSources;
		sources.push(...parse(readFileSync(file, 'utf8')));
	};
	if (existsSync('/etc/apt/sources.list')) {
		read('/etc/apt/sources.list');
	}
	const parts = '/etc/apt/sources.list.d';
	for (const entry of existsSync(parts) ? readdirSync(parts).sort() : []) {
		if (entry.endsWith('.list') || entry.endsWith('.sources')) {
			read(path.join(parts, entry));
		}
	}
	return sources;
}

/** @param {{ workerSourceFolder: string, sourceFolder: string, srtpFolder: string }} folders */
function prepareSources({ workerSourceFolder, sourceFolder, srtpFolder }) {
	cpSync(workerSourceFolder, sourceFolder, {
		recursive: true,
		// Leftovers of mediasoup's installer.
		filter: (source) => !/\/worker\/(out|prebuild|pip_[a-z_]+)$/.test(source),
	});
	rmSync(path.join(sourceFolder, 'subprojects'), { recursive: true });
	cpSync(OVERLAY_FOLDER, path.join(sourceFolder, 'subprojects'), { recursive: true });
	renameSync(srtpFolder, path.join(sourceFolder, 'subprojects', SRTP_SOURCE_PACKAGE));

	const surprise = patchSources(sourceFolder);
	if (surprise !== undefined) {
		throw buildError(`This version of mediasoup is not the one that its build here was written for: ${surprise}.`);
	}
}

/**
 * @param {import('../run.mjs').SetupContext} context
 * @param {{ sourceFolder: string, buildFolder: string }} folders
 * @param {{ progress(text: string): void }} step
 */
async function compile(context, { sourceFolder, buildFolder }, step) {
	const environment = {
		...context.environment,
		CFLAGS: HARDENING_COMPILER_FLAGS,
		CXXFLAGS: HARDENING_COMPILER_FLAGS,
		LDFLAGS: HARDENING_LINKER_FLAGS,
		LC_ALL: 'C.UTF-8',
	};
	const jobs = Math.max(
		1,
		Math.min(os.availableParallelism(), Math.floor(freeMemoryBytes() / MEMORY_PER_COMPILER_BYTES)),
	);
	try {
		step.progress('configuring');
		await runCommand(
			context,
			'meson',
			['setup', ...MESON_OPTIONS, '--wrap-mode=nodownload', buildFolder, sourceFolder],
			{
				env: environment,
				timeoutMs: BUILD_TIMEOUT_MS,
			},
		);
		step.progress('compiling');
		await runCommand(context, 'ninja', ['-C', buildFolder, '-j', String(jobs), 'mediasoup-worker'], {
			env: environment,
			timeoutMs: BUILD_TIMEOUT_MS,
			onLine: (line) => {
				const progress = parseNinjaProgress(line);
				if (progress !== undefined) {
					step.progress(`compiling ${progress}`);
				}
			},
		});
	} catch (error) {
		throw toSetupError(context, error, 'The worker could not be compiled', USE_ANOTHER_WORKER);
	}
	return path.join(buildFolder, 'mediasoup-worker');
}

function freeMemoryBytes() {
	// Respects the limit of a container, unlike os.freemem().
	return process.availableMemory?.() ?? os.freemem();
}

/** @param {import('../run.mjs').SetupContext} context @param {string} file */
async function assertNotLinkedToNss(context, file) {
	const { stdout } = await runCommand(context, 'ldd', [file]);
	const forbidden = findForbiddenLibraries(stdout);
	if (forbidden.length > 0) {
		throw buildError(`The built worker is linked to ${forbidden.join(', ')}, which costs most of its speed.`);
	}
}

/**
 * The libraries that the worker must not be linked to: NSS, and a shared libsrtp, because that of the distribution uses
 * NSS.
 *
 * @param {string} lddOutput
 * @returns {string[]}
 */
export function findForbiddenLibraries(lddOutput) {
	return [...lddOutput.matchAll(/^\s*(lib(?:nss3|nssutil3|nspr4|freebl3|softokn3|srtp2?)\.so\S*)/gm)].map(
		([, name]) => /** @type {string} */ (name),
	);
}

const USE_ANOTHER_WORKER = [
	'Or use a worker of the same mediasoup version from elsewhere: set MEDIASOUP_WORKER_BIN to its path. Where GitHub can be',
	"reached, set-up takes mediasoup's own prebuilt worker instead of building one.",
];

/** @param {string} message */
function buildError(message) {
	return new SetupError(message, { whatToDo: USE_ANOTHER_WORKER });
}
