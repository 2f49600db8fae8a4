/** Unit tests of input-queue.ts. */
import { describe, expect, it } from 'vitest';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { InputQueue, MAX_QUEUED_BYTES } from './input-queue.ts';

function unit(ms: number, isKeyFrame: boolean, sizeBytes = 10): AccessUnit {
	const ticks = ms * 90;
	const times = { clockRate: 90_000, decodeTimeTicks: ticks, presentationTimeTicks: ticks, captureTimeMs: ms };
	const track = { trackId: 'video0', kind: 'video', codec: 'h264' } as const;
	return { ...track, ...times, isKeyFrame, run: 0, bytes: new Uint8Array(sizeBytes) };
}

describe('InputQueue', () => {
	it('returns units in order', () => {
		const queue = new InputQueue();
		queue.push(unit(0, true));
		queue.push(unit(33, false));
		expect([queue.length, queue.queuedMs, queue.peek()?.captureTimeMs]).toEqual([2, 33, 0]);
		expect([queue.shift()?.captureTimeMs, queue.shift()?.captureTimeMs, queue.shift()]).toEqual([0, 33, undefined]);
	});

	it('begins with a key frame', () => {
		const queue = new InputQueue();
		expect(queue.push(unit(0, false))).toBe(false);
		expect(queue.push(unit(33, true))).toBe(true);
		expect([queue.length, queue.droppedCount]).toEqual([1, 1]);
	});

	it('drops all waiting units and continues at the next key frame when more than 2 s wait', () => {
		const queue = new InputQueue();
		queue.push(unit(0, true));
		queue.push(unit(2000, false));
		expect(queue.droppedCount).toBe(0);
		expect(queue.push(unit(2033, false))).toBe(false);
		expect([queue.length, queue.droppedCount]).toEqual([0, 3]);
		expect(queue.push(unit(2066, false))).toBe(false);
		expect(queue.push(unit(2100, true))).toBe(true);
		expect([queue.length, queue.droppedCount]).toEqual([1, 4]);
	});

	it('keeps a key frame that exceeds the bound', () => {
		const queue = new InputQueue();
		queue.push(unit(0, true));
		expect(queue.push(unit(2500, true))).toBe(false);
		expect([queue.length, queue.peek()?.captureTimeMs, queue.droppedCount]).toEqual([1, 2500, 1]);
	});

	it('is bounded in bytes', () => {
		const queue = new InputQueue();
		queue.push(unit(0, true, MAX_QUEUED_BYTES));
		expect(queue.push(unit(1, false))).toBe(false);
		expect([queue.length, queue.droppedCount]).toEqual([0, 2]);
	});

	it('counts bytes down as units leave', () => {
		const queue = new InputQueue();
		for (let index = 0; index < 10; index++) {
			expect(queue.push(unit(index, true, MAX_QUEUED_BYTES))).toBe(true);
			queue.shift();
		}
		expect(queue.droppedCount).toBe(0);
	});

	it('waits for a key frame after a restart', () => {
		const queue = new InputQueue();
		queue.push(unit(0, true));
		queue.restart();
		expect(queue.push(unit(33, false))).toBe(false);
		expect([queue.length, queue.queuedMs, queue.droppedCount]).toEqual([0, 0, 2]);
	});
});
