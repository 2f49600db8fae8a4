/** Tests of the output of set-up, with and without a terminal. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTerminal, formatDuration } from './terminal.mjs';

/** @param {boolean} isTTY */
const createStream = (isTTY) => {
	/** @type {string[]} */
	const written = [];
	return { isTTY, columns: 40, written, write: (/** @type {string} */ text) => written.push(text) };
};

describe('formatDuration', () => {
	it.each([
		[0, '0.0 s'],
		[9_949, '9.9 s'],
		[9_960, '10 s'],
		[59_400, '59 s'],
		[59_600, '1 min 00 s'],
		[307_000, '5 min 07 s'],
	])('%d ms is %s', (durationMs, expected) => {
		expect(formatDuration(durationMs)).toBe(expected);
	});
});

describe('createTerminal', () => {
	beforeEach(() => {
		vi.useFakeTimers();
	});
	afterEach(() => {
		vi.useRealTimers();
	});

	it('prints a line every 15 s and one at the end without a terminal', () => {
		const stream = createStream(false);
		const step = createTerminal(stream).startStep('worker');
		step.progress('compiling 1/9');
		vi.advanceTimersByTime(29_000);
		step.progress('compiling 5/9');
		vi.advanceTimersByTime(2_000);
		step.done('built');
		vi.advanceTimersByTime(60_000);
		expect(stream.written).toEqual([
			'  worker: compiling 1/9 (15 s)\n',
			'  worker: compiling 5/9 (30 s)\n',
			'✓ worker: built (31 s)\n',
		]);
	});

	it('uses one line, within the width, on a terminal', () => {
		const stream = createStream(true);
		const step = createTerminal(stream).startStep('worker');
		step.progress('x'.repeat(100));
		vi.advanceTimersByTime(200);
		step.fail('could not be built');
		expect(stream.written.at(-1)).toBe('\r\x1b[K✗ worker: could not be built (0.2 s)\n');
		for (const text of stream.written.slice(0, -1)) {
			expect(text).not.toContain('\n');
			expect(text.replace('\r\x1b[K', '').length).toBeLessThanOrEqual(40);
		}
	});
});
