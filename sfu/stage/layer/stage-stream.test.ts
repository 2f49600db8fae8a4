/** Tests of one stage stream: what is written into its packets, and when it reports. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { createStream, SentPackets } from '../testing/sent-packets.ts';

const packetAt = (
	timestampTicks: number,
	captureTimeMs: number,
	bytes = 3,
): Parameters<ReturnType<typeof createStream>['send']>[0] => ({
	payload: new Uint8Array(bytes).fill(9),
	hasMarker: true,
	timestampTicks,
	captureTimeMs,
});

function setUp(): { clock: FakeClock; sent: SentPackets; stream: ReturnType<typeof createStream> } {
	const clock = new FakeClock();
	const sent = new SentPackets();
	return { clock, sent, stream: createStream(77, clock, sent) };
}

describe('StageStream', () => {
	it('writes number, timestamp, marker and capture time into each packet, modulo what the fields hold', () => {
		const { clock, sent, stream } = setUp();
		const captureTimeMs = clock.nowMs() - 40.25;
		stream.send(packetAt(2 ** 32 + 5, captureTimeMs), 65_536 + 9);
		expect(sent.packets).toEqual([
			{
				ssrc: 77,
				payloadType: 108,
				sequenceNumber: 9,
				timestampTicks: 5,
				hasMarker: true,
				payload: Buffer.from([9, 9, 9]),
				captureTimeMs: expect.closeTo(captureTimeMs, 3) as number,
			},
		]);
		expect(stream.statistics).toEqual({ packetCount: 1, octetCount: 3 });
	});

	it('reports behind its first packet, since mediasoup drops reports of streams that it does not know: three times within 300 ms, then once a second', async () => {
		const { clock, sent, stream } = setUp();
		const reportedAtMs: number[] = [];
		for (let elapsedMs = 0; elapsedMs < 4000; elapsedMs += 10) {
			const before = sent.reports.length;
			stream.send(packetAt(elapsedMs * 90, clock.nowMs()), elapsedMs / 10);
			if (sent.reports.length > before) {
				reportedAtMs.push(elapsedMs);
			}
			await clock.advance(10);
		}
		expect(reportedAtMs).toEqual([0, 100, 200, 1200, 2200, 3200]);
		expect(sent.order.slice(0, 2)).toEqual(['packet', 'report']);
	});

	it('reports quickly again after a splice', async () => {
		const { clock, sent, stream } = setUp();
		for (let elapsedMs = 0; elapsedMs < 1000; elapsedMs += 10) {
			stream.send(packetAt(elapsedMs * 90, clock.nowMs()), elapsedMs / 10);
			await clock.advance(10);
		}
		expect(sent.reports).toHaveLength(3);
		stream.restartReports();
		for (let elapsedMs = 1000; elapsedMs < 1300; elapsedMs += 10) {
			stream.send(packetAt(elapsedMs * 90, clock.nowMs()), elapsedMs / 10);
			await clock.advance(10);
		}
		expect(sent.reports).toHaveLength(6);
	});

	it('relates the wall clock to the timestamp that is captured at that instant', async () => {
		const { clock, sent, stream } = setUp();
		// Captured 50 ms before it is sent: the timestamp of "now" is 50 ms later.
		stream.send(packetAt(900_000, clock.nowMs() - 50), 1);
		await clock.advance(250);
		stream.report();
		const [first, second] = sent.reports;
		expect(first).toEqual({
			ssrc: 77,
			nowMs: expect.closeTo(clock.nowMs() - 250, 3) as number,
			timestampTicks: 900_000 + 50 * 90,
			packetCount: 1,
			octetCount: 3,
			cname: 'stage',
		});
		expect(second).toMatchObject({ timestampTicks: 900_000 + 300 * 90, packetCount: 1, octetCount: 3 });
	});

	it('does not report what it cannot know: before any packet, or 5 s after the last', async () => {
		const { clock, sent, stream } = setUp();
		stream.report();
		expect(sent.reports).toEqual([]);
		stream.send(packetAt(0, clock.nowMs()), 1);
		await clock.advance(5001);
		stream.report();
		expect(sent.reports).toHaveLength(1);
	});
});
