/** Runs the tools of set-up (npm, apt-get, meson, …): without their output, and stopped with set-up. */
import { spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';

/** @import { Readable } from 'node:stream' */

/**
 * The part of a tool's output that is shown when it fails. Some tools print the reason first and then their usage
 * (npm), others print progress first and then the reason (compilers). More lines scroll the reason off the screen.
 */
const FIRST_LINES_COUNT = 10;
const LAST_LINES_COUNT = 20;

/**
 * Time for a stopped tool to clean up before it is killed. An incomplete node_modules costs npm all of it, although the
 * next `npm ci` deletes that. The person who pressed Ctrl-C is waiting.
 */
const STOP_GRACE_MS = 2_000;

/**
 * @param {{ signal?: AbortSignal }} context Aborting its signal stops the command and all processes that it started.
 * @param {string} command
 * @param {string[]} commandArguments
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {(line: string) => void} [options.onLine] Called with each line of standard output and standard error.
 * @param {(line: string) => void} [options.onStatusLine] Called with each line that the command writes to descriptor 3.
 * @param {number} [options.stopGraceMs] Time between stopping and killing it.
 * @param {number} [options.timeoutMs] Stops the command after this time; it then fails.
 * @returns {Promise<{ stdout: string }>}
 * @throws {Error & { output: string[] }} When it fails; throws the abort reason when it was stopped.
 */
export function runCommand(context, command, commandArguments, options = {}) {
	const { cwd, env = process.env, onLine, onStatusLine, stopGraceMs = STOP_GRACE_MS, timeoutMs } = options;
	return new Promise((resolve, reject) => {
		context.signal?.throwIfAborted();
		const child = spawn(command, commandArguments, {
			cwd,
			env,
			stdio: onStatusLine ? ['ignore', 'pipe', 'pipe', 'pipe'] : ['ignore', 'pipe', 'pipe'],
			// A new process group, so that stopping it reaches compilers and lifecycle scripts as well.
			detached: true,
		});

		const output = createExcerpt();
		let stdout = '';
		const keepLine = (/** @type {string} */ line) => {
			output.add(line);
			onLine?.(line);
		};
		eachLine(/** @type {Readable} */ (child.stdout), keepLine, (text) => {
			stdout += text;
		});
		eachLine(/** @type {Readable} */ (child.stderr), keepLine);
		if (onStatusLine) {
			eachLine(/** @type {Readable} */ (child.stdio[3]), onStatusLine);
		}

		let timedOut = false;
		/** @type {NodeJS.Timeout[]} */
		const killTimers = [];
		const stop = () => {
			signalGroup(child.pid, 'SIGTERM');
			killTimers.push(setTimeout(() => signalGroup(child.pid, 'SIGKILL'), stopGraceMs));
		};
		context.signal?.addEventListener('abort', stop, { once: true });
		if (timeoutMs !== undefined) {
			const timer = setTimeout(() => {
				timedOut = true;
				stop();
			}, timeoutMs);
			killTimers.push(timer);
		}
		const finish = () => {
			context.signal?.removeEventListener('abort', stop);
			killTimers.forEach(clearTimeout);
		};

		const fail = (/** @type {string} */ outcome) =>
			reject(Object.assign(new Error(`${command} ${outcome}`), { output: output.lines() }));

		child.once('error', (error) => {
			finish();
			fail(`could not be started: ${error.message}`);
		});
		child.once('close', (exitCode, signalName) => {
			finish();
			if (context.signal?.aborted) {
				// Its children may outlive it (npm does not wait for a grandchild).
				signalGroup(child.pid, 'SIGKILL');
				reject(context.signal.reason);
			} else if (timedOut) {
				signalGroup(child.pid, 'SIGKILL');
				fail(`took longer than ${timeoutMs} ms`);
			} else if (exitCode === 0) {
				resolve({ stdout });
			} else {
				fail(exitCode === null ? `was ended by ${signalName}` : `ended with code ${exitCode}`);
			}
		});
	});
}

function createExcerpt() {
	/** @type {string[]} */
	const first = [];
	/** @type {string[]} */
	const last = [];
	let omittedCount = 0;
	return {
		/** @param {string} line */
		add(line) {
			if (line.trim() === '') {
				return;
			}
			if (first.length < FIRST_LINES_COUNT) {
				first.push(line);
				return;
			}
			last.push(line);
			if (last.length > LAST_LINES_COUNT) {
				last.shift();
				omittedCount++;
			}
		},
		lines: () => [...first, ...(omittedCount > 0 ? [`… ${omittedCount} lines …`] : []), ...last],
	};
}

/** @param {Readable} stream @param {(line: string) => void} onLine @param {(text: string) => void} [onText] */
function eachLine(stream, onLine, onText) {
	const decoder = new StringDecoder('utf8');
	let rest = '';
	stream.on('data', (chunk) => {
		const text = decoder.write(chunk);
		onText?.(text);
		const lines = (rest + text).split(/\r?\n|\r/);
		rest = /** @type {string} */ (lines.pop());
		lines.forEach(onLine);
	});
	stream.on('end', () => {
		if (rest !== '') {
			onLine(rest);
		}
	});
}

/** @param {number | undefined} pid @param {NodeJS.Signals} signalName */
function signalGroup(pid, signalName) {
	if (pid === undefined) {
		return;
	}
	try {
		process.kill(-pid, signalName);
	} catch {
		// The whole group has ended already.
	}
}
