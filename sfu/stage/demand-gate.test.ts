/** Tests of the gate in front of a stage's live streams. */
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { writeSenderReport } from '../../core/wire/rtp/rtcp.ts';
import { stageHeaderBytes, writeStageHeader, type StageDescriptor } from '../../core/wire/rtp/rtp-packet.ts';
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

function send(number: number, { ssrc = LIVE, descriptor }: { ssrc?: number; descriptor?: StageDescriptor } = {}): void {
	const headerBytes = stageHeaderBytes({ descriptor });
	const packet = Buffer.alloc(headerBytes + 1, number & 0xff);
	const fields = { payloadType: 108, hasMarker: false, sequenceNumber: number, timestampTicks: 0, ssrc };
	writeStageHeader(packet, fields, { seconds: 0, fraction: 0 }, { descriptor });
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
	sent.map((packet) => [packet.readUInt16BE(2), packet.at(-1)!]);

describe('DemandGate', () => {
	it('passes all packets unchanged while they are wanted', async () => {
		isWanted = true;
		await sendAll(65_530, 65_545);
		expect(passed().map(([number]) => number)).toEqual([
			...Array.from({ length: 6 }, (_, index) => 65_530 + index),
			...Array.from({ length: 10 }, (_, index) => index),
		]);
	});

	it.each([
		['from the start', 40_000, 0],
		['after a gap', 40_000, 50],
		['after several times around the numbers', 1000, 0],
	])('passes a long stream unchanged, %s', async (_when, first, heldBack) => {
		isWanted = heldBack === 0;
		await sendAll(first, first + heldBack);
		isWanted = true;
		sent = [];
		const count = 200_000;
		for (let number = first + heldBack + 1; number <= first + heldBack + count; number++) {
			send(number & 0xffff);
		}
		expect(sent).toHaveLength(count);
		const numbers = sent.map((packet) => packet.readUInt16BE(2));
		expect(numbers.every((number, index) => index === 0 || number === ((numbers[index - 1]! + 1) & 0xffff))).toBe(true);
	});

	it('passes one a second while none is wanted, with numbers that show no loss', async () => {
		await sendAll(65_500, 65_819);
		expect(passed()).toEqual([
			[65_500, 65_500 & 0xff],
			[65_501, 65_600 & 0xff],
			[65_502, 65_700 & 0xff],
			[65_503, 65_800 & 0xff],
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

	it('passes the structure of descriptors always, since later packets refer to it', async () => {
		await sendAll(100, 110);
		send(111, { descriptor: 'switch-point' });
		await sendAll(112, 120);
		expect(passed()).toEqual([
			[100, 100],
			[101, 111],
		]);
	});

	it('passes reports and other streams always', () => {
		send(1);
		send(2);
		send(1, { ssrc: OTHER });
		send(2, { ssrc: OTHER });
		const report = { ssrc: LIVE, nowMs: 0, timestampTicks: 0, packetCount: 1, octetCount: 1, cname: 'stage' };
		gate.send(writeSenderReport(report));
		expect(sent).toHaveLength(4);
	});
});
