/** Tests of cohort.ts: when the burst goes out, and when each newcomer moves on. */
import { describe, expect, it } from 'vitest';
import { Cohort, type Newcomer } from './cohort.ts';
import type { JoinLayer } from './join-layer.ts';

const GATHER_MS = 20;

/** A join layer that writes what is done with it into the log; who is on it only where that matters. */
function fakeLayer(spatialLayer: number, log: string[], logsNewcomers: boolean): JoinLayer {
	const name = `layer ${spatialLayer}`;
	return {
		spatialLayer,
		addNewcomer: () => logsNewcomers && log.push(`${name} held`),
		removeNewcomer: () => logsNewcomers && log.push(`${name} released`),
		requestSwitchPoint: () => log.push(`${name} switches`),
		reset: () => log.push('reset'),
	} as unknown as JoinLayer;
}

/** A cohort with two newcomers on a clock that the test advances. `leads`: another layer does. */
function gather({ leads = false } = {}) {
	const timers: { atMs: number; callback: () => void }[] = [];
	const log: string[] = [];
	let nowMs = 0;
	let finishBurst: () => void = () => undefined;
	const leading = leads ? fakeLayer(2, log, leads) : undefined;
	const cohort = new Cohort(
		{
			layer: fakeLayer(1, log, leads),
			liveSpatialLayer: 0,
			after: (delayMs, callback) => timers.push({ atMs: nowMs + delayMs, callback }),
			sendBurst: (onSent) => {
				log.push('burst');
				finishBurst = onSent;
			},
			leadingLayer: () => leading,
		},
		GATHER_MS,
	);
	const join = (name: string): Newcomer =>
		cohort.add((layer) => {
			log.push(layer === 0 ? `${name} moves on` : `${name} moves to ${layer}`);
			return Promise.resolve();
		});
	const advanceTo = async (ms: number): Promise<void> => {
		nowMs = ms;
		for (const due of timers.splice(0)) {
			if (due.atMs <= nowMs) {
				due.callback();
			} else {
				timers.push(due);
			}
		}
		await Promise.resolve();
	};
	const members = { a: join('a'), b: join('b') };
	log.length = 0;
	return { cohort, log, join, advanceTo, finishBurst: () => finishBurst(), ...members };
}

/** As {@link gather}, until both are on the join layer; the burst is still being sent. */
async function burst(options?: { leads: boolean }) {
	const made = gather(options);
	made.a.ready();
	made.b.ready();
	await made.advanceTo(GATHER_MS);
	made.a.onLayer(1);
	made.b.onLayer(1);
	expect(made.log.splice(0)).toEqual(['burst']);
	return made;
}

describe('Cohort', () => {
	it('gathers: nothing goes out before the time is over, even when all are ready', async () => {
		const { cohort, log, a, b, advanceTo } = gather();
		a.ready();
		b.ready();
		expect([cohort.isOpen, log]).toEqual([true, []]);
		await advanceTo(GATHER_MS);
		expect([cohort.isOpen, log]).toEqual([false, ['burst']]);
	});

	it('waits for the last newcomer, or until the others have left', async () => {
		for (const last of ['ready', 'finished'] as const) {
			const { log, a, b, advanceTo } = gather();
			a.ready();
			await advanceTo(GATHER_MS);
			expect(log).toEqual([]);
			b[last]();
			expect(log).toEqual(['burst']);
		}
	});

	it('waits no longer than the deadline; a later newcomer moves on without the burst', async () => {
		const { log, a, b, advanceTo } = gather();
		a.ready();
		await advanceTo(GATHER_MS);
		await advanceTo(GATHER_MS + 250);
		expect(log).toEqual(['burst']);
		b.ready();
		b.ready();
		expect(log).toEqual(['burst', 'b moves on']);
		await advanceTo(GATHER_MS + 750);
		expect(log).toEqual(['burst', 'b moves on', 'a moves on']);
	});

	it('sends one burst, and moves on no newcomer that has left', async () => {
		const { log, a, b, advanceTo } = gather();
		a.ready();
		b.ready();
		await advanceTo(GATHER_MS);
		a.finished();
		a.finished();
		await advanceTo(GATHER_MS + 250);
		await advanceTo(GATHER_MS + 500);
		expect(log).toEqual(['burst', 'b moves on']);
	});

	it('sends nothing when all have left, and frees its layer', async () => {
		const { log, a, b, advanceTo } = gather();
		a.finished();
		b.finished();
		await advanceTo(GATHER_MS + 250);
		expect(log).toEqual(['reset']);
	});

	it('moves newcomers on when they are on its layer, and the whole burst has been sent', async () => {
		const { log, finishBurst } = await burst();
		expect(log).toEqual([]);
		finishBurst();
		expect(log).toEqual(['a moves on', 'b moves on']);
	});

	it('moves them to the leading layer at a switch point, frees its own layer, and moves them on from there', async () => {
		const { log, a, b, finishBurst } = await burst({ leads: true });
		finishBurst();
		expect(log.splice(0)).toEqual(['layer 2 held', 'a moves to 2', 'layer 2 held', 'b moves to 2']);
		await Promise.resolve();
		expect(log.splice(0)).toEqual(['layer 2 switches', 'layer 2 switches']);
		a.onLayer(2);
		expect(log.splice(0)).toEqual(['layer 1 released', 'a moves on']);
		// A live key frame comes before the switch point.
		b.onLayer(0);
		expect(log.splice(0)).toEqual(['layer 1 released', 'layer 2 released']);
		a.onLayer(0);
		expect(log).toEqual(['layer 2 released']);
	});

	it('asks one that does not reach the leading layer again, and lets it wait for a live key frame in the end', async () => {
		const { log, a, b, finishBurst, advanceTo } = await burst({ leads: true });
		b.finished();
		finishBurst();
		await Promise.resolve();
		log.length = 0;
		for (const waitedMs of [150, 450, 900, 1500, 2250, 3150]) {
			await advanceTo(GATHER_MS + waitedMs - 1);
			expect(log).toEqual([]);
			await advanceTo(GATHER_MS + waitedMs);
			expect(log.splice(0)).toEqual(['a moves to 1', 'a moves to 2', 'layer 2 switches']);
		}
		await advanceTo(GATHER_MS + 4200);
		expect(log.splice(0)).toEqual(['layer 2 released', 'a moves on']);
		a.onLayer(0);
		expect(log).toEqual(['layer 1 released']);
	});
});
