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
		expect(new Watched().run(16, 2000)).toEqual(['5: 3', '10: 2', '15: 1']);
	});

	it('lets an encoder be late for a moment, as at its start', () => {
		const watched = new Watched();
		expect([...watched.run(4.75, 1500), ...watched.run(60, 100), ...watched.run(1.75, 900)]).toEqual([]);
	});

	it('gives one rung back after half a minute of calm, and waits longer each time that this fails', () => {
		const watched = new Watched();
		watched.run(6, 1000);
		expect(watched.run(40, 100)).toEqual(['36: 4']);
		expect(watched.run(3, 1000)).toEqual(['48: 3']);
		expect(watched.run(70, 100)).toEqual(['109: 4']);
	});

	it('changes nothing while the encoder is neither calm nor overloaded', () => {
		const watched = new Watched();
		watched.run(6, 1000);
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
