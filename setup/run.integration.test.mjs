/** Tests of the program behind the npm scripts: exit codes, signals, the lifeline, and messages of a failed set-up. */
import { spawn } from 'node:child_process';
import {
	chmodSync,
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const SETUP_FOLDER = path.dirname(fileURLToPath(import.meta.url));

/** Limit for every expected event. */
const DEADLINE_MS = 15_000;

const EMPTY_LOCK = JSON.stringify({ name: 'scratch', lockfileVersion: 3, requires: true, packages: { '': {} } });

/** Prints that it runs, counts SIGTERMs, and ends 300 ms after the first one with their number. */
const COUNTING_COMMAND = `
	let count = 0;
	process.on('SIGTERM', () => {
		count++;
		if (count === 1) {
			setTimeout(() => process.exit(40 + count), 300);
		}
	});
	setInterval(() => {}, 1000);
	console.log('ready', process.pid);
`;

/** Prints that it runs, and writes a file at SIGTERM. */
const ORDERLY_COMMAND = `
	import { writeFileSync } from 'node:fs';
	process.on('SIGTERM', () => {
		writeFileSync(process.argv[2], 'orderly');
		process.exit(0);
	});
	setInterval(() => {}, 1000);
	console.log('ready', process.pid);
`;

/** @type {string} */
let root;
/** @type {string} */
let project;
/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

beforeAll(async () => {
	root = mkdtempSync(path.join(os.tmpdir(), 'spillway-run-test-'));
	project = createProject('project', EMPTY_LOCK);
	// The only real npm of this file; later set-ups find the stamp.
	const prepared = await start(['check']).ended;
	expect(prepared.stderr).toContain('npm dependencies: installed');
	expect(prepared.exitCode).toBe(0);
});
afterEach(() => {
	for (const child of running) {
		child.kill('SIGKILL');
	}
});
afterAll(() => {
	rmSync(root, { recursive: true });
});

/**
 * A checkout with set-up and a lock file only, because tests must not change node_modules of the real one.
 *
 * @param {string} name
 * @param {string} lockText
 */
function createProject(name, lockText) {
	const folder = path.join(root, name);
	cpSync(SETUP_FOLDER, path.join(folder, 'setup'), { recursive: true });
	writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name: 'scratch', private: true, type: 'module' }));
	writeFileSync(path.join(folder, 'package-lock.json'), lockText);
	return folder;
}

/** @param {string} name @param {string} text */
function writeCommand(name, text) {
	const file = path.join(root, name);
	writeFileSync(file, text);
	return file;
}

/**
 * @param {string[]} runArguments
 * @param {{ folder?: string, environment?: NodeJS.ProcessEnv, nodeArguments?: string[] }} [options]
 */
function start(runArguments, { folder = project, environment = {}, nodeArguments = [] } = {}) {
	const child = spawn(process.execPath, [...nodeArguments, path.join(folder, 'setup', 'run.mjs'), ...runArguments], {
		stdio: ['pipe', 'pipe', 'pipe'],
		env: { ...process.env, SPILLWAY_SETUP_CACHE: path.join(root, 'cache'), ...environment },
	});
	running.add(child);
	const output = { stdout: '', stderr: '' };
	for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
		child[name].setEncoding('utf8').on('data', (/** @type {string} */ text) => (output[name] += text));
	}
	/** @type {Promise<{ exitCode: number | null, signalName: string | null, stdout: string, stderr: string }>} */
	const ended = new Promise((resolve) => {
		child.once('close', (exitCode, signalName) => {
			running.delete(child);
			resolve({ exitCode, signalName, ...output });
		});
	});
	return { child, output, ended };
}

/**
 * @template T
 * @param {string} what
 * @param {() => T} condition
 * @returns {Promise<NonNullable<T>>}
 */
async function waitFor(what, condition) {
	const deadline = Date.now() + DEADLINE_MS;
	for (;;) {
		const value = condition();
		if (value) {
			return value;
		}
		if (Date.now() > deadline) {
			throw new Error(`Waited ${DEADLINE_MS} ms without success for ${what}.`);
		}
		await sleep(20);
	}
}

/** @param {{ output: { stdout: string } }} run */
const waitForReady = async ({ output }) =>
	Number((await waitFor('the command', () => /ready (\d+)/.exec(output.stdout)))[1]);

/** @param {number} pid */
function isAlive(pid) {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
}

describe('the started command', () => {
	it('passes its exit code to the set-up process, which prints nothing when nothing is missing', async () => {
		const command = writeCommand('code.mjs', 'console.log(process.argv.slice(2).join(" ")); process.exit(7);');
		const { exitCode, stdout, stderr } = await start(['check', '--', command, '--demo', 'x y']).ended;
		expect(exitCode).toBe(7);
		expect(stdout).toBe('--demo x y\n');
		expect(stderr).toBe('');
	});

	it('ends the set-up process with 128 plus the signal when a signal ends it', async () => {
		const command = writeCommand('dies.mjs', "process.kill(process.pid, 'SIGKILL');");
		expect((await start(['check', '--', command]).ended).exitCode).toBe(128 + 9);
	});

	it('runs on a Node that strips types, which is first on its PATH, and can read standard input', async () => {
		const command = writeCommand(
			'environment.ts',
			`import { execFileSync } from 'node:child_process';
			const version: string = execFileSync('node', ['--version'], { encoding: 'utf8' }).trim();
			const input: string[] = await process.stdin.setEncoding('utf8').toArray();
			console.log(JSON.stringify({ version, own: process.version, input, lifeline: process.env.SPILLWAY_LIFELINE_FD }));`,
		);
		const { child, ended } = start(['check', '--', command]);
		child.stdin.end('hello');
		const { stdout, exitCode, stderr } = await ended;
		expect(stderr.replace(/^.*ExperimentalWarning.*\n.*--trace-warnings.*\n/m, '')).toBe('');
		expect(exitCode).toBe(0);
		const { version, own, input, lifeline } = JSON.parse(stdout);
		expect(version).toBe(own);
		expect(input).toEqual(['hello']);
		expect(lifeline).toBeUndefined();
	});

	it.each(/** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP']))('gets %s', async (signalName) => {
		const command = writeCommand(
			`${signalName}.mjs`,
			`process.on('${signalName}', () => process.exit(33)); setInterval(() => {}, 1000); console.log('ready', process.pid);`,
		);
		const run = start(['check', '--', command]);
		await waitForReady(run);
		run.child.kill(signalName);
		expect((await run.ended).exitCode).toBe(33);
	});

	it('gets one signal when npm and a group kill both deliver it', async () => {
		const run = start(['check', '--', writeCommand('counts.mjs', COUNTING_COMMAND)]);
		await waitForReady(run);
		run.child.kill('SIGTERM');
		await sleep(50);
		run.child.kill('SIGTERM');
		expect((await run.ended).exitCode).toBe(41);
	});

	it('gets SIGTERM when the set-up process is killed', async () => {
		const proof = path.join(root, 'proof');
		const run = start(['check', '--', writeCommand('orderly.mjs', ORDERLY_COMMAND), proof]);
		const pid = await waitForReady(run);
		run.child.kill('SIGKILL');
		await run.ended;
		await waitFor('the command to end', () => !isAlive(pid));
		expect(readFileSync(proof, 'utf8')).toBe('orderly');
	});

	it('is not kept alive by the lifeline', async () => {
		const { exitCode, stdout } = await start(['check', '--', writeCommand('short.mjs', "console.log('end');")]).ended;
		expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'end\n' });
	});
});

describe('the command line', () => {
	it.each([
		['no profile', []],
		['an unknown profile', ['deploy', '--', 'x.mjs']],
		['a name of Object.prototype', ['constructor', '--', 'x.mjs']],
		['no separator', ['check', 'x.mjs']],
		['nothing after the separator', ['check', '--']],
	])('is explained when there is %s', async (_title, runArguments) => {
		const { exitCode, stderr } = await start(runArguments).ended;
		expect(exitCode).toBe(2);
		expect(stderr).toBe('Usage: node setup/run.mjs <check|start|test> [-- <arguments for Node>]\n');
	});
});

describe('a failed set-up', () => {
	// An empty PATH, and a user who is not root.
	const withoutPrograms = () => {
		const bin = path.join(root, 'empty-bin');
		mkdirSync(bin, { recursive: true });
		return {
			environment: { PATH: bin, FFMPEG_BIN: '', MEDIASOUP_WORKER_BIN: '' },
			nodeArguments: ['--import', 'data:text/javascript,process.getuid = () => 1000;'],
		};
	};

	it('prints the command to run, and ends with 1, when a program is missing and the user is not root', async () => {
		const { exitCode, stdout, stderr } = await start(['start', '--', 'never.mjs'], withoutPrograms()).ended;
		expect(stderr).toContain('Set-up failed: Missing on this machine: ffmpeg (decodes and encodes).');
		expect(stderr).toContain('What to do:\n  Install and run the same command again:\n');
		expect(stderr).toMatch(/^ {6}\S.*ffmpeg$/m);
		if (existsSync('/usr/bin/apt-get')) {
			expect(stderr).toContain('      sudo apt-get install --no-install-recommends ffmpeg\n');
		}
		expect(stderr).toContain('FFMPEG_BIN');
		expect(stdout).toBe('');
		expect(exitCode).toBe(1);
	});

	it('names a variable with a missing file', async () => {
		const options = withoutPrograms();
		options.environment.FFMPEG_BIN = '/missing/ffmpeg';
		const { exitCode, stderr } = await start(['start'], options).ended;
		expect(stderr).toContain('FFMPEG_BIN is set to /missing/ffmpeg, which is not an executable file.');
		expect(exitCode).toBe(1);
	});

	it("prints npm's output and advice when the dependencies cannot be installed", async () => {
		const folder = createProject('failing', EMPTY_LOCK);
		const environment = installFakeNpm(
			'failing-npm',
			"console.error('npm error the registry is on fire'); process.exit(1);",
		);
		const { exitCode, stderr } = await start(['check', '--', 'never.mjs'], { folder, environment }).ended;
		expect(stderr).toContain('✗ npm dependencies: could not be installed');
		expect(stderr).toContain('npm ci failed');
		expect(stderr).toContain('    npm error the registry is on fire\n');
		expect(stderr).toContain('What to do:\n');
		expect(exitCode).toBe(1);
		expect(existsSync(path.join(folder, 'node_modules', '.spillway-setup.json'))).toBe(false);
	});

	it('prints advice when package-lock.json is missing', async () => {
		const folder = createProject('lockless', EMPTY_LOCK);
		rmSync(path.join(folder, 'package-lock.json'));
		const { exitCode, stderr } = await start(['check'], { folder }).ended;
		expect(stderr).toContain('package-lock.json is missing.');
		expect(stderr).toContain('What to do:\n');
		expect(exitCode).toBe(1);
	});
});

describe('a stopped set-up', () => {
	it.each(
		/** @type {const} */ ([
			['SIGINT', 130],
			['SIGTERM', 143],
		]),
	)('stops its children and grandchildren on %s', async (signalName, expectedCode) => {
		const folder = createProject(`stopped-${signalName}`, EMPTY_LOCK);
		const pidFile = path.join(root, `pid-${signalName}`);
		const environment = installFakeNpm(
			`slow-npm-${signalName}`,
			`const child = require('node:child_process').spawn('/bin/sleep', ['60']);
			require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));`,
		);
		const run = start(['check', '--', 'never.mjs'], { folder, environment });
		const pid = await waitFor('npm', () => (existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0));
		run.child.kill(signalName);
		const { exitCode, stderr } = await run.ended;
		expect(stderr).toContain('Set-up stopped.');
		expect(exitCode).toBe(expectedCode);
		await waitFor('the grandchild to end', () => !isAlive(pid));
	});
});

describe('two set-ups at once', () => {
	it('install the dependencies once', async () => {
		const folder = createProject('twice', EMPTY_LOCK);
		const log = path.join(root, 'npm-runs');
		const environment = installFakeNpm(
			'counting-npm',
			`require('node:fs').appendFileSync(${JSON.stringify(log)}, 'ci\\n'); setTimeout(() => {}, 1000);`,
		);
		const runs = [start(['check'], { folder, environment }), start(['check'], { folder, environment })];
		const results = await Promise.all(runs.map(({ ended }) => ended));
		expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
		expect(readFileSync(log, 'utf8')).toBe('ci\n');
	});
});

/**
 * Puts an npm on the PATH that runs the text.
 *
 * @param {string} name
 * @param {string} text
 */
function installFakeNpm(name, text) {
	const bin = path.join(root, name);
	mkdirSync(bin, { recursive: true });
	const program = path.join(bin, 'npm-cli.js');
	writeFileSync(program, text);
	chmodSync(program, 0o755);
	symlinkSync('npm-cli.js', path.join(bin, 'npm'));
	return { PATH: `${bin}${path.delimiter}${process.env['PATH']}`, npm_execpath: '' };
}
