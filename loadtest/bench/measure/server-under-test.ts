/** The server that is measured: a child on free ports with its own folder, or one that runs already. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { sleep, systemClock, withDeadline } from '../../../core/lifecycle/clock.ts';
import { createPublisher, type IngestAddresses, type PublisherKind } from '../../clients/create-publisher.ts';
import type { EncoderSettings } from '../../source/encoder-settings.ts';
import { ownChild } from '../../source/owned-children.ts';
import type { Publisher } from '../../source/publisher.ts';

export type ServerAddresses = IngestAddresses & { channel: string };

const START_DEADLINE_MS = 90_000;
const STOP_DEADLINE_MS = 10_000;
const POLL_INTERVAL_MS = 50;
const LIVE_DEADLINE_MS = 20_000;
const LIVE_POLL_MS = 100;
const OUTPUT_LINES = 60;
const ROOT = path.join(import.meta.dirname, '../../..');
const COPY_DATABASE = path.join(ROOT, 'signaling/testing/copy-database.ts');
const COPY_DEADLINE_MS = 60_000;

/** A child that we started, or the addresses of a foreign server, which is never stopped. */
export class ServerUnderTest {
	readonly addresses: ServerAddresses;
	/** The first error lines of our own server's log; empty for a foreign one. */
	readonly errors: readonly string[];
	readonly #child: ChildProcess | undefined;
	readonly #dataFolder: string | undefined;
	readonly #environment: Record<string, string>;

	private constructor(
		addresses: ServerAddresses,
		child?: ChildProcess,
		dataFolder?: string,
		errors: readonly string[] = [],
		environment: Record<string, string> = {},
	) {
		this.addresses = addresses;
		this.errors = errors;
		this.#environment = environment;
		this.#child = child;
		this.#dataFolder = dataFolder;
	}

	/** A foreign server. */
	static running(addresses: ServerAddresses): ServerUnderTest {
		return new ServerUnderTest(addresses);
	}

	/** Starts our own with free ports and a new data folder. Rejects with its last output when it does not come up. */
	static async start(environment: Record<string, string> = {}): Promise<ServerUnderTest> {
		const dataFolder = await mkdtemp(path.join(tmpdir(), 'spillway-bench-'));
		if (environment['DATABASE_URL'] === undefined) {
			// Making one takes seconds, which nobody measures here.
			const copy = [COPY_DATABASE, path.join(dataFolder, 'database')];
			await promisify(execFile)(process.execPath, copy, { timeout: COPY_DEADLINE_MS });
		}
		return ServerUnderTest.#startIn(dataFolder, `bench_${randomBytes(12).toString('hex')}`, environment);
	}

	static async #startIn(
		dataFolder: string,
		streamKey: string,
		environment: Record<string, string>,
	): Promise<ServerUnderTest> {
		const child = spawn(process.execPath, productArguments(), {
			cwd: ROOT,
			stdio: ['ignore', 'pipe', 'pipe'],
			env: {
				...process.env,
				SPILLWAY_HTTP_PORT: '0',
				SPILLWAY_RTMP_PORT: '0',
				SPILLWAY_RTC_PORT: '0',
				// The viewers are on this machine.
				SPILLWAY_RTC_ANNOUNCED_ADDRESSES: '127.0.0.1',
				SPILLWAY_DATA_FOLDER: dataFolder,
				SPILLWAY_DEMO_STREAM_KEY: streamKey,
				// No load balancer watches; the default costs a second at each stop.
				SPILLWAY_OPERATION_DRAIN_SECONDS: '0',
				// Rungs cost time of the processor; who measures them asks for them.
				SPILLWAY_INGEST_LADDER: process.env['SPILLWAY_INGEST_LADDER'] ?? 'off',
				// Figures are those of the same encoder everywhere, and no trial of another takes time of the processor.
				SPILLWAY_INGEST_ENCODER: process.env['SPILLWAY_INGEST_ENCODER'] ?? 'libx264',
				...environment,
			},
		});
		ownChild(child, 'SIGTERM');
		const output: string[] = [];
		const errors: string[] = [];
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding('utf8').on('data', (text: string) => {
				const lines = text.trimEnd().split('\n');
				output.push(...lines);
				errors.push(...lines.filter((line) => line.startsWith('{"level":50,')).slice(0, OUTPUT_LINES - errors.length));
				output.splice(0, output.length - OUTPUT_LINES);
			});
		}
		try {
			const addresses = { ...(await waitForEndpoints(child, dataFolder)), channel: 'demo', streamKey };
			return new ServerUnderTest(addresses, child, dataFolder, errors, environment);
		} catch (error) {
			await endChild(child);
			await rm(dataFolder, { recursive: true, force: true });
			throw new Error(`The server did not start. Its last output:\n${output.join('\n')}`, { cause: error });
		}
	}

	/** Of our own server. */
	get dataFolder(): string {
		return this.#dataFolder!;
	}

	/** Kills our own server as a power cut of its process, and starts another in the same folder, which it returns. */
	async crash(between: () => Promise<void> = () => Promise.resolve()): Promise<ServerUnderTest> {
		const exited = this.exit();
		this.#child!.kill('SIGKILL');
		await exited;
		// It names the ports of the killed one until the next has started.
		await rm(path.join(this.#dataFolder!, 'endpoints.json'), { force: true });
		await between();
		return ServerUnderTest.#startIn(this.#dataFolder!, this.addresses.streamKey, this.#environment);
	}

	/** Of our own server. */
	get pid(): number | undefined {
		return this.#child?.pid;
	}

	/** Resolves when our own server has ended, by itself or by a signal. */
	exit(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
		const child = this.#child;
		if (child === undefined) {
			throw new TypeError('A foreign server is not watched.');
		}
		if (child.exitCode !== null || child.signalCode !== null) {
			return Promise.resolve({ code: child.exitCode, signal: child.signalCode });
		}
		return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
	}

	/** Stops our own server and removes its folder; does nothing for a foreign one. */
	async stop(): Promise<void> {
		if (this.#child !== undefined) {
			await endChild(this.#child);
		}
		if (this.#dataFolder !== undefined) {
			await rm(this.#dataFolder, { recursive: true, force: true });
		}
	}
}

/** Node's arguments in `npm start`: the options of V8 belong to what is measured. */
function productArguments(): string[] {
	const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
		scripts: { start: string };
	};
	return scripts.start.split(' -- ')[1]!.split(' ');
}

async function waitForEndpoints(
	child: ChildProcess,
	dataFolder: string,
): Promise<{ httpUrl: string; rtmpUrl: string }> {
	const endMs = systemClock.monotonicMs() + START_DEADLINE_MS;
	while (systemClock.monotonicMs() < endMs) {
		if (child.exitCode !== null || child.signalCode !== null) {
			throw new Error(`It ended with ${child.signalCode ?? child.exitCode}.`);
		}
		try {
			const text = await readFile(path.join(dataFolder, 'endpoints.json'), 'utf8');
			const { httpUrl, rtmpUrl } = JSON.parse(text) as { httpUrl: string; rtmpUrl: string };
			return { httpUrl, rtmpUrl: rtmpUrl.endsWith('/live') ? rtmpUrl : `${rtmpUrl}/live` };
		} catch {
			// Not there yet, or incomplete.
			await sleep(systemClock, POLL_INTERVAL_MS);
		}
	}
	throw new Error(`It was not ready within ${START_DEADLINE_MS} ms.`);
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

/** Waits until the channel's LL-HLS address answers: both tiers can be watched then. */
export async function waitUntilLive({ httpUrl, channel }: { httpUrl: string; channel: string }): Promise<void> {
	const endMs = systemClock.monotonicMs() + LIVE_DEADLINE_MS;
	const url = new URL(`/hls/${channel}/index.m3u8`, httpUrl);
	let last = '';
	while (systemClock.monotonicMs() < endMs) {
		const response = await fetch(url, { signal: AbortSignal.timeout(LIVE_DEADLINE_MS) });
		const body = await response.text();
		if (response.ok) {
			return;
		}
		last = `${response.status} ${body.slice(0, 200)}`;
		await sleep(systemClock, LIVE_POLL_MS);
	}
	throw new Error(`The channel did not go live within ${LIVE_DEADLINE_MS} ms; its LL-HLS address says: ${last}`);
}

/** Publishes from before `use`, which begins when both tiers can be watched, until after it. */
export async function withPublisher<Result>(
	{ addresses }: ServerUnderTest,
	{ publisher: kind, settings }: { publisher: PublisherKind; settings: EncoderSettings },
	use: (publisher: Publisher) => Promise<Result>,
): Promise<Result> {
	const publisher = createPublisher(kind, settings, addresses);
	try {
		await publisher.start();
		await waitUntilLive(addresses);
		return await use(publisher);
	} finally {
		await publisher.stop();
	}
}
