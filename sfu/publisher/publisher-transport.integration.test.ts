/** Tests of simulcast with a real SFU: which of a publisher's layers reach our code, in any order of the offer. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { unwrap } from '../../core/units.ts';
import { PICTURE_TICKS } from '../testing/numbered-pictures.ts';
import { PublisherTransport } from './publisher-transport.ts';
import { parseSdpOffer } from '../sdp/sdp-offer.ts';
import { negotiateWhip } from '../sdp/whip-negotiation.ts';
import { LAYER_SPS, SimulcastPeer } from '../testing/simulcast-peer.ts';
import { SfuBench, waitUntil } from '../testing/sfu-bench.ts';

let bench: SfuBench;
beforeAll(async () => {
	bench = await SfuBench.start(1);
});
afterAll(() => bench[Symbol.asyncDispose]());

describe('the picture of a simulcast publisher', () => {
	it.each([
		['q', 'h', 'f'],
		['f', 'h', 'q'],
	])('is its largest layer, then the next, then the largest again, offered as %s, %s, %s', async (...rids) => {
		const broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
		await using peer = await SimulcastPeer.create(rids);
		const transport = await PublisherTransport.create(
			{ ...bench, broadcastRouter },
			{ negotiated: negotiateWhip(parseSdpOffer(peer.offer)), preferredAddress: '127.0.0.1' },
		);
		/** Names of the layers whose parameter sets came, without repetitions, and all packets. */
		const layers: string[] = [];
		const packets: { sequenceNumber: number; timestampTicks: number }[] = [];
		transport.on('packet', (_kind, packet, { sequenceNumber, timestampTicks, payloadStart, payloadEnd }) => {
			packets.push({ sequenceNumber, timestampTicks });
			const payload = packet.subarray(payloadStart, payloadEnd);
			const rid = Object.keys(LAYER_SPS).find((name) => LAYER_SPS[name]!.equals(payload));
			if (rid !== undefined && rid !== layers.at(-1)) {
				layers.push(rid);
			}
		});
		/** Timestamps of the pictures of each smaller layer, by rid. */
		const smaller = new Map<string, number[]>();
		transport.on('layerPacket', (layer, _packet, { timestampTicks, hasMarker }) => {
			if (hasMarker) {
				smaller.set(rids[layer]!, [...(smaller.get(rids[layer]!) ?? []), timestampTicks]);
			}
		});
		await peer.connect(transport.answer);
		const stop = systemClock.setInterval(() => void peer.send(), 1000 / 30);

		// Long enough for a bandwidth estimate without feedback to sink.
		await waitUntil(() => packets.length > 60, 'two seconds of pictures');
		expect(layers).toEqual(['f']);
		peer.layer('f').isOn = false;
		await waitUntil(() => layers.length === 2, 'another layer replaces it');
		const before = packets.length;
		await waitUntil(() => packets.length > before + 30, 'its pictures');
		peer.layer('f').isOn = true;
		peer.layer('f').wantsKeyFrame = true;
		await waitUntil(() => layers.length === 3, 'the largest layer is back');
		stop();

		expect(layers).toEqual(['f', 'h', 'f']);
		const steps = packets.slice(1).map(({ sequenceNumber, timestampTicks }, index) => {
			const last = packets[index]!;
			return [
				(sequenceNumber - last.sequenceNumber + 65_536) % 65_536,
				unwrap(timestampTicks, last.timestampTicks, 32) - last.timestampTicks,
			] as const;
		});
		expect(new Set(steps.map(([numbers]) => numbers))).toEqual(new Set([1]));
		expect(Math.min(...steps.map(([, ticks]) => ticks))).toBeGreaterThanOrEqual(0);
		// No picture is missing where the largest layer is lost.
		expect(Math.max(...steps.map(([, ticks]) => ticks))).toBeLessThan(2 * PICTURE_TICKS);
		const ofStream = new Set(packets.map(({ timestampTicks }) => timestampTicks));
		expect([...smaller.keys()].toSorted()).toEqual(['h', 'q']);
		for (const times of smaller.values()) {
			expect(times.length).toBeGreaterThan(60);
			const shared = times.filter((time) => ofStream.has(time));
			expect(shared.length / times.length).toBeGreaterThan(0.8);
		}
		expect(
			bench.logger.lines
				.filter(({ message }) => message === 'simulcast layer changed')
				.slice(-3)
				.map(({ fields }) => (fields as { to: string }).to),
		).toEqual(['f', 'h', 'f']);
		await transport.close('unpublished');
		await broadcastRouter.close('server-shutdown');
	});
});
