/** Tests of the buffer model. */
import { beforeEach, describe, expect, it } from 'vitest';
import { PlaybackBuffer } from './playback-buffer.ts';

const T = 1_000_000;
const PART_MS = 200;
const HOLD_BACK_MS = 630;

let started: number;
let stalls: number[];
let buffer: PlaybackBuffer;

beforeEach(() => {
	[started, stalls] = [0, []];
	buffer = new PlaybackBuffer(2, { started: () => started++, stalled: (ms) => stalls.push(ms) });
});

/** A part of both tracks arrives. */
function feedPart(start: number, nowMs: number): void {
	buffer.setEdge(start + PART_MS, HOLD_BACK_MS, nowMs);
	buffer.append(0, start, PART_MS, nowMs);
	buffer.append(1, start, PART_MS, nowMs);
}

/** Each part arrives `delayMs` after its end. */
function feed(fromMs: number, toMs: number, delayMs: number): void {
	for (let start = fromMs; start + PART_MS + delayMs <= toMs; start += PART_MS) {
		feedPart(start, start + PART_MS + delayMs);
	}
}

/** All parts of that time arrive at its end. */
function feedAtOnce(fromMs: number, toMs: number): void {
	for (let start = fromMs; start < toMs; start += PART_MS) {
		feedPart(start, toMs);
	}
}

describe('PlaybackBuffer', () => {
	it('starts at the hold-back and keeps that latency, with any delay of the delivery', () => {
		for (const delayMs of [10, 510]) {
			buffer = new PlaybackBuffer(2, { started: () => started++, stalled: (ms) => stalls.push(ms) });
			feed(T, T + 20_000, delayMs);
			buffer.advance(T + 20_000);
			const latency = T + 20_000 - buffer.positionMs!;
			expect(Math.abs(latency - HOLD_BACK_MS - delayMs)).toBeLessThan(30);
			expect(stalls).toEqual([]);
		}
		expect(started).toBe(2);
	});

	it('waits for all its tracks', () => {
		buffer.setEdge(T + 2000, HOLD_BACK_MS, T + 2000);
		buffer.append(0, T, 2000, T + 2000);
		expect(started).toBe(0);
		buffer.append(1, T, 2000, T + 2010);
		expect(started).toBe(1);
		expect(buffer.isPlaying).toBe(true);
	});

	it('stalls at the moment the media ends, and reports for how long', () => {
		feed(T, T + 4000, 0);
		const aheadMs = buffer.aheadMs();
		buffer.advance(T + 6000);
		expect(buffer.isPlaying).toBe(false);
		expect(stalls).toEqual([]);
		buffer.append(0, T + 4000, 400, T + 6000);
		buffer.append(1, T + 4000, 400, T + 6000);
		expect(stalls).toHaveLength(1);
		// The rate may have been up to 5 % off while it ran dry.
		expect(Math.abs(stalls[0]! - (2000 - aheadMs))).toBeLessThan(60);
		expect(buffer.isPlaying).toBe(true);
	});

	it('catches up at no more than 5 % and gets back to its target', () => {
		feed(T, T + 20_000, 0);
		const backAtMs = T + 22_000;
		buffer.advance(backAtMs);
		feedAtOnce(T + 20_000, backAtMs);
		expect(stalls).toHaveLength(1);
		expect(backAtMs - buffer.positionMs!).toBeGreaterThan(HOLD_BACK_MS + 1000);
		const from = buffer.positionMs!;
		feed(backAtMs, backAtMs + 2000, 0);
		expect(buffer.positionMs! - from).toBeGreaterThan(2000 * 1.04);
		expect(buffer.positionMs! - from).toBeLessThanOrEqual(2000 * 1.05 + 1);
		feed(backAtMs + 2000, backAtMs + 60_000, 0);
		expect(Math.abs(backAtMs + 60_000 - buffer.positionMs! - HOLD_BACK_MS)).toBeLessThan(30);
	});

	it('jumps when it is seconds late and the media is there', () => {
		feed(T, T + 4000, 0);
		buffer.advance(T + 14_000);
		feedAtOnce(T + 4000, T + 14_000);
		buffer.advance(T + 14_100);
		expect(buffer.counts.jumpCount).toBe(1);
		expect(T + 14_100 - buffer.positionMs!).toBeLessThan(1000);
	});

	it('counts holes', () => {
		buffer.append(0, T, 200, T);
		buffer.append(0, T + 1000, 200, T);
		expect(buffer.counts.gapCount).toBe(1);
	});
});
