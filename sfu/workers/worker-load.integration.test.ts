/** Tests of a real worker's load: CPU time, and viewers' Consumers only, until the viewer leaves. */
import { describe, expect, it, vi } from 'vitest';
import { createId, type ViewerId } from '../../core/ids.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { parseSdpOffer } from '../sdp/sdp-offer.ts';
import { CHROMIUM_WHEP_OFFER } from '../testing/sdp-fixtures.ts';
import { SfuBench } from '../testing/sfu-bench.ts';
import { WeriftViewer } from '../testing/werift-peers.ts';
import { ViewerTransport } from '../viewer/viewer-transport.ts';

describe('WorkerPool.readLoads', () => {
	it("counts viewers' Consumers, not the stage's, and drops them with the viewer", async () => {
		await using bench = await SfuBench.start(1);
		const { pool } = bench.sfu;
		const broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
		const idle = await pool.readLoads();
		expect(idle).toMatchObject([{ index: 0, pid: pool.pids[0], viewerConsumerCount: 0, viewerBitrateBps: 0 }]);
		expect(idle[0]!.cpuTimeMs).toBeGreaterThan(0);

		const create = async (offer: string): Promise<ViewerTransport> => {
			const id = createId<ViewerId>(bench.clock.nowMs());
			return ViewerTransport.create(
				{ ...bench, broadcastRouter },
				{ id, offer: parseSdpOffer(offer), preferredAddress: undefined },
			);
		};
		const countNow = async (): Promise<number> => (await pool.readLoads())[0]!.viewerConsumerCount;
		// Offers alone use nothing of the budget.
		for (let index = 0; index < 10; index++) {
			await create(CHROMIUM_WHEP_OFFER);
		}
		expect(await countNow()).toBe(0);
		await using one = new WeriftViewer(DEFAULT_PAYLOAD_TYPES);
		await using other = new WeriftViewer(DEFAULT_PAYLOAD_TYPES);
		const transports: ViewerTransport[] = [];
		for (const viewer of [one, other]) {
			const transport = await create(await viewer.createOffer());
			await viewer.accept(transport.answer);
			transports.push(transport);
		}
		await vi.waitFor(async () => expect(await countNow()).toBe(4), { timeout: 10_000 });
		expect((await pool.readLoads())[0]!.cpuTimeMs).toBeGreaterThanOrEqual(idle[0]!.cpuTimeMs);

		await transports[0]!.close('deleted');
		expect(await countNow()).toBe(2);
		await broadcastRouter.close('server-shutdown');
		expect((await pool.readLoads())[0]!.viewerConsumerCount).toBe(0);
	});

	it('leaves a dead worker out', async () => {
		await using bench = await SfuBench.start(2);
		process.kill(bench.sfu.pool.pids[0]!, 'SIGKILL');
		expect((await bench.sfu.pool.readLoads()).map(({ index }) => index)).toEqual([1]);
	});
});
