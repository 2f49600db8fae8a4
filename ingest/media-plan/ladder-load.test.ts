/** Tests of the judgement of an encoder's load. */
import { describe, expect, it } from 'vitest';
import { LadderLoad } from './ladder-load.ts';

/** Observes this lag for so many seconds, four times a second. Ends where `count` should change. */
class Watched {
	readonly load = new LadderLoad();
	count = 4;
	#nowMs = 0;

	/** Returns each change of the count, as `second: count`. */
	run(seconds: number, lagMs: number): string[] {
		const changes: string[] = [];
		for (const endMs = this.#nowMs + seconds * 1000; this.#nowMs < endMs; this.#nowMs += 250) {
			this.load.observe({ lagMs, count: this.count, nowMs: this.#nowMs });
			const count = Math.min(4, this.load.highestCount);
			if (count !== this.count) {
				this.count = count;
				changes.push(`${this.#nowMs / 1000}: ${count}`);
			}
		}
		return changes;
	}
}

describe('LadderLoad', () => {
	it('takes the best rung from an encoder that stays behind, and the next one if that does not help', () => {
		expect(new Watched().run(14, 2000)).toEqual(['1.5: 3', '6.5: 2', '11.5: 1']);
	});

	it('lets an encoder be late for a moment, as at its start', () => {
		const watched = new Watched();
		expect([...watched.run(1.25, 1500), ...watched.run(60, 100), ...watched.run(1.25, 900)]).toEqual([]);
	});

	it('gives one rung back after half a minute of calm, and waits longer each time that this fails', () => {
		const watched = new Watched();
		watched.run(2, 1000);
		expect(watched.run(40, 100)).toEqual(['32: 4']);
		expect(watched.run(2, 1000)).toEqual(['43.5: 3']);
		expect(watched.run(70, 100)).toEqual(['104: 4']);
	});

	it('changes nothing while the encoder is neither calm nor overloaded', () => {
		const watched = new Watched();
		watched.run(2, 1000);
		expect(watched.run(300, 500)).toEqual([]);
	});

	it('ends with no rung, and comes back from there', () => {
		const watched = new Watched();
		watched.run(30, 2000);
		expect(watched.count).toBe(0);
		watched.run(200, 0);
		expect(watched.count).toBe(4);
	});
});
