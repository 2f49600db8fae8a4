/** Tests of the measured rate of a layer with a fake clock. */
import { expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { LayerRate } from './layer-rate.ts';

/** With the headers of a packet, 10 kbit. */
const PAYLOAD_BYTES = 1250 - 74;

it('is that of the busiest second, and the mean, of the last ten', async () => {
	const clock = new FakeClock();
	const rate = new LayerRate(clock);
	const second = async (packets: number): Promise<void> => {
		for (let packet = 0; packet < packets; packet++) {
			rate.add(PAYLOAD_BYTES);
			await clock.advance(1000 / packets);
		}
	};
	expect([rate.peakBps, rate.meanBps]).toEqual([undefined, undefined]);
	await second(50);
	await second(100);
	await second(10);
	expect([rate.peakBps, rate.meanBps]).toEqual([1_000_000, 750_000]);
	for (let count = 0; count < 10; count++) {
		await second(20);
	}
	expect([rate.peakBps, rate.meanBps]).toEqual([200_000, 190_000]);
});
