/**
 * A network namespace for a browser, connected to ours by a virtual cable. A firewall can cut off everything but the
 * server's HTTP port. Needs Linux, root and iproute2, and for cutting nftables.
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
import { type Publisher, throwFailure } from '../../source/publisher.ts';
import { ServerUnderTest, withPublisher } from './server-under-test.ts';

const COMMAND_TIMEOUT_MS = 10_000;
const TABLE = 'inet spillway_bench';
/** 198.18.0.0/15 is for benchmarks (RFC 2544). Each namespace has 16 of its addresses: four small networks. */
const NAMESPACE_COUNT = 2 ** 13;
/** Room for a tunnel's headers around a packet of 1500 bytes. */
const CABLE_MTU = 2000;

/** Where a viewer's browser runs. */
export type ViewerNetwork = {
	/** Address at which the server is reached from within. */
	readonly hostAddress: string;
	/** Writes an executable that runs `program` within, with its own arguments. */
	wrap(program: string): Promise<string>;
	/** Idempotent. */
	close(): Promise<void>;
};

/** Both ends of a cable, `ours` outside of the namespace. */
export type Cable = { ourDevice: string; theirDevice: string; ourAddress: string; theirAddress: string };

/** Exists until it is closed; its cables and its rules end with it. */
export class NetworkNamespace {
	readonly name: string;
	/** Unique on this machine while it exists. */
	readonly number: number;
	readonly #folder: string;
	readonly #cables: Cable[] = [];

	private constructor(number: number, folder: string) {
		this.number = number;
		this.name = `spillway-${number}`;
		this.#folder = folder;
	}

	/** Rejects with what is missing. */
	static async create(): Promise<NetworkNamespace> {
		await runCommand('tc', ['-V']).catch((error: unknown) => {
			throw new Error('This needs root and iproute2: apt-get install iproute2', { cause: error });
		});
		const folder = await mkdtemp(path.join(tmpdir(), 'spillway-netns-'));
		const namespace = new NetworkNamespace(randomInt(0, NAMESPACE_COUNT), folder);
		try {
			await runCommand('ip', ['netns', 'add', namespace.name]);
			await namespace.ip(['link', 'set', 'lo', 'up']);
			return namespace;
		} catch (error) {
			await namespace.close();
			throw error;
		}
	}

	/** Runs iproute2's `ip` on the devices within. */
	ip(commandArguments: readonly string[]): Promise<string> {
		return runCommand('ip', ['-n', this.name, ...commandArguments]);
	}

	/** Runs `tc` on the devices within. */
	tc(commandArguments: readonly string[]): Promise<string> {
		return runCommand('tc', ['-n', this.name, ...commandArguments]);
	}

	/** Of the namespace's small networks 0–3, each with the hosts 1 and 2 and a prefix of 30 bits. */
	address(network: number, host: 1 | 2): string {
		const offset = this.number * 16 + network * 4 + host;
		return `198.${18 + (offset >> 16)}.${(offset >> 8) & 255}.${offset & 255}`;
	}

	/** Connects it with our own namespace. */
	async addCable(): Promise<Cable> {
		const index = this.#cables.length;
		const [ourDevice, theirDevice] = [`spw${this.number}a${index}`, `spw${this.number}b${index}`];
		const cable = { ourDevice, theirDevice, ourAddress: this.address(index, 1), theirAddress: this.address(index, 2) };
		const peer = ['peer', 'name', theirDevice, 'mtu', String(CABLE_MTU), 'netns', this.name];
		await runCommand('ip', ['link', 'add', ourDevice, 'mtu', String(CABLE_MTU), 'type', 'veth', ...peer]);
		this.#cables.push(cable);
		await runCommand('ip', ['address', 'add', `${cable.ourAddress}/30`, 'dev', ourDevice]);
		await runCommand('ip', ['link', 'set', ourDevice, 'up']);
		await this.ip(['address', 'add', `${cable.theirAddress}/30`, 'dev', theirDevice]);
		await this.ip(['link', 'set', theirDevice, 'up']);
		return cable;
	}

	/** See {@link ViewerNetwork}. */
	async wrap(program: string): Promise<string> {
		const file = path.join(this.#folder, 'run-within');
		await writeFile(file, `#!/bin/sh\nexec ip netns exec ${this.name} '${program}' "$@"\n`);
		await chmod(file, 0o755);
		return file;
	}

	/** Drops, both ways and silently, every packet over the cable but those of the server's HTTP port. */
	async cutAllBut({ addresses }: ServerUnderTest): Promise<void> {
		await runCommand('nft', ['--version']).catch((error: unknown) => {
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

	/** Idempotent. Processes within continue without a network. */
	async close(): Promise<void> {
		for (const { ourDevice } of this.#cables.splice(0)) {
			await runCommand('ip', ['link', 'delete', ourDevice]).catch(() => undefined);
		}
		await runCommand('ip', ['netns', 'delete', this.name]).catch(() => undefined);
		await rm(this.#folder, { recursive: true, force: true });
	}

	async #nft(script: string): Promise<void> {
		await runCommand('ip', ['netns', 'exec', this.name, 'nft', '-f', '-'], script);
	}
}

/** Rejects with the program's last words. */
export function runCommand(program: string, programArguments: readonly string[], input?: string): Promise<string> {
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

/** A namespace whose cable carries everything at once. */
export async function createCabledNetwork(): Promise<ViewerNetwork & NetworkNamespace> {
	const namespace = await NetworkNamespace.create();
	try {
		const { ourAddress } = await namespace.addCable();
		return Object.assign(namespace, { hostAddress: ourAddress });
	} catch (error) {
		await namespace.close();
		throw error;
	}
}

/** See {@link inNetworks}. */
export type NetworkPlace<Network> = {
	network: Network;
	server: ServerUnderTest;
	/** The server's address from within. */
	origin: string;
	/** The channel's page, from within. */
	pageUrl: string;
	/** Starts Chromium within. */
	launchBrowser(): Promise<Browser>;
	publisher: Publisher;
	/** See {@link throwFailure}. */
	checkPublisher(): void;
};

/**
 * Starts networks, a server that is reached from all of them, and a publisher; ends everything afterwards. Needs root.
 */
export async function inNetworks<Network extends ViewerNetwork, Result>(
	options: {
		publisher: PublisherKind;
		settings: EncoderSettings;
		serverEnvironment?: Record<string, string>;
		create: ReadonlyArray<() => Promise<Network>>;
	},
	use: (places: Array<NetworkPlace<Network>>) => Promise<Result>,
): Promise<Result> {
	const networks: Network[] = [];
	try {
		for (const create of options.create) {
			networks.push(await create());
		}
		const announced = networks.map(({ hostAddress }) => hostAddress).join(',');
		const server = await ServerUnderTest.start({
			...options.serverEnvironment,
			SPILLWAY_RTC_ANNOUNCED_ADDRESSES: announced,
		});
		try {
			return await withPublisher(server, options, (publisher) =>
				use(networks.map((network) => placeOf(network, server, publisher))),
			);
		} finally {
			await server.stop();
		}
	} finally {
		for (const network of networks) {
			await network.close();
		}
	}
}

function placeOf<Network extends ViewerNetwork>(
	network: Network,
	server: ServerUnderTest,
	publisher: Publisher,
): NetworkPlace<Network> {
	const { httpUrl, channel } = server.addresses;
	const origin = `http://${network.hostAddress}:${new URL(httpUrl).port}`;
	return {
		network,
		server,
		origin,
		pageUrl: `${origin}/${channel}`,
		launchBrowser: async () => {
			const executable = await network.wrap(findChromium());
			// As with HTTPS: over HTTP, pages of other hosts may not use everything that the player uses.
			return launchChromium({ executable, secureOrigin: origin });
		},
		publisher,
		checkPublisher: () => throwFailure(publisher),
	};
}
