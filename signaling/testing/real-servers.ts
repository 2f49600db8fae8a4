/** Starts real PostgreSQL, Redis and S3 servers for tests on free ports, in temporary folders. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { S3Options } from '../platform/objects/s3-connection.ts';
import { S3Store } from '../platform/objects/s3-store.ts';
import { until } from './until.ts';

/** A real server that a test can stop and restart. */
export type RealServer = {
	/** For DATABASE_URL, REDIS_URL or recording.s3.endpoint. */
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
	/** Files outside of the folder that it leaves behind. */
	leftovers?: readonly string[];
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

/** A bucket, and an access key that may do everything in it. */
export type RealS3 = RealServer & { readonly options: S3Options };

/** SeaweedFS with one bucket. */
export async function startS3(): Promise<RealS3> {
	const program = process.env['SEAWEEDFS_BIN'];
	if (program === undefined) {
		throw new Error('SEAWEEDFS_BIN is not set: "npm test" fetches SeaweedFS and sets it.');
	}
	const folder = mkdtempSync(join(tmpdir(), 'spillway-s3-'));
	const roles = ['s3', 'master', 'volume', 'filer', 'admin'] as const;
	const ports = await Promise.all(roles.map(async (role) => [role, await freePort(), await freePort()] as const));
	const [, port] = ports[0]!;
	const options: S3Options = {
		endpoint: `http://127.0.0.1:${port}`,
		publicEndpoint: `http://127.0.0.1:${port}`,
		region: 'us-east-1',
		bucket: 'recordings',
		accessKeyId: 'spillway',
		secretAccessKey: 'secret-of-the-tests',
		prefix: '',
	};
	const { accessKeyId: accessKey, secretAccessKey: secretKey, bucket } = options;
	const identity = { name: 'spillway', credentials: [{ accessKey, secretKey }], actions: ['Admin'] };
	writeFileSync(join(folder, 's3.json'), JSON.stringify({ identities: [identity] }));
	const settings = [
		`-dir=${folder}`,
		'-ip=127.0.0.1',
		'-ip.bind=127.0.0.1',
		...ports.flatMap(([role, http, grpc]) => [`-${role}.port=${http}`, `-${role}.port.grpc=${grpc}`]),
		`-s3.config=${join(folder, 's3.json')}`,
		`-bucket=${bucket}`,
		// Otherwise a put creates a missing bucket.
		'-s3.autoCreateBucket=false',
		`-s3.localSocket=${join(folder, 's3.sock')}`,
		`-filer.localSocket=${join(folder, 'filer.sock')}`,
		'-s3.port.iceberg=0',
		'-s3.port.lance=0',
		'-webdav=false',
		'-admin.ui=false',
		'-master.telemetry=false',
		// With the default it spends its time on making new volumes.
		'-master.volumeSizeLimitMB=1024',
	];
	const store = new S3Store({ clock: systemClock, logger: silentLogger }, { ...options, timeoutMs: 2000 });
	const server = await launch({
		url: options.endpoint,
		port,
		folder,
		// Not in the folder for temporary files that the environment names.
		leftovers: ports.map(([role, , grpc]) => join('/tmp', `seaweedfs-${role}-grpc-${grpc}.sock`)),
		start: () =>
			spawn(program, ['-logtostderr=true', 'mini', ...settings], {
				cwd: folder,
				env: { PATH: process.env['PATH'], HOME: folder },
				stdio: 'ignore',
			}),
		isReady: () =>
			store.put('ready', new Uint8Array(1)).then(
				() => true,
				() => false,
			),
	});
	await store.delete(['ready']);
	return Object.assign(server, { options });
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
		for (const left of [plan.folder, ...(plan.leftovers ?? [])]) {
			rmSync(left, { recursive: true, force: true });
		}
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
