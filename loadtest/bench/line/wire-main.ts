/**
 * The wire between two tunnels, as a process of its own in its own network namespace: delays, loses and reorders every
 * packet. A process of its own because a busy bench must not delay packets.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { DelayLine } from '../measure/delay-line.ts';
import { type Line, REORDER_MS } from './line.ts';
import { LossModel, seededChance } from './loss-model.ts';
import { ResendCounter } from './resend-counter.ts';
import { completeChecksum, readInnerPacket } from './tunnel-frame.ts';
import type { FromWire, ToWire, WireAddresses, WireCounts, WireSetup } from './wire-messages.ts';

/** What waits in the kernel's queue counts against the buffer of the socket that sent it: one holds too little. */
const SENDER_COUNT = 16;
const BUFFER_BYTES = 4_000_000;

type End = WireAddresses['server'];

class Wire {
	readonly counts: WireCounts = {
		downPackets: 0,
		downBytes: 0,
		lostPackets: 0,
		overtakenPackets: 0,
		resentBytes: 0,
		upPackets: 0,
		upBytes: 0,
	};
	line: Line;
	readonly #loss: LossModel;
	readonly #resends = new ResendCounter();
	readonly #down = new DelayLine(systemClock);
	readonly #up = new DelayLine(systemClock);

	constructor({ line, seed }: WireSetup) {
		this.line = line;
		this.#loss = new LossModel(seededChance(seed));
	}

	async start({ server, viewer }: WireAddresses): Promise<void> {
		const downSenders = await openSenders(viewer);
		const upSenders = await openSenders(server);
		let next = 0;
		await listen(server, (frame) => this.#carryDown(frame, () => downSenders[next++ % SENDER_COUNT]!.send(frame)));
		await listen(viewer, (frame) => this.#carryUp(frame, () => upSenders[0]!.send(frame)));
	}

	#carryDown(frame: Buffer, leave: () => void): void {
		const { counts, line } = this;
		const packet = readInnerPacket(frame);
		if (packet === undefined) {
			this.#down.add(frame.length, leave, line.roundTripMs / 2);
			return;
		}
		completeChecksum(frame, packet);
		counts.downPackets++;
		counts.downBytes += packet.ipBytes;
		counts.resentBytes += this.#resends.resentBytes(frame, packet);
		const fate = this.#loss.next(line);
		if (fate === 'lost') {
			counts.lostPackets++;
			return;
		}
		counts.overtakenPackets += fate === 'overtaken' ? 1 : 0;
		this.#down.add(frame.length, leave, line.roundTripMs / 2, fate === 'overtaken' ? REORDER_MS : 0);
	}

	#carryUp(frame: Buffer, leave: () => void): void {
		const packet = readInnerPacket(frame);
		if (packet !== undefined) {
			completeChecksum(frame, packet);
			this.counts.upPackets++;
			this.counts.upBytes += packet.ipBytes;
		}
		this.#up.add(frame.length, leave, this.line.roundTripMs / 2);
	}
}

async function listen({ ours, port }: End, onFrame: (frame: Buffer) => void): Promise<void> {
	const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES });
	socket.on('message', onFrame);
	socket.bind(port, ours);
	await once(socket, 'listening');
}

async function openSenders({ ours, theirs, port }: End): Promise<Socket[]> {
	const sockets = Array.from({ length: SENDER_COUNT }, () =>
		createSocket({ type: 'udp4', sendBufferSize: BUFFER_BYTES }),
	);
	for (const socket of sockets) {
		// The kernel reports a refused datagram with the next one: it is lost, as on a real wire.
		socket.on('error', () => undefined);
		socket.bind(0, ours);
		await once(socket, 'listening');
		socket.connect(port, theirs);
		await once(socket, 'connect');
	}
	return sockets;
}

function send(message: FromWire): void {
	process.send!(message);
}

let wire: Wire | undefined;

process.on('message', (message: ToWire) => {
	if (message.type === 'start') {
		wire = new Wire(message.setup);
		void wire.start(message.setup.addresses).then(() => send({ type: 'started' }));
	} else if (message.type === 'line') {
		wire!.line = message.line;
	} else {
		send({ type: 'counts', counts: wire!.counts });
	}
});
// The bench has ended.
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
// Ctrl-C reaches the whole process group; the bench ends its children in order.
process.on('SIGINT', () => undefined);
// A late packet is the instrument's fault.
setPriority(constants.priority.PRIORITY_HIGHEST);
send({ type: 'ready' });
