/** Tests of what becomes of publishers whose stream key is revoked. */
import { describe, expect, it } from 'vitest';
import { BroadcastBench } from '../testing/broadcast-bench.ts';

describe('Broadcast: when a stream key is revoked', () => {
	it('lets go whoever came by it, and ends', async () => {
		const bench = new BroadcastBench();
		await bench.broadcast.start();
		const publisher = bench.attach({}, 'key-1');
		await publisher.run(200);
		bench.broadcast.revokeStreamKey('key-2');
		expect(publisher.endReason).toBeUndefined();
		bench.broadcast.revokeStreamKey('key-1');
		await bench.clock.advance(0);
		expect([publisher.endReason, bench.endReasons]).toEqual(['key-revoked', ['unpublished']]);
	});

	it('goes on with a publisher who came by another key', async () => {
		const bench = new BroadcastBench();
		await bench.broadcast.start();
		const first = bench.attach({}, 'key-1');
		await first.run(200);
		const second = bench.attach({}, 'key-2');
		bench.broadcast.revokeStreamKey('key-1');
		await bench.clock.advance(0);
		expect([first.endReason, second.endReason]).toEqual(['key-revoked', undefined]);
		expect([bench.broadcast.publisher, bench.endReasons]).toEqual([second, []]);
		await bench.broadcast.close('unpublished');
	});

	it('refuses whoever was still connecting with it', async () => {
		const bench = new BroadcastBench();
		await bench.broadcast.start();
		bench.broadcast.revokeStreamKey('key-1');
		const late = bench.attach({}, 'key-1');
		await bench.clock.advance(0);
		expect([late.endReason, bench.broadcast.publisher]).toEqual(['key-revoked', undefined]);
		await bench.broadcast.close('unpublished');
	});
});
