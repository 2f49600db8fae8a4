/**
 * Runs the project's checks and lists at the end which of them failed: `run-tests.mjs
 * [check|integration|e2e|coverage]`. Without an argument it runs all but coverage. run.mjs starts it on the right Node,
 * after set-up.
 */
import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatDuration } from './terminal.mjs';

const PROJECT_FOLDER = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const BIN_FOLDER = path.join(PROJECT_FOLDER, 'node_modules', '.bin');

const EXIT_CODE_FAILED = 1;
const EXIT_CODE_USAGE = 2;
/** One step a core; the longest step takes as long as all others together, so a third lane saves no time. */
const MAX_LANES = 2;

/** By content and options, not by dates, so that an old cache changes no result. tsc has another cache. */
const PRETTIER_CACHE = ['--cache', '--cache-strategy=content', '--cache-location=node_modules/.cache/checks/format'];

const vitest = (/** @type {string} */ project) => ['vitest', 'run', '--project', project];

/**
 * The steps by argument: a program of node_modules/.bin and its arguments. Steps marked `isParallel` use one core each
 * and only read, so they run in parallel.
 *
 * @type {Record<string, Array<{ name: string, command: string[], isParallel?: boolean }>>}
 */
const STEPS = {
	check: [
		// The longest first, so that the others run next to it. Web has another TypeScript program, so linting it
		// separately loads no program twice.
		{ name: 'lint', command: ['eslint', '--ignore-pattern=web/', '.'], isParallel: true },
		{ name: 'lint of web', command: ['eslint', 'web'], isParallel: true },
		{ name: 'types', command: ['tsc', '--noEmit'], isParallel: true },
		{ name: 'types of web', command: ['vue-tsc', '--noEmit', '-p', 'web'], isParallel: true },
		{ name: 'format', command: ['prettier', '--check', '--log-level=warn', ...PRETTIER_CACHE, '.'], isParallel: true },
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

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
for (const signalName of /** @type {NodeJS.Signals[]} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
	process.on(signalName, () => {
		process.exitCode = 128 + os.constants.signals[signalName];
		// A terminal has sent SIGINT to the whole foreground group already; after a second one vitest skips its clean-up.
		if (!(signalName === 'SIGINT' && process.stdin.isTTY)) {
			for (const child of running) {
				child.kill(signalName);
			}
		}
	});
}
/** A signal has ended the run: waiting steps do not begin. */
const isStopped = () => process.exitCode !== undefined;

const steps = (wanted === undefined ? EVERYTHING : [wanted]).flatMap((name) => STEPS[name] ?? []);
const parallelSteps = steps.filter(({ isParallel }) => isParallel);
/** @type {Array<{ name: string, isGood: boolean, duration: string }>} */
const outcomes = [];

const waiting = [...parallelSteps];
const lanes = Array.from({ length: Math.min(os.availableParallelism(), MAX_LANES) }, async () => {
	for (let step = waiting.shift(); step !== undefined && !isStopped(); step = waiting.shift()) {
		await runStep(step.name, step.command, 'shown-at-end');
	}
});
await Promise.all(lanes);
for (const step of steps.filter(({ isParallel }) => !isParallel)) {
	if (!isStopped()) {
		const isLast = step === steps.at(-1);
		await runStep(step.name, isLast ? [...step.command, ...furtherArguments] : step.command, 'shown-live');
	}
}
if (isStopped()) {
	process.exit();
}

process.stdout.write('\n');
for (const { name, isGood, duration } of outcomes) {
	process.stdout.write(`${isGood ? '✓' : '✗'} ${name} (${duration})\n`);
}
process.exit(outcomes.every(({ isGood }) => isGood) ? 0 : EXIT_CODE_FAILED);

/**
 * @param {string} name @param {string[]} command @param {'shown-live' | 'shown-at-end'} output @returns {Promise<void>}
 */
async function runStep(name, command, output) {
	const title = `\n── ${name}\n`;
	const startedAtMs = performance.now();
	if (output === 'shown-live') {
		process.stdout.write(title);
	}
	const { exitCode, text } = await runProgram(command, output);
	process.stdout.write(output === 'shown-at-end' ? title + text : text);
	outcomes.push({ name, isGood: exitCode === 0, duration: formatDuration(performance.now() - startedAtMs) });
}

/**
 * @param {string[]} command @param {'shown-live' | 'shown-at-end'} output
 * @returns {Promise<{ exitCode: number, text: string }>}
 */
function runProgram([program = '', ...programArguments], output) {
	return new Promise((resolve) => {
		const stream = output === 'shown-live' ? 'inherit' : 'pipe';
		const child = spawn(process.execPath, [path.join(BIN_FOLDER, program), ...programArguments], {
			cwd: PROJECT_FOLDER,
			stdio: ['inherit', stream, stream],
		});
		running.add(child);
		let text = '';
		for (const pipe of [child.stdout, child.stderr]) {
			pipe?.setEncoding('utf8').on('data', (/** @type {string} */ chunk) => (text += chunk));
		}
		child.once('error', (error) =>
			resolve({ exitCode: EXIT_CODE_FAILED, text: `${text}${program}: ${error.message}\n` }),
		);
		child.once('close', (exitCode) => {
			running.delete(child);
			resolve({ exitCode: exitCode ?? EXIT_CODE_FAILED, text });
		});
	});
}
