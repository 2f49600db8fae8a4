/**
 * A network namespace for a browser. One virtual cable to ours can be a poor line; a firewall can cut off everything
 * but the server's HTTP port. Needs Linux, root and iproute2, and for cutting nftables.
 */
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { findChromium, launchChromium } from '../../clients/chromium/chromium.ts';
import type { PublisherKind } from '../../clients/create-publisher.ts';
import type { EncoderSettings } from '../../source/encoder-settings.ts';
import { throwFailure } from '../../source/publisher.ts';
import { ServerUnderTest, withPublisher } from './server-under-test.ts';

const COMMAND_TIMEOUT_MS = 10_000;
const TABLE = 'inet spillway_bench';

/** Exists until it is closed; its cable and its rules end with it. */
class NetworkNamespace {
	/** Address of our end of the cable, at which the server is reached from within. */
	readonly hostAddress: string;
	readonly #name: string;
	/** Our end of the cable, through which everything towards the browser goes. */
	readonly #device: string;
	readonly #folder: string;

	private constructor(name: string, device: string, hostAddress: string, folder: string) {
		this.#name = name;
		this.#device = device;
		this.hostAddress = hostAddress;
		this.#folder = folder;
	}

	/** Uses addresses of 198.18.0.0/15, which is for benchmarks (RFC 2544). Rejects with what is missing. */
	static async create(): Promise<NetworkNamespace> {
		const number = randomInt(0, 1 << 15);
		const name = `spillway-${number}`;
		const [ours, theirs] = [`spw${number}a`, `spw${number}b`];
		const base = number * 4;
		const address = (host: number): string => `198.${18 + (base >> 16)}.${(base >> 8) & 255}.${(base & 255) + host}`;
		await run('tc', ['-V']).catch((error: unknown) => {
			throw new Error('This needs root and iproute2: apt-get install iproute2', { cause: error });
		});
		const folder = await mkdtemp(path.join(tmpdir(), 'spillway-netns-'));
		const namespace = new NetworkNamespace(name, ours, address(1), folder);
		try {
			await run('ip', ['netns', 'add', name]);
			await run('ip', ['link', 'add', ours, 'type', 'veth', 'peer', 'name', theirs, 'netns', name]);
			await run('ip', ['address', 'add', `${address(1)}/30`, 'dev', ours]);
			await run('ip', ['link', 'set', ours, 'up']);
			await run('ip', ['-n', name, 'address', 'add', `${address(2)}/30`, 'dev', theirs]);
			await run('ip', ['-n', name, 'link', 'set', theirs, 'up']);
			await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
			return namespace;
		} catch (error) {
			await namespace.close();
			throw error;
		}
	}

	/** Writes an executable that runs `program` within, with its own arguments. */
	async wrap(program: string): Promise<string> {
		const file = path.join(this.#folder, 'run-within');
		await writeFile(file, `#!/bin/sh\nexec ip netns exec ${this.#name} '${program}' "$@"\n`);
		await chmod(file, 0o755);
		return file;
	}

	/** Drops, both ways and silently, every packet over the cable but those of the server's HTTP port. */
	async cutAllBut({ addresses }: ServerUnderTest): Promise<void> {
		await run('nft', ['--version']).catch((error: unknown) => {
			throw new Error('Cutting needs root and nftables: apt-get install nftables', { cause: error });
		});
		const rules = ['input', 'output'].map((hook) => {
			const [device, port] = hook === 'input' ? ['iifname', 'sport'] : ['oifname', 'dport'];
			return `chain ${hook} {
				type filter hook ${hook} priority 0; policy drop;
				${device} "lo" accept
				tcp ${port} ${new URL(addresses.httpUrl).port} accept
			}`;
		});
		await this.#nft(`table ${TABLE} {\n${rules.join('\n')}\n}`);
	}

	/** Ends a cut. */
	async restore(): Promise<void> {
		await this.#nft(`table ${TABLE} {}\ndelete table ${TABLE}`);
	}

	/** Limits the line towards the browser to that bitrate, with a queue of 200 ms. */
	async shape(bitrateBps: number): Promise<void> {
		// As small as possible, but a kernel with 250 ticks a second must let through what is due between two of them.
		const burstBytes = Math.max(4096, Math.ceil(bitrateBps / 8 / 100));
		const shaping = ['rate', `${bitrateBps}bit`, 'burst', String(burstBytes), 'latency', '200ms'];
		await run('tc', ['qdisc', 'replace', 'dev', this.#device, 'root', 'tbf', ...shaping]);
	}

	/** What was sent towards the browser since {@link shape}, and what the full queue dropped. */
	async lineCounts(): Promise<{ sentBytes: number; droppedPackets: number }> {
		const shown = JSON.parse(await run('tc', ['-s', '-j', 'qdisc', 'show', 'dev', this.#device, 'root'])) as Array<{
			bytes?: number;
			drops?: number;
		}>;
		return { sentBytes: shown[0]?.bytes ?? 0, droppedPackets: shown[0]?.drops ?? 0 };
	}

	/** Idempotent. Processes within continue without a network. */
	async close(): Promise<void> {
		await run('ip', ['netns', 'delete', this.#name]).catch(() => undefined);
		await rm(this.#folder, { recursive: true, force: true });
	}

	async #nft(script: string): Promise<void> {
		await run('ip', ['netns', 'exec', this.#name, 'nft', '-f', '-'], script);
	}
}

function run(program: string, programArguments: string[], input?: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const child = execFile(program, programArguments, { timeout: COMMAND_TIMEOUT_MS }, (error, out, stderr) => {
			if (error === null) {
				resolve(out);
			} else {
				reject(new Error(`${program} ${programArguments.join(' ')}: ${stderr.trim() || error.message}`));
			}
		});
		child.stdin?.end(input);
	});
}

/** See {@link inNetwork}. */
export type NetworkPlace = {
	network: NetworkNamespace;
	server: ServerUnderTest;
	/** The channel's page, from within. */
	pageUrl: string;
	/** Starts Chromium within. */
	launchBrowser(): Promise<Browser>;
	/** See {@link throwFailure}. */
	checkPublisher(): void;
};

/** Starts a network, a server that it can reach, and a publisher; ends everything afterwards. Needs root. */
export async function inNetwork<Result>(
	options: { publisher: PublisherKind; settings: EncoderSettings },
	use: (place: NetworkPlace) => Promise<Result>,
): Promise<Result> {
	const network = await NetworkNamespace.create();
	try {
		const server = await ServerUnderTest.start({ SPILLWAY_RTC_ANNOUNCED_ADDRESSES: network.hostAddress });
		try {
			const { httpUrl, channel } = server.addresses;
			const origin = `http://${network.hostAddress}:${new URL(httpUrl).port}`;
			return await withPublisher(server, options, (publisher) =>
				use({
					network,
					server,
					pageUrl: `${origin}/${channel}`,
					launchBrowser: async () => {
						const executable = await network.wrap(findChromium());
						// As with HTTPS: over HTTP, pages of other hosts may not use everything that the player uses.
						return launchChromium({ executable, secureOrigin: origin });
					},
					checkPublisher: () => throwFailure(publisher),
				}),
			);
		} finally {
			await server.stop();
		}
	} finally {
		await network.close();
	}
}
