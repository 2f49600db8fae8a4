/** Tests of cohort.ts: when the burst goes out, and when each newcomer moves on. */
import { describe, expect, it } from 'vitest';
import { Cohort, type Newcomer } from './cohort.ts';
import type { JoinLayer } from './join-layer.ts';

const GATHER_MS = 20;

/** A cohort with two newcomers on a clock that the test advances. */
function gather() {
	const timers: { atMs: number; callback: () => void }[] = [];
	const log: string[] = [];
	let nowMs = 0;
	const layer = { spatialLayer: 1, addNewcomer: () => {}, removeNewcomer: () => {}, reset: () => log.push('reset') };
	const cohort = new Cohort(
		{
			layer: layer as unknown as JoinLayer,
			after: (delayMs, callback) => timers.push({ atMs: nowMs + delayMs, callback }),
			sendBurst: () => log.push('burst'),
		},
		GATHER_MS,
	);
	const join = (name: string): Newcomer => cohort.add(() => log.push(`${name} moves on`));
	const advanceTo = (ms: number): void => {
		nowMs = ms;
		for (const due of timers.splice(0)) {
			if (due.atMs <= nowMs) {
				due.callback();
			} else {
				timers.push(due);
			}
		}
	};
	return { cohort, log, join, advanceTo, a: join('a'), b: join('b') };
}

describe('Cohort', () => {
	it('gathers: nothing goes out before the time is over, even when all are ready', () => {
		const { cohort, log, a, b, advanceTo } = gather();
		a.ready();
		b.ready();
		expect([cohort.isOpen, log]).toEqual([true, []]);
		advanceTo(GATHER_MS);
		expect([cohort.isOpen, log]).toEqual([false, ['burst']]);
	});

	it('waits for the last newcomer, or until the others have left', () => {
		for (const last of ['ready', 'finished'] as const) {
			const { log, a, b, advanceTo } = gather();
			a.ready();
			advanceTo(GATHER_MS);
			expect(log).toEqual([]);
			b[last]();
			expect(log).toEqual(['burst']);
		}
	});

	it('waits no longer than the deadline; a later newcomer moves on without the burst', () => {
		const { log, a, b, advanceTo } = gather();
		a.ready();
		advanceTo(GATHER_MS);
		advanceTo(GATHER_MS + 250);
		expect(log).toEqual(['burst']);
		b.ready();
		b.ready();
		expect(log).toEqual(['burst', 'b moves on']);
		advanceTo(GATHER_MS + 750);
		expect(log).toEqual(['burst', 'b moves on', 'a moves on']);
	});

	it('sends one burst, and moves on no newcomer that has left', () => {
		const { log, a, b, advanceTo } = gather();
		a.ready();
		b.ready();
		advanceTo(GATHER_MS);
		a.finished();
		a.finished();
		advanceTo(GATHER_MS + 250);
		advanceTo(GATHER_MS + 500);
		expect(log).toEqual(['burst', 'b moves on']);
	});

	it('sends nothing when all have left, and frees its layer', () => {
		const { log, a, b, advanceTo } = gather();
		a.finished();
		b.finished();
		advanceTo(GATHER_MS + 250);
		expect(log).toEqual(['reset']);
	});
});
