/** Varnish and nginx with the files of docs/caches, on free ports before servers on this machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { sleep, systemClock, withDeadline } from '../../../core/lifecycle/clock.ts';
import { ownChild } from '../../source/owned-children.ts';

/** A running cache. */
export interface Cache {
	/** Without a slash at the end. */
	readonly url: string;
	readonly port: number;
	stop(): Promise<void>;
}

const CONFIGURATIONS = path.join(import.meta.dirname, '../../../docs/caches');
const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 5000;
const POLL_MS = 20;
const OUTPUT_BYTES = 4000;
/** Name of a line to edit → the value that the shipped file has, and another one. */
type Edits = Readonly<Record<string, readonly [shipped: string, value: string]>>;

/** Before two servers on these ports; with one server both are the same. */
export async function startVarnish(serverPorts: readonly [number, number]): Promise<Cache> {
	const program = programOf('VARNISHD_BIN', 'Varnish');
	const folder = await mkdtemp(path.join(tmpdir(), 'spillway-varnish-'));
	const port = await freePort();
	await writeEdited('varnish.vcl', path.join(folder, 'spillway.vcl'), {
		'probe interval': ['2s', '0.2s'],
		'server 1 host': ['127.0.0.1', '127.0.0.1'],
		'server 1 port': ['8080', String(serverPorts[0])],
		'server 2 host': ['127.0.0.1', '127.0.0.1'],
		'server 2 port': ['8080', String(serverPorts[1])],
		purgers: ['127.0.0.1', '127.0.0.1'],
	});
	const options = [
		...['-F', '-a', `127.0.0.1:${port}`, '-f', path.join(folder, 'spillway.vcl'), '-n', path.join(folder, 'work')],
		// Without the accounts of the package, which a container may lack.
		...['-j', 'none', '-s', 'malloc,128m', '-s', 'Transient=malloc,64m', '-p', 'thread_pools=1'],
	];
	return launch(program, options, { folder, port });
}

/** Before servers on these ports. `livePort`: Varnish's; without it nginx caches playlists and parts, too. */
export async function startNginx(serverPorts: readonly [number, number], livePort?: number): Promise<Cache> {
	const program = programOf('NGINX_BIN', 'nginx');
	const folder = await mkdtemp(path.join(tmpdir(), 'spillway-nginx-'));
	// A worker of nginx has no right to enter a folder of root's.
	await chmod(folder, 0o755);
	const port = await freePort();
	const purged = path.join(folder, 'purged');
	await mkdir(purged);
	await chmod(purged, 0o777);
	const socket = path.join(folder, 'purge.sock');
	const errorLog = path.join(folder, 'error.log');
	const file = path.join(folder, 'nginx.conf');
	await writeEdited('nginx.conf', file, {
		user: ['www-data', process.getuid?.() === 0 ? 'www-data' : userInfo().username],
		pid: ['/run/nginx.pid', path.join(folder, 'nginx.pid')],
		'error log': ['/var/log/nginx/error.log', errorLog],
		cache: ['/var/cache/nginx/spillway', path.join(folder, 'cache')],
		'server 1': ['127.0.0.1:8080', `127.0.0.1:${serverPorts[0]}`],
		'server 2': ['127.0.0.1:8080', `127.0.0.1:${serverPorts[1]}`],
		varnish: ['127.0.0.1:6081', `127.0.0.1:${livePort ?? serverPorts[0]}`],
		'live cache': ['off', livePort === undefined ? 'media' : 'off'],
		'purge socket': ['/run/nginx-purge.sock', socket],
		'purge listen': ['/run/nginx-purge.sock', socket],
		purged: ['/var/cache/nginx/purged', purged],
		'purge root': ['/var/cache/nginx/purged', purged],
		purgers: ['127.0.0.1', '127.0.0.1'],
		listen: ['80', `127.0.0.1:${port}`],
	});
	return launch(program, ['-c', file, '-e', errorLog, '-g', 'daemon off;'], { folder, port });
}

/**
 * The shipped file with other values in its lines that end with `# edit: name`. Throws when a line has no value here, a
 * value no line, or the file another value than the shipped one, so that what is tested is what is shipped.
 */
function editConfiguration(text: string, edits: Edits): string {
	const unused = new Set(Object.keys(edits));
	const edited = text.split('\n').map((line) => {
		const [, statement, name] = /^(\s*[^\s#].*) # edit: (.+)$/.exec(line) ?? [];
		if (statement === undefined || name === undefined) {
			return line;
		}
		const [shipped, value] = edits[name] ?? [];
		if (shipped === undefined || value === undefined || !statement.includes(shipped)) {
			throw new TypeError(`There is no value for the line "${line.trim()}".`);
		}
		unused.delete(name);
		return statement.replace(shipped, value);
	});
	if (unused.size > 0) {
		throw new TypeError(`There is no line for ${[...unused].join(', ')}.`);
	}
	return edited.join('\n');
}

async function writeEdited(name: string, file: string, edits: Edits): Promise<void> {
	await writeFile(file, editConfiguration(await readFile(path.join(CONFIGURATIONS, name), 'utf8'), edits));
}

function programOf(variable: string, name: string): string {
	const program = process.env[variable];
	if (program === undefined) {
		throw new Error(`${variable} is not set: "npm test" and "npm run bench" install ${name} and set it.`);
	}
	return program;
}

async function launch(
	program: string,
	options: readonly string[],
	{ folder, port }: { folder: string; port: number },
): Promise<Cache> {
	const child = spawn(program, options, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
	ownChild(child, 'SIGTERM');
	let output = '';
	for (const stream of [child.stdout, child.stderr]) {
		stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-OUTPUT_BYTES)));
	}
	const stop = async (): Promise<void> => {
		await endChild(child);
		await rm(folder, { recursive: true, force: true });
	};
	const endMs = systemClock.monotonicMs() + START_DEADLINE_MS;
	while (!(await answers(port))) {
		if (child.exitCode !== null || child.signalCode !== null || systemClock.monotonicMs() > endMs) {
			await stop();
			throw new Error(`${path.basename(program)} did not start. Its last output:\n${output}`);
		}
		await sleep(systemClock, POLL_MS);
	}
	return { url: `http://127.0.0.1:${port}`, port, stop };
}

async function endChild(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) {
		return;
	}
	const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
	child.kill('SIGTERM');
	await withDeadline(systemClock, exited, STOP_DEADLINE_MS, () => new Error('timeout')).catch(() => {
		child.kill('SIGKILL');
		return exited;
	});
}

function answers(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(port, '127.0.0.1', () => {
			socket.destroy();
			resolve(true);
		});
		socket.on('error', () => resolve(false));
	});
}

async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const { port } = server.address() as AddressInfo;
	await new Promise((resolve) => server.close(resolve));
	return port;
}
