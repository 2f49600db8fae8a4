/** The real line, by the packets that pass. The bounds are wide, because other tests share the machine. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { median } from '../../../core/percentiles.ts';
import { ForkedProgram } from '../../load/forked-program.ts';
import { runCommand } from '../measure/network-namespace.ts';
import { type Line, PERFECT_LINE } from './line.ts';
import { ShapedLine } from './shaped-line.ts';
import type { FromProbe, ProbeArrival, ToProbe } from './testing/probe-messages.ts';

const PROBE_FILE = path.join(import.meta.dirname, 'testing/probe-main.ts');
const REPLY_DEADLINE_MS = 20_000;
const ARRIVAL_DEADLINE_MS = 15_000;
/** UDP and IP headers. */
const HEADER_BYTES = 28;

// The right to make a namespace, which root in a container may lack.
const NAME = `spillway-try-${process.pid}`;
const hasRight = await runCommand('ip', ['netns', 'add', NAME])
	.then(() => runCommand('ip', ['netns', 'delete', NAME]))
	.then(
		() => true,
		() => false,
	);

class Probe {
	readonly #program: ForkedProgram<ToProbe, FromProbe>;
	#reply: (message: FromProbe) => void = () => undefined;
	port = 0;

	constructor(execPath: string) {
		this.#program = new ForkedProgram('the probe', PROBE_FILE, [], (message) => this.#reply(message), execPath);
	}

	static async start(line: ShapedLine): Promise<Probe> {
		const probe = new Probe(await line.wrap(process.execPath));
		const ready = await probe.#answer();
		probe.port = ready.type === 'ready' ? ready.port : 0;
		return probe;
	}

	ask(message: ToProbe): Promise<FromProbe> {
		const reply = this.#answer();
		this.#program.send(message);
		return reply;
	}

	async close(): Promise<void> {
		this.#program.child.kill('SIGTERM');
		await this.#program.ended;
	}

	#answer(): Promise<FromProbe> {
		const reply = new Promise<FromProbe>((resolve) => (this.#reply = resolve));
		return this.#program.inTime(systemClock, reply, REPLY_DEADLINE_MS, () => new Error('The probe is silent.'));
	}
}

describe.runIf(hasRight)('a shaped line (skipped without the right to make network namespaces)', () => {
	let line: ShapedLine;
	let probe: Probe;
	let socket: Socket;
	let roundTripsMs: number[] = [];

	beforeAll(async () => {
		line = await ShapedLine.create(PERFECT_LINE);
		probe = await Probe.start(line);
		socket = createSocket('udp4');
		socket.on('message', (data) => roundTripsMs.push(systemClock.nowMs() - data.readDoubleBE(4)));
		socket.bind(0, line.hostAddress);
		await once(socket, 'listening');
	});

	afterAll(async () => {
		socket.close();
		await probe.close();
		await line.close();
	});

	// Some every 5 ms, so that an unlimited line never drops them.
	async function sendThrough(change: Partial<Line>, { bytes, perTurn, turns }: Record<string, number>) {
		await line.set({ ...PERFECT_LINE, ...change });
		await probe.ask({ type: 'collect' });
		const before = await line.counts();
		roundTripsMs = [];
		for (let number = 0; number < perTurn! * turns!; number++) {
			const data = Buffer.alloc(bytes!);
			data.writeUInt32BE(number, 0);
			data.writeDoubleBE(systemClock.nowMs(), 4);
			socket.send(data, probe.port, line.viewerAddress);
			if (number % perTurn! === 0) {
				await sleep(systemClock, 5);
			}
		}
		const sentCount = perTurn! * turns!;
		const arrivals: ProbeArrival[] = [];
		const endMs = systemClock.monotonicMs() + ARRIVAL_DEADLINE_MS;
		for (;;) {
			await sleep(systemClock, 200);
			const reply = await probe.ask({ type: 'collect' });
			arrivals.push(...(reply.type === 'arrivals' ? reply.arrivals : []));
			const after = await line.counts();
			const counted = {
				downPackets: after.downPackets - before.downPackets,
				lostPackets: after.lostPackets - before.lostPackets,
				droppedPackets: after.droppedPackets - before.droppedPackets,
				receivedBytes: after.receivedBytes - before.receivedBytes,
			};
			const isComplete = arrivals.length + counted.lostPackets + counted.droppedPackets >= sentCount;
			if (isComplete || systemClock.monotonicMs() > endMs) {
				return { sentCount, arrivals, counted };
			}
		}
	}

	const inOrder = (arrivals: readonly ProbeArrival[]): boolean =>
		arrivals.every(({ number }, index) => index === 0 || number > arrivals[index - 1]!.number);

	it('carries everything in order, when it is perfect, and a download over TCP byte by byte', async () => {
		const { sentCount, arrivals, counted } = await sendThrough({}, { bytes: 200, perTurn: 10, turns: 100 });
		expect(arrivals).toHaveLength(sentCount);
		expect(inOrder(arrivals)).toBe(true);
		expect(counted).toMatchObject({ downPackets: sentCount, lostPackets: 0, droppedPackets: 0 });
		const body = randomBytes(2_000_000);
		const server = createServer((_request, response) => response.end(body)).listen(0, line.hostAddress);
		await once(server, 'listening');
		const url = `http://${line.hostAddress}:${(server.address() as AddressInfo).port}/`;
		const downloaded = await probe.ask({ type: 'download', url });
		server.close();
		const hash = createHash('sha256').update(body).digest('hex');
		expect(downloaded).toEqual({ type: 'downloaded', hash, byteCount: body.length });
	});

	it('delays both ways, and loses the ratio of the packets in bursts', async () => {
		const change = { roundTripMs: 100, lossRatio: 0.1, lossBurst: 3 };
		const { sentCount, arrivals, counted } = await sendThrough(change, { bytes: 200, perTurn: 10, turns: 300 });
		const lostCount = sentCount - arrivals.length;
		expect(lostCount / sentCount).toBeGreaterThan(0.06);
		expect(lostCount / sentCount).toBeLessThan(0.14);
		expect(counted.lostPackets).toBe(lostCount);
		expect(lostCount % 3).toBe(0);
		const oneWayMs = median(arrivals.map(({ sentAtMs, arrivedAtMs }) => arrivedAtMs - sentAtMs));
		expect(oneWayMs).toBeGreaterThan(48);
		expect(oneWayMs).toBeLessThan(250);
		expect(median(roundTripsMs)).toBeGreaterThan(98);
		expect(median(roundTripsMs)).toBeLessThan(500);
	});

	it('lets some packets be overtaken', async () => {
		const change = { roundTripMs: 20, reorderRatio: 0.1 };
		const { sentCount, arrivals } = await sendThrough(change, { bytes: 200, perTurn: 10, turns: 100 });
		expect(arrivals).toHaveLength(sentCount);
		expect(inOrder(arrivals)).toBe(false);
	});

	it('passes its rate of IP packets, waits for its queue and drops the rest', async () => {
		const bytes = 1000;
		const { sentCount, arrivals, counted } = await sendThrough({ downBps: 1e6 }, { bytes, perTurn: 2, turns: 200 });
		expect(arrivals.length + counted.droppedPackets).toBe(sentCount);
		expect(counted.droppedPackets).toBeGreaterThan(0);
		// Besides them only what finds the other end's hardware address.
		expect(counted.receivedBytes / (arrivals.length * (bytes + HEADER_BYTES))).toBeCloseTo(1, 2);
		expect(inOrder(arrivals)).toBe(true);
		// While the queue is full: from the middle of what arrived on.
		const steady = arrivals.slice(Math.floor(arrivals.length / 2));
		const overMs = steady.at(-1)!.arrivedAtMs - steady[0]!.arrivedAtMs;
		const bps = ((steady.length - 1) * (bytes + HEADER_BYTES) * 8000) / overMs;
		expect(bps).toBeGreaterThan(0.6e6);
		expect(bps).toBeLessThan(1.5e6);
		const waitedMs = Math.max(...arrivals.map(({ sentAtMs, arrivedAtMs }) => arrivedAtMs - sentAtMs));
		expect(waitedMs).toBeGreaterThan(150);
		expect(waitedMs).toBeLessThan(1500);
	});
});
