/** Starts real PostgreSQL and Redis servers for tests on free ports, in temporary folders. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { until } from './until.ts';

/** A real server that a test can stop and restart. */
export type RealServer = {
	/** For DATABASE_URL or REDIS_URL. */
	readonly url: string;
	/** Kills the server as a power cut does, and keeps its folder and port. */
	kill(): Promise<void>;
	/** Restarts the server after kill(). */
	restart(): Promise<void>;
	/** Stops answering without closing connections (SIGSTOP), as a stuck machine does. */
	freeze(): void;
	thaw(): void;
	/** Ends the server and removes its folder. */
	stop(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
};

type ServerPlan = {
	url: string;
	port: number;
	folder: string;
	start: () => ChildProcess;
	isReady: () => Promise<boolean>;
};

/** Starts the newest installed version of PostgreSQL from Debian's packages. */
export async function startPostgres(): Promise<RealServer> {
	const binaries = findPostgresBinaries();
	const port = await freePort();
	const folder = mkdtempSync(join(tmpdir(), 'spillway-postgres-'));
	const account = postgresAccount();
	if (account !== undefined) {
		chownSync(folder, account.uid, account.gid);
	}
	const dataFolder = join(folder, 'data');
	const options = '-U spillway --auth=trust --no-sync --encoding=UTF8 --locale=C'.split(' ');
	const init = spawnSync(join(binaries, 'initdb'), ['-D', dataFolder, ...options], {
		...account,
		cwd: folder,
		encoding: 'utf8',
	});
	if (init.status !== 0) {
		rmSync(folder, { recursive: true, force: true });
		throw new Error(`initdb failed: ${init.stderr || String(init.error)}`);
	}
	const settings = ['listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${folder}`, 'fsync=off'];
	return launch({
		url: `postgres://spillway@127.0.0.1:${port}/postgres`,
		port,
		folder,
		start: () =>
			spawn(join(binaries, 'postgres'), ['-D', dataFolder, ...settings.flatMap((setting) => ['-c', setting])], {
				...account,
				cwd: folder,
				stdio: 'ignore',
			}),
		isReady: () =>
			Promise.resolve(spawnSync(join(binaries, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)]).status === 0),
	});
}

/** With `cluster`: a cluster of one node that owns all slots. */
export async function startRedis(options: { cluster?: boolean } = {}): Promise<RealServer> {
	const port = await freePort();
	const folder = mkdtempSync(join(tmpdir(), 'spillway-redis-'));
	const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
	if (options.cluster === true) {
		// The default cluster port is the port plus 10 000, which may exceed 65 535.
		settings.push('--cluster-enabled', 'yes', '--cluster-port', String(await freePort()));
		settings.push('--cluster-announce-ip', '127.0.0.1');
	}
	const server = await launch({
		url: `redis://127.0.0.1:${port}`,
		port,
		folder,
		start: () => spawn('redis-server', settings, { cwd: folder, stdio: 'ignore' }),
		isReady: async () => (await askRedis(port, 'PING')).startsWith('+PONG'),
	});
	if (options.cluster === true) {
		await askRedis(port, 'CLUSTER ADDSLOTSRANGE 0 16383');
		await until(
			async () => (await askRedis(port, 'CLUSTER INFO')).includes('cluster_state:ok'),
			'the cluster is ready',
		);
	}
	return server;
}

async function launch(plan: ServerPlan): Promise<RealServer> {
	let child = plan.start();
	const killNow = async (): Promise<void> => {
		if (child.exitCode === null && child.signalCode === null) {
			const exited = new Promise((resolve) => child.once('exit', resolve));
			// SIGQUIT makes PostgreSQL end its children at once; Redis has none.
			child.kill('SIGCONT');
			child.kill('SIGQUIT');
			const cancelKill = systemClock.setTimeout(() => child.kill('SIGKILL'), 3000);
			await exited;
			cancelKill();
		}
	};
	const stop = async (): Promise<void> => {
		await killNow();
		rmSync(plan.folder, { recursive: true, force: true });
	};
	const awaitReady = async (): Promise<void> => {
		await until(async () => {
			if (child.exitCode !== null) {
				throw new Error(`The server ended at once, with exit code ${child.exitCode}.`);
			}
			return plan.isReady();
		}, 'the server answers');
	};
	try {
		await awaitReady();
	} catch (error) {
		await stop();
		throw error;
	}
	return {
		url: plan.url,
		kill: killNow,
		async restart() {
			child = plan.start();
			await awaitReady();
		},
		freeze: () => void signalFamily(child, 'SIGSTOP'),
		thaw: () => void signalFamily(child, 'SIGCONT'),
		stop,
		[Symbol.asyncDispose]: stop,
	};
}

// PostgreSQL answers each connection in a child process, which must be stopped as well.
function signalFamily(parent: ChildProcess, signal: 'SIGSTOP' | 'SIGCONT'): void {
	const listed = spawnSync('ps', ['-o', 'pid=', '--ppid', String(parent.pid)], { encoding: 'utf8' }).stdout ?? '';
	for (const pid of [parent.pid!, ...listed.split(/\s+/).filter(Boolean).map(Number)]) {
		process.kill(pid, signal);
	}
}

function findPostgresBinaries(): string {
	const root = '/usr/lib/postgresql';
	const versions = existsSync(root)
		? readdirSync(root).filter((name) => existsSync(join(root, name, 'bin', 'postgres')))
		: [];
	const newest = versions.map(Number).sort((one, other) => other - one)[0];
	if (newest === undefined) {
		throw new Error('PostgreSQL is not installed: "npm test" installs it, or run "apt-get install postgresql".');
	}
	return join(root, String(newest), 'bin');
}

// PostgreSQL refuses to run as root; Debian's package has an account for it.
function postgresAccount(): { uid: number; gid: number } | undefined {
	if (process.getuid?.() !== 0) {
		return undefined;
	}
	const ids = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout));
	return { uid: ids[0]!, gid: ids[1]! };
}

async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const { port } = server.address() as AddressInfo;
	await new Promise((resolve) => server.close(resolve));
	return port;
}

/** Sends one command in Redis's inline form; resolves to '' without an answer. */
function askRedis(port: number, command: string): Promise<string> {
	return new Promise((resolve) => {
		const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`));
		socket.setTimeout(1000, () => socket.destroy());
		socket.once('data', (bytes) => {
			resolve(bytes.toString());
			socket.destroy();
		});
		socket.on('error', () => socket.destroy());
		socket.on('close', () => resolve(''));
	});
}
