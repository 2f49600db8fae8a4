/**
 * The program behind every npm script: `node setup/run.mjs <profile> [-- <arguments for Node>]`.
 *
 * Gets everything that the profile needs (see profiles.mjs), then runs Node with the given arguments
 * (`signaling/main.ts
 * --demo`). Without `--` it only sets up. Runs on Node 20 itself.
 *
 * The command gets:
 *
 * - Node 22.18 or newer, first on the PATH too;
 * - those of MEDIASOUP_WORKER_BIN, FFMPEG_BIN, CHROMIUM_BIN, REDIS_SERVER_BIN, POSTGRES_BIN and SEAWEEDFS_BIN that the
 *   profile has;
 * - standard input, output and error of this process;
 * - the signals SIGINT, SIGTERM and SIGHUP;
 * - an end when this process is killed (see lifeline.mjs).
 *
 * This process ends with the command's exit code, or 128 plus the signal's number as in a shell.
 */
import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDependencies } from './ensure-dependencies.mjs';
import { ensureMediasoupWorker } from './ensure-mediasoup-worker.mjs';
import { ensureNode } from './ensure-node.mjs';
import { ensureSeaweedfs } from './ensure-seaweedfs.mjs';
import { ensureSystemPrograms } from './ensure-system-programs.mjs';
import { withPathFirst } from './find-program.mjs';
import { PROFILES } from './profiles.mjs';
import { resolveCacheFolder } from './setup-cache.mjs';
import { SetupError, SetupInterrupted } from './setup-error.mjs';
import { createTerminal } from './terminal.mjs';

/**
 * @typedef {object} SetupContext The argument of every step.
 * @property {string} projectFolder The checkout.
 * @property {string} cacheFolder See setup-cache.mjs.
 * @property {NodeJS.ProcessEnv} environment The environment of this process. No step reads or changes another one.
 * @property {ReturnType<typeof createTerminal>} terminal
 * @property {AbortSignal} signal Aborted, with a SetupInterrupted, when set-up is to stop.
 */

const SETUP_FOLDER = path.dirname(fileURLToPath(import.meta.url));

/** The oldest Node that runs set-up itself. */
const OLDEST_SETUP_NODE_MAJOR = 20;

/** @type {NodeJS.Signals[]} */
const FORWARDED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * The same signal within this time is the same request: a terminal, npm and a supervisor that signals the whole process
 * group each deliver it. A person who presses Ctrl-C twice takes longer.
 */
const REPEATED_SIGNAL_WINDOW_MS = 1_000;

/** How often the life of npm is checked. */
const PARENT_CHECK_INTERVAL_MS = 500;

const EXIT_CODE_SETUP_FAILED = 1;
const EXIT_CODE_USAGE = 2;

await main();

async function main() {
	const [profileName = '', separator, ...command] = process.argv.slice(2);
	const profile = Object.hasOwn(PROFILES, profileName) ? PROFILES[profileName] : undefined;
	if (profile === undefined || (separator !== undefined && (separator !== '--' || command.length === 0))) {
		process.stderr.write(`Usage: node setup/run.mjs <${Object.keys(PROFILES).join('|')}> [-- <arguments for Node>]\n`);
		process.exit(EXIT_CODE_USAGE);
	}

	const terminal = createTerminal();
	if (Number(process.versions.node.split('.')[0]) < OLDEST_SETUP_NODE_MAJOR) {
		terminal.writeLine(
			`This is Node ${process.versions.node}. Install Node 20 or newer; 22.18 or newer saves a download.`,
		);
		process.exit(EXIT_CODE_SETUP_FAILED);
	}
	const interruption = new AbortController();
	const onSignal = routeSignals((signalName) => interruption.abort(new SetupInterrupted(signalName)));

	let ready;
	try {
		/** @type {SetupContext} */
		const context = {
			projectFolder: path.dirname(SETUP_FOLDER),
			cacheFolder: resolveCacheFolder(process.env),
			environment: { ...process.env },
			terminal,
			signal: interruption.signal,
		};
		ready = await setUp(context, profile);
	} catch (error) {
		process.exit(reportFailure(terminal, error));
	}
	if (interruption.signal.aborted) {
		process.exit(exitCodeOfSignal(interruption.signal.reason.signalName));
	}
	if (separator === undefined) {
		process.exit(0);
	}
	runNode(ready, command, onSignal);
}

/** @param {SetupContext} context @param {import('./profiles.mjs').Profile} profile */
async function setUp(context, profile) {
	const node = await ensureNode(context);
	await ensureDependencies(context, node);
	const variables = await ensureSystemPrograms(context, profile.programs);
	if (profile.worker) {
		variables['MEDIASOUP_WORKER_BIN'] = await ensureMediasoupWorker(context, node);
	}
	if (profile.s3) {
		variables['SEAWEEDFS_BIN'] = await ensureSeaweedfs(context);
	}
	/** @type {NodeJS.ProcessEnv} */
	const environment = {
		...withPathFirst(context.environment, path.dirname(node.executable)),
		...variables,
	};
	// npm sets these to the Node that it runs on, and some tools start that one instead of the first on the PATH.
	for (const name of ['NODE', 'npm_node_execpath']) {
		if (environment[name] !== undefined) {
			environment[name] = node.executable;
		}
	}
	return { node, environment };
}

/**
 * @param {Awaited<ReturnType<typeof setUp>>} ready
 * @param {string[]} command
 * @param {ReturnType<typeof routeSignals>} onSignal
 */
function runNode({ node, environment }, command, onSignal) {
	const lifeline = new URL('./lifeline.mjs', import.meta.url).href;
	const child = spawn(node.executable, ['--import', lifeline, ...command], {
		// The lifeline is descriptor 3, which is never written.
		stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
		env: { ...environment, SPILLWAY_LIFELINE_FD: '3' },
	});
	// An error of the pipe means that the child has ended; its exit event is handled.
	child.stdio[3]?.on('error', () => {});

	onSignal((signalName) => {
		// A terminal has sent it to the whole foreground group, the child included.
		if (signalName === 'SIGINT' && process.stdin.isTTY) {
			return;
		}
		child.kill(signalName);
	});
	watchParent(() => child.kill('SIGTERM'));
	child.once('error', (error) => {
		process.stderr.write(`${node.executable} could not be started: ${error.message}\n`);
		process.exit(EXIT_CODE_SETUP_FAILED);
	});
	child.once('exit', (exitCode, signalName) => {
		process.exit(exitCode ?? exitCodeOfSignal(signalName));
	});
}

/**
 * Detects a kill -9 of npm, which cannot be forwarded. Only under npm: a person who starts this file directly may
 * intend to leave it running.
 *
 * @param {() => void} onGone
 */
function watchParent(onGone) {
	if (process.env['npm_lifecycle_event'] === undefined) {
		return;
	}
	const parentId = process.ppid;
	const timer = setInterval(() => {
		if (process.ppid !== parentId) {
			clearInterval(timer);
			onGone();
		}
	}, PARENT_CHECK_INTERVAL_MS);
	timer.unref();
}

/**
 * Handles signals from the start, so that none is lost between set-up and the command: the handler is replaced, never
 * removed.
 *
 * @param {(signalName: NodeJS.Signals) => void} firstHandler
 */
function routeSignals(firstHandler) {
	let handler = firstHandler;
	const lastAtMs = new Map();
	for (const signalName of FORWARDED_SIGNALS) {
		process.on(signalName, () => {
			const nowMs = performance.now();
			const isRepetition = nowMs - (lastAtMs.get(signalName) ?? -Infinity) < REPEATED_SIGNAL_WINDOW_MS;
			lastAtMs.set(signalName, nowMs);
			if (!isRepetition) {
				handler(signalName);
			}
		});
	}
	return (/** @type {typeof firstHandler} */ nextHandler) => {
		handler = nextHandler;
	};
}

/** @param {SetupContext['terminal']} terminal @param {unknown} error */
function reportFailure(terminal, error) {
	if (error instanceof SetupInterrupted) {
		terminal.writeLine('Set-up stopped.');
		return exitCodeOfSignal(error.signalName);
	}
	if (!(error instanceof SetupError)) {
		// A bug of set-up, with its place in the stack.
		terminal.writeLine(`Set-up failed unexpectedly.\n${(error instanceof Error && error.stack) || error}`);
		return EXIT_CODE_SETUP_FAILED;
	}
	terminal.writeLine('');
	terminal.writeLine(`Set-up failed: ${error.message}`);
	if (error.output?.length > 0) {
		terminal.writeLine('');
		terminal.writeLine('What the tool printed:');
		error.output.forEach((line) => terminal.writeLine(`    ${line}`));
	}
	terminal.writeLine('');
	terminal.writeLine('What to do:');
	error.whatToDo.forEach((line) => terminal.writeLine(`  ${line}`));
	return EXIT_CODE_SETUP_FAILED;
}

/** @param {NodeJS.Signals | null} signalName */
function exitCodeOfSignal(signalName) {
	return 128 + (signalName === null ? 0 : os.constants.signals[signalName]);
}
