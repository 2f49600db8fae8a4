/** Tests that a real worker's load is seen: CPU time, viewers' Consumers and nobody else's, until the viewer goes. */
import { describe, expect, it } from 'vitest';
import { createId, type ViewerId } from '../core/ids.ts';
import { parseSdpOffer } from './sdp/sdp-offer.ts';
import { CHROMIUM_WHEP_OFFER } from './testing/sdp-fixtures.ts';
import { SfuBench } from './testing/sfu-bench.ts';
import { ViewerTransport } from './viewer-transport.ts';

describe('WorkerPool.readLoads', () => {
	it("counts viewers' Consumers, not the stage's, and forgets them with the viewer", async () => {
		await using bench = await SfuBench.start(1);
		const { pool } = bench.sfu;
		const broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
		const idle = await pool.readLoads();
		expect(idle).toMatchObject([{ index: 0, pid: pool.pids[0], viewerConsumerCount: 0, viewerBitrateBps: 0 }]);
		expect(idle[0]!.cpuTimeMs).toBeGreaterThan(0);

		const viewers = [];
		for (let index = 0; index < 10; index++) {
			const id = createId<ViewerId>(bench.clock.nowMs());
			const offer = parseSdpOffer(CHROMIUM_WHEP_OFFER);
			viewers.push(await ViewerTransport.create(id, broadcastRouter, offer, { preferredAddress: undefined }, bench));
		}
		const busy = await pool.readLoads();
		expect(busy[0]!.viewerConsumerCount).toBe(20);
		expect(busy[0]!.cpuTimeMs).toBeGreaterThanOrEqual(idle[0]!.cpuTimeMs);

		await viewers[0]!.close('deleted');
		expect((await pool.readLoads())[0]!.viewerConsumerCount).toBe(18);
		await broadcastRouter.close('server-shutdown');
		expect((await pool.readLoads())[0]!.viewerConsumerCount).toBe(0);
	});

	it('leaves a dead worker out', async () => {
		await using bench = await SfuBench.start(2);
		process.kill(bench.sfu.pool.pids[0]!, 'SIGKILL');
		expect((await bench.sfu.pool.readLoads()).map(({ index }) => index)).toEqual([1]);
	});
});
