/**
 * Runs the project's checks in sequence and prints at the end which of them failed: `run-tests.mjs
 * [check|integration|e2e|coverage]`; without an argument all but coverage. run.mjs starts it on the right Node, after
 * set-up.
 */
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatDuration } from './terminal.mjs';

const PROJECT_FOLDER = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const EXIT_CODE_FAILED = 1;
const EXIT_CODE_USAGE = 2;

/** By content and options, not by dates, so that an old cache changes no result. tsc has another cache. */
const PRETTIER_CACHE = ['--cache', '--cache-strategy=content', '--cache-location=node_modules/.cache/checks/format'];

const vitest = (/** @type {string} */ project) => ['vitest', 'run', '--project', project];

/**
 * The steps by argument: a program of node_modules/.bin and its arguments.
 *
 * @type {Record<string, Array<{ name: string, command: string[] }>>}
 */
const STEPS = {
	check: [
		{ name: 'types', command: ['tsc', '--noEmit'] },
		{ name: 'types of web', command: ['vue-tsc', '--noEmit', '-p', 'web'] },
		{ name: 'lint', command: ['eslint', '.'] },
		{ name: 'format', command: ['prettier', '--check', '--log-level=warn', ...PRETTIER_CACHE, '.'] },
		{ name: 'unit tests', command: vitest('unit') },
	],
	integration: [{ name: 'integration tests', command: vitest('integration') }],
	e2e: [{ name: 'end-to-end tests', command: vitest('e2e') }],
	coverage: [{ name: 'coverage by unit tests', command: [...vitest('unit'), '--coverage', 'web/src/', 'ingest/'] }],
};
/** The default. */
const EVERYTHING = ['check', 'integration', 'e2e'];

const [wanted, ...furtherArguments] = process.argv.slice(2);
if (wanted !== undefined && !Object.hasOwn(STEPS, wanted)) {
	process.stderr.write(`Usage: run-tests.mjs [${Object.keys(STEPS).join('|')}] [arguments for the last step]\n`);
	process.exit(EXIT_CODE_USAGE);
}

/** @type {import('node:child_process').ChildProcess | undefined} */
let running;
/** @type {NodeJS.Signals | undefined} */
let stoppedBy;
for (const signalName of /** @type {NodeJS.Signals[]} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
	process.on(signalName, () => {
		stoppedBy = signalName;
		// A terminal has sent SIGINT to the whole foreground group already; after a second one vitest skips its clean-up.
		if (!(signalName === 'SIGINT' && process.stdin.isTTY)) {
			running?.kill(signalName);
		}
	});
}

const steps = (wanted === undefined ? EVERYTHING : [wanted]).flatMap((name) => STEPS[name] ?? []);
const outcomes = [];
for (const [index, { name, command }] of steps.entries()) {
	const [program = '', ...programArguments] = command;
	const isLast = index === steps.length - 1;
	process.stdout.write(`\n── ${name}\n`);
	const startedAtMs = performance.now();
	const exitCode = await runProgram(program, isLast ? [...programArguments, ...furtherArguments] : programArguments);
	if (stoppedBy !== undefined) {
		process.exit(128 + os.constants.signals[stoppedBy]);
	}
	outcomes.push({ name, isGood: exitCode === 0, duration: formatDuration(performance.now() - startedAtMs) });
}

process.stdout.write('\n');
for (const { name, isGood, duration } of outcomes) {
	process.stdout.write(`${isGood ? '✓' : '✗'} ${name} (${duration})\n`);
}
process.exit(outcomes.every(({ isGood }) => isGood) ? 0 : EXIT_CODE_FAILED);

/** @param {string} program @param {string[]} programArguments @returns {Promise<number>} */
function runProgram(program, programArguments) {
	// The target of the link, run by this Node: its first line names the `node` on the PATH.
	const file = realpathSync(path.join(PROJECT_FOLDER, 'node_modules', '.bin', program));
	return new Promise((resolve) => {
		running = spawn(process.execPath, [file, ...programArguments], { cwd: PROJECT_FOLDER, stdio: 'inherit' });
		running.once('error', (error) => {
			process.stderr.write(`${program} could not be started: ${error.message}\n`);
			resolve(EXIT_CODE_FAILED);
		});
		running.once('exit', (exitCode) => resolve(exitCode ?? EXIT_CODE_FAILED));
	});
}
