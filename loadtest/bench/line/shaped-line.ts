/**
 * A network namespace behind a line that can be changed while it carries packets. Needs Linux, root and iproute2.
 *
 *     server ── tunnel ──► wire: loss, delay, order ──► token bucket: rate, queue ── tunnel ──► viewer's namespace
 *
 * The tunnels (VXLAN) put every packet, UDP or TCP, into a datagram for a program of ours, because not every kernel has
 * netem. The bucket stands behind that program: TCP slows down before it fills a queue on its own machine, and so never
 * meets one as in a network.
 */
import path from 'node:path';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { ForkedProgram } from '../../load/forked-program.ts';
import { type Cable, NetworkNamespace, runCommand, type ViewerNetwork } from '../measure/network-namespace.ts';
import { type Line, tokenBucketOptions } from './line.ts';
import { TUNNEL_BYTES } from './tunnel-frame.ts';
import type { FromWire, ToWire, WireAddresses, WireCounts } from './wire-messages.ts';

/** Since the line began. Bytes of IP packets. */
export type LineCounts = WireCounts & {
	/** Epoch milliseconds. */
	atMs: number;
	/** What left the queue towards the viewer, and what the full queue dropped. */
	receivedBytes: number;
	droppedPackets: number;
};

/**
 * How the server's TCP reacts to loss: Debian's default, whatever this machine's is. The two differ by a factor on a
 * line with loss.
 */
export const CONGESTION_CONTROLS = ['cubic', 'bbr'] as const;
export type CongestionControl = (typeof CONGESTION_CONTROLS)[number];

const REPLY_DEADLINE_MS = 10_000;
/** Of the namespace's small networks, after those of the two cables. */
const TUNNEL_NETWORK = 2;
const FIRST_PORT = 10_000;
const VIEWER_DEVICE = 'eth0';
/** The same chance in each run. */
const SEED = 1;

/** Exists until it is closed. */
export class ShapedLine implements ViewerNetwork {
	readonly #wire: NetworkNamespace;
	readonly #viewer: NetworkNamespace;
	readonly #tunnelDevice: string;
	#cable: Cable | undefined;
	#program: ForkedProgram<ToWire, FromWire> | undefined;
	#reply: ((message: FromWire) => void) | undefined;
	#line: Line;

	private constructor(wire: NetworkNamespace, viewer: NetworkNamespace, line: Line) {
		this.#wire = wire;
		this.#viewer = viewer;
		this.#line = line;
		this.#tunnelDevice = `spw${wire.number}t`;
	}

	static async create(line: Line, congestionControl: CongestionControl = 'cubic'): Promise<ShapedLine> {
		const wire = await NetworkNamespace.create();
		const viewer = await NetworkNamespace.create().catch(async (error: unknown) => {
			await wire.close();
			throw error;
		});
		const shaped = new ShapedLine(wire, viewer, line);
		try {
			await shaped.#connect(congestionControl);
			return shaped;
		} catch (error) {
			await shaped.close();
			throw error;
		}
	}

	get hostAddress(): string {
		return this.#wire.address(TUNNEL_NETWORK, 1);
	}

	/** Of the viewer. */
	get viewerAddress(): string {
		return this.#wire.address(TUNNEL_NETWORK, 2);
	}

	/** The line as it is now. */
	get line(): Line {
		return this.#line;
	}

	/** Changes the line. What waits in its queue stays there. */
	async set(line: Line): Promise<void> {
		this.#line = line;
		this.#program!.send({ type: 'line', line });
		await this.#setBucket();
	}

	async counts(): Promise<LineCounts> {
		const [reply, shown] = await Promise.all([
			this.#ask({ type: 'count' }),
			this.#wire.tc(['-s', '-j', 'qdisc', 'show', 'dev', this.#cable!.theirDevice, 'root']),
		]);
		if (reply.type !== 'counts') {
			throw new TypeError(`The wire answered with ${reply.type}.`);
		}
		const [bucket] = JSON.parse(shown) as Array<{ bytes?: number; drops?: number }>;
		return {
			...reply.counts,
			atMs: systemClock.nowMs(),
			receivedBytes: bucket?.bytes ?? 0,
			droppedPackets: bucket?.drops ?? 0,
		};
	}

	wrap(program: string): Promise<string> {
		return this.#viewer.wrap(program);
	}

	/** Idempotent. Processes within continue without a network. */
	async close(): Promise<void> {
		const program = this.#program;
		this.#program = undefined;
		if (program !== undefined) {
			program.child.kill('SIGTERM');
			await program.ended;
		}
		// The kernel deletes what is in a namespace later than the namespace.
		await this.#viewer.ip(['link', 'delete', VIEWER_DEVICE]).catch(() => undefined);
		await runCommand('ip', ['link', 'delete', this.#tunnelDevice]).catch(() => undefined);
		await this.#wire.close();
		await this.#viewer.close();
	}

	async #connect(congestionControl: CongestionControl): Promise<void> {
		const [serverCable, viewerCable] = [await this.#wire.addCable(), await this.#wire.addCable()];
		this.#cable = viewerCable;
		const port = FIRST_PORT + this.#wire.number * 2;
		const ends: WireAddresses = {
			server: { ours: serverCable.theirAddress, theirs: serverCable.ourAddress, port },
			viewer: { ours: viewerCable.theirAddress, theirs: viewerCable.ourAddress, port: port + 1 },
		};
		await this.#setBucket();
		await this.#startProgram(ends);
		await this.#addTunnel(this.#tunnelDevice, ends.server);
		const passing = `${this.#tunnelDevice}v`;
		await this.#addTunnel(passing, ends.viewer);
		await runCommand('ip', ['link', 'set', passing, 'netns', this.#viewer.name, 'name', VIEWER_DEVICE]);
		await this.#viewer.ip(['address', 'add', `${this.viewerAddress}/30`, 'dev', VIEWER_DEVICE]);
		await this.#viewer.ip(['link', 'set', VIEWER_DEVICE, 'up']);
		const device = ['dev', this.#tunnelDevice];
		await runCommand('ip', ['address', 'add', `${this.hostAddress}/30`, ...device]);
		await runCommand('ip', ['link', 'set', this.#tunnelDevice, 'up']);
		const route = [`${this.#wire.address(TUNNEL_NETWORK, 1).replace(/\d+$/, (host) => String(Number(host) - 1))}/30`];
		await runCommand('ip', ['route', 'change', ...route, ...device, 'congctl', congestionControl]);
	}

	// Packets are not joined to larger ones, which a line never carries.
	async #addTunnel(device: string, { ours, theirs, port }: WireAddresses['server']): Promise<void> {
		const tunnel = ['type', 'vxlan', 'id', String(this.#wire.number + 1), 'local', theirs, 'remote', ours];
		const options = ['dstport', String(port), 'nolearning', 'noudpcsum'];
		await runCommand('ip', ['link', 'add', device, 'gso_max_segs', '1', ...tunnel, ...options]);
	}

	async #startProgram(addresses: WireAddresses): Promise<void> {
		const ready = new Promise<FromWire>((resolve) => (this.#reply = resolve));
		this.#program = new ForkedProgram<ToWire, FromWire>(
			'the wire',
			path.join(import.meta.dirname, 'wire-main.ts'),
			[],
			(message) => this.#reply?.(message),
			await this.#wire.wrap(process.execPath),
		);
		await this.#inTime(ready);
		await this.#ask({ type: 'start', setup: { addresses, line: this.#line, seed: SEED } });
	}

	// One question at a time.
	async #ask(message: ToWire): Promise<FromWire> {
		const reply = new Promise<FromWire>((resolve) => (this.#reply = resolve));
		this.#program!.send(message);
		return this.#inTime(reply);
	}

	#inTime(reply: Promise<FromWire>): Promise<FromWire> {
		return this.#program!.inTime(systemClock, reply, REPLY_DEADLINE_MS, () => {
			return new Error(`The wire did not answer within ${REPLY_DEADLINE_MS} ms.`);
		});
	}

	// Counts the packet within the tunnel only.
	async #setBucket(): Promise<void> {
		const sizes = ['stab', 'overhead', String(-TUNNEL_BYTES), 'mtu', '2048', 'tsize', '512'];
		const device = ['dev', this.#cable!.theirDevice, 'root'];
		await this.#wire.tc(['qdisc', 'replace', ...device, ...sizes, 'tbf', ...tokenBucketOptions(this.#line)]);
	}
}
