/** Tests of the rounds: one at a time, and one more for all requests meanwhile. */
import { describe, expect, it } from 'vitest';
import { Rounds } from './rounds.ts';

describe('Rounds', () => {
	it('runs one more round for all requests during one, and none without a request', async () => {
		const open: Array<() => void> = [];
		let count = 0;
		const rounds = new Rounds(() => {
			count++;
			return new Promise((resolve) => open.push(resolve));
		});
		const first = rounds.ask();
		const later = [rounds.ask(), rounds.ask(), rounds.ask()];
		expect(count).toBe(1);
		open.shift()!();
		await expect.poll(() => count).toBe(2);
		open.shift()!();
		await Promise.all([first, ...later]);
		expect(count).toBe(2);
		const again = rounds.ask();
		expect(count).toBe(3);
		open.shift()!();
		await again;
	});
});
