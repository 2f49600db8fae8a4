/** Tests of the gate in front of a stage's live streams. */
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { writeSenderReport } from '../../core/wire/rtp/rtcp.ts';
import { DemandGate } from './demand-gate.ts';

const LIVE = 7;
const OTHER = 8;

let clock: FakeClock;
let sent: Buffer[];
let isWanted: boolean;
let gate: DemandGate;

beforeEach(() => {
	clock = new FakeClock();
	sent = [];
	isWanted = false;
	gate = new DemandGate({ clock, send: (packet) => sent.push(packet), isWanted: () => isWanted }, [LIVE]);
});

function send(number: number, ssrc = LIVE): void {
	const packet = Buffer.alloc(13);
	packet[0] = 0x80;
	packet.writeUInt16BE(number & 0xffff, 2);
	packet.writeUInt32BE(ssrc, 8);
	packet[12] = number & 0xff;
	gate.send(packet);
}

/** A packet every 10 ms. */
async function sendAll(first: number, last: number): Promise<void> {
	for (let number = first; number <= last; number++) {
		send(number);
		await clock.advance(10);
	}
}

/** Sent number and content of each packet. */
const passed = (): Array<[number: number, content: number]> =>
	sent.map((packet) => [packet.readUInt16BE(2), packet[12]!]);

describe('DemandGate', () => {
	it('passes all packets unchanged while they are wanted', async () => {
		isWanted = true;
		await sendAll(65_530, 65_545);
		expect(passed().map(([number]) => number)).toEqual([
			...Array.from({ length: 6 }, (_, index) => 65_530 + index),
			...Array.from({ length: 10 }, (_, index) => index),
		]);
	});

	it('passes one in 500 ms while none is wanted, with numbers that show no loss', async () => {
		await sendAll(65_500, 65_659);
		expect(passed()).toEqual([
			[65_500, 65_500 & 0xff],
			[65_501, 65_550 & 0xff],
			[65_502, 65_600 & 0xff],
			[65_503, 65_650 & 0xff],
		]);
	});

	it('passes all again from the next packet on, gaps of the publisher included', async () => {
		await sendAll(100, 120);
		isWanted = true;
		await sendAll(121, 123);
		await sendAll(126, 127);
		expect(passed()).toEqual([
			[100, 100],
			[101, 121],
			[102, 122],
			[103, 123],
			[106, 126],
			[107, 127],
		]);
	});

	it('puts a late packet in its place, and drops one from before the gap', async () => {
		await sendAll(100, 120);
		isWanted = true;
		for (const number of [121, 123, 119, 122]) {
			send(number);
		}
		expect(passed().slice(1)).toEqual([
			[101, 121],
			[103, 123],
			[102, 122],
		]);
	});

	it('holds packets back again when none is wanted any more', async () => {
		isWanted = true;
		await sendAll(1, 3);
		isWanted = false;
		await sendAll(4, 20);
		expect(passed()).toHaveLength(3);
	});

	it('passes reports and other streams always', () => {
		send(1);
		send(2);
		send(1, OTHER);
		send(2, OTHER);
		const report = { ssrc: LIVE, nowMs: 0, timestampTicks: 0, packetCount: 1, octetCount: 1, cname: 'stage' };
		gate.send(writeSenderReport(report));
		expect(sent).toHaveLength(4);
	});
});
