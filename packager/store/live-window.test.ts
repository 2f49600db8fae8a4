/** The memory store counts what it holds, and deletes ranges with the bytes that they refer to. */
import { describe, expect, it } from 'vitest';
import { LiveWindow } from './live-window.ts';

describe('LiveWindow', () => {
	it('counts bytes once, also while parts are ranges of a segment', () => {
		const store = new LiveWindow();
		store.put('video0/part1', Uint8Array.of(1, 2));
		store.put('video0/part2', Uint8Array.of(3));
		store.put('video0/segment1', Uint8Array.of(1, 2, 3));
		expect(store.totalBytes).toBe(6);
		store.alias('video0/part1', { name: 'video0/segment1', startByte: 0, endByte: 2 });
		store.alias('video0/part2', { name: 'video0/segment1', startByte: 2, endByte: 3 });
		expect(store.totalBytes).toBe(3);
		expect(store.get('video0/part2')).toEqual(Uint8Array.of(3));
		store.delete('video0/segment1');
		expect([store.totalBytes, store.get('video0/part1'), store.get('video0/part2')]).toEqual([0, undefined, undefined]);
	});

	it('ignores an alias of nothing and a delete of nothing, and clears', () => {
		const store = new LiveWindow();
		store.alias('a', { name: 'missing', startByte: 0, endByte: 1 });
		store.delete('missing');
		expect([store.get('a'), store.totalBytes]).toEqual([undefined, 0]);
		store.put('b', new Uint8Array(10));
		store.put('b', new Uint8Array(4));
		expect(store.totalBytes).toBe(4);
		store.clear();
		expect([store.get('b'), store.totalBytes]).toEqual([undefined, 0]);
	});
});
