/** Runs at the viewer's end of a line under test: receives datagrams, sends them back, and downloads over TCP. */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import type { FromProbe, ProbeArrival, ToProbe } from './probe-messages.ts';

const arrivals: ProbeArrival[] = [];
/** A busy machine must not lose what the line has carried. */
const BUFFER_BYTES = 4_000_000;
const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES });

function send(message: FromProbe): void {
	process.send!(message);
}

socket.on('message', (data, { address, port }) => {
	arrivals.push({ number: data.readUInt32BE(0), sentAtMs: data.readDoubleBE(4), arrivedAtMs: systemClock.nowMs() });
	socket.send(data.subarray(0, 12), port, address);
});

process.on('message', (message: ToProbe) => {
	if (message.type === 'collect') {
		send({ type: 'arrivals', arrivals: arrivals.splice(0) });
		return;
	}
	void fetch(message.url)
		.then(async (response) => Buffer.from(await response.arrayBuffer()))
		.then((body) => {
			send({ type: 'downloaded', hash: createHash('sha256').update(body).digest('hex'), byteCount: body.length });
		});
});
process.on('disconnect', () => process.exit(0));
socket.bind(0, () => send({ type: 'ready', port: socket.address().port }));
