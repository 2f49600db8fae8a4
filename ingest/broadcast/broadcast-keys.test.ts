/** Tests of publishers whose stream key is revoked. */
import { describe, expect, it } from 'vitest';
import { BroadcastBench } from '../testing/broadcast-bench.ts';

describe('Broadcast: when a stream key is revoked', () => {
	it('closes the publisher with that key, and ends', async () => {
		const bench = await BroadcastBench.started();
		const publisher = bench.attach({}, 'key-1');
		await publisher.run(200);
		bench.broadcast.revokeStreamKey('key-2');
		expect(publisher.endReason).toBeUndefined();
		bench.broadcast.revokeStreamKey('key-1');
		await bench.clock.advance(0);
		expect([publisher.endReason, bench.endReasons]).toEqual(['key-revoked', ['unpublished']]);
	});

	it('continues with a publisher with another key', async () => {
		const bench = await BroadcastBench.started();
		const first = bench.attach({}, 'key-1');
		await first.run(200);
		const second = bench.attach({}, 'key-2');
		bench.broadcast.revokeStreamKey('key-1');
		await bench.clock.advance(0);
		expect([first.endReason, second.endReason]).toEqual(['key-revoked', undefined]);
		expect([bench.broadcast.publisher, bench.endReasons]).toEqual([second, []]);
	});

	it('closes a publisher that was still connecting with it', async () => {
		const bench = await BroadcastBench.started();
		bench.broadcast.revokeStreamKey('key-1');
		const late = bench.attach({}, 'key-1');
		await bench.clock.advance(0);
		expect([late.endReason, bench.broadcast.publisher]).toEqual(['key-revoked', undefined]);
	});
});
