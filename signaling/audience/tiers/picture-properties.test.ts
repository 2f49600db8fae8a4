/** Property tests of the budget of bits where viewers may get smaller pictures, with random audiences. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WISHED_RUNGS, type ShownRung, type WishedRung } from '../../../core/protocol/ladder-choice.ts';
import { CeilingControl } from './ceiling-control.ts';
import {
	CEILING_STEPS,
	LEAST_CEILINGS,
	pictureBps,
	picturesOf,
	pictureUnder,
	type PictureCost,
} from './held-pictures.ts';
import { heldPictures } from './testing/decide-tiers.ts';
import { testConditions, TierWorld } from './testing/tier-world.ts';
import { TierController } from './tier-controller.ts';
import type { TierConditions, TierViewer } from './tier-input.ts';

const SOUND_BPS = 100_000;
const NO_LIMIT = CEILING_STEPS[0]!;
const LADDER: PictureCost[] = [
	{ name: '160p30', bitrateBps: 350_000, soundBps: SOUND_BPS, shortSidePixels: 160 },
	{ name: '360p30', bitrateBps: 900_000, soundBps: SOUND_BPS, shortSidePixels: 360 },
	{ name: '480p30', bitrateBps: 1_600_000, soundBps: SOUND_BPS, shortSidePixels: 480 },
	{ name: '720p60', bitrateBps: 3_500_000, soundBps: SOUND_BPS, shortSidePixels: 720 },
	{ name: 'source', bitrateBps: 6_000_000, soundBps: SOUND_BPS, shortSidePixels: 1080 },
];
const [SOURCE_BPS, LEAST_BPS] = [6_000_000, 900_000];

function withBits(maxBitrateBps: number, pictures: readonly PictureCost[] | 'none' = LADDER): TierConditions {
	const { bitrateBps } = LADDER.at(-1)!;
	const budget = { maxConsumers: 1e6, maxBitrateBps, maxWorkerCpu: 0.85 };
	return testConditions(1, { budget, bitrateBps, pictures: pictures === 'none' ? undefined : pictures });
}

/** Tiers and pictures together, as a room runs them. */
class PictureWorld extends TierWorld {
	readonly control = new CeilingControl();
	changeCount = 0;

	override decide(isEmergency: ReadonlySet<string> = new Set()): void {
		super.decide(isEmergency);
		const { budget, pictures } = this.conditions;
		if (pictures !== undefined) {
			const held = this.#held;
			const bits = (ceilings: typeof NO_LIMIT): number => held.bitrateBps(pictures, ceilings);
			this.changeCount += this.control.decide(budget.maxBitrateBps, bits, this.nowMs) ? 1 : 0;
		}
	}

	bitrateBps(ceilings = this.control.ceilings): number {
		return this.#held.bitrateBps(this.conditions.pictures!, ceilings);
	}

	get #held(): ReturnType<typeof heldPictures> {
		const holds = [...this.viewers.values()].filter(
			({ decided, holdsWebRtc }) => holdsWebRtc || decided?.tier === 'webrtc',
		);
		return heldPictures(holds);
	}
}

type Happening = {
	kind: 'join' | 'leave' | 'line';
	count: number;
	best: WishedRung;
	isModerator: boolean;
	waitMs: number;
};
const best = fc.constantFrom(...WISHED_RUNGS);
const happenings = fc.array(
	fc.record({
		kind: fc.constantFrom<Happening['kind'][]>('join', 'join', 'leave', 'line'),
		count: fc.integer({ min: 1, max: 15 }),
		best,
		isModerator: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
		waitMs: fc.constantFrom(0, 1000, 4000, 20_000, 61_000),
	}) as fc.Arbitrary<Happening>,
	{ minLength: 1, maxLength: 30 },
);
const budgets = fc.integer({ min: 0, max: 40_000_000 });
/** Any part of the ladder, with the source. */
const ladders = fc
	.subarray(LADDER.slice(0, -1), { minLength: 1 })
	.map((rungs) => [...rungs, LADDER.at(-1)!] as readonly PictureCost[]);

let nextId = 0;

function play(world: TierWorld, steps: readonly Happening[], onDecided: () => void, mayClimb: boolean): void {
	for (const { kind, count, best: bestPicture, isModerator, waitMs } of steps) {
		const ids = [...world.viewers.keys()].slice(0, count);
		for (let index = 0; index < count && kind === 'join'; index++) {
			world.join(`v${nextId++}`, { bestPicture, role: isModerator ? 'moderator' : 'viewer' });
		}
		ids.forEach((id) => {
			if (kind === 'leave') {
				world.leave(id);
			} else if (kind === 'line' && mayClimb) {
				world.change(id, { bestPicture });
			}
		});
		world.decide();
		onDecided();
		for (let passedMs = 0; passedMs < waitMs; passedMs += 1000) {
			world.nowMs += 1000;
			world.decide();
			onDecided();
		}
	}
}

describe('pictures under a budget of bits', () => {
	it('never take more than it, however viewers join and leave', () => {
		fc.assert(
			fc.property(happenings, budgets, ladders, (steps, maxBitrateBps, ladder) => {
				const world = new PictureWorld(withBits(maxBitrateBps, ladder));
				const check = (): void => {
					if (world.bitrateBps() > maxBitrateBps) {
						throw new Error(`${world.bitrateBps()} of ${maxBitrateBps} bit/s`);
					}
				};
				play(world, steps, check, false);
			}),
			{ numRuns: 100 },
		);
	});

	it('are back within it once viewers whose lines got better have been moved', () => {
		fc.assert(
			fc.property(happenings, budgets, (steps, maxBitrateBps) => {
				const world = new PictureWorld(withBits(maxBitrateBps));
				play(world, steps, () => undefined, true);
				world.pass(90_000);
				expect(world.bitrateBps()).toBeLessThanOrEqual(maxBitrateBps);
			}),
			{ numRuns: 60 },
		);
	});

	it('are as good as nine tenths of it allow, after a while', () => {
		fc.assert(
			fc.property(happenings, budgets, (steps, maxBitrateBps) => {
				const world = new PictureWorld(withBits(maxBitrateBps));
				play(world, steps, () => undefined, true);
				world.pass(600_000, 5000);
				const step = CEILING_STEPS.indexOf(world.control.ceilings);
				const better = CEILING_STEPS.slice(0, step).filter(
					(ceilings) => world.bitrateBps(ceilings) <= 0.89 * maxBitrateBps,
				);
				expect(better).toEqual([]);
			}),
			{ numRuns: 40 },
		);
	});

	it('get smaller before anyone is moved: more viewers have real time than without a ladder', () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 12, max: 200 }), (viewerCount, megabits) => {
				const counts = ([LADDER, 'none'] as const).map((pictures) => {
					const world = new PictureWorld(withBits(megabits * 1e6, pictures));
					for (let index = 0; index < viewerCount; index++) {
						world.join(`v${index}`);
						world.pass(1000);
					}
					world.pass(120_000);
					return { count: world.count('webrtc'), ceilings: world.control.ceilings };
				});
				const [withLadder, without] = counts as [(typeof counts)[0], (typeof counts)[0]];
				const filled = (bps: number): number => Math.floor(0.9 * Math.floor((megabits * 1e6) / bps));
				expect(withLadder.count).toBe(Math.min(viewerCount, filled(LEAST_BPS)));
				expect(without.count).toBe(Math.min(viewerCount, filled(SOURCE_BPS)));
				// Nobody gets a smaller picture without need.
				expect(viewerCount * SOURCE_BPS > megabits * 1e6 || withLadder.ceilings === NO_LIMIT).toBe(true);
			}),
			{ numRuns: 30 },
		);
	});

	it('count viewers on poor lines by what they take', () => {
		const world = new PictureWorld(withBits(20_000_000));
		for (let index = 0; index < 40; index++) {
			world.join(`v${index}`, { bestPicture: '160p30' });
		}
		world.pass(60_000);
		expect([world.count('webrtc'), world.control.ceilings]).toEqual([40, NO_LIMIT]);
		expect(world.bitrateBps()).toBe(40 * 350_000);
	});

	it('stay large for viewers with a role, as long as all others have the least', () => {
		const world = new PictureWorld(withBits(20_000_000));
		world.join('moderator', { role: 'moderator' });
		for (let index = 0; index < 12; index++) {
			world.join(`v${index}`);
		}
		world.pass(1000);
		expect(world.count('webrtc')).toBe(13);
		expect(world.control.ceilings).toEqual({ priority: 'source', ordinary: '360p30' });
		for (let index = 0; index < 6; index++) {
			world.join(`w${index}`);
		}
		world.pass(1000);
		expect(world.count('webrtc')).toBe(19);
		expect(world.control.ceilings.priority).not.toBe('source');
	});

	it('change back to the source once the crowd has gone', () => {
		const world = new PictureWorld(withBits(20_000_000));
		for (let index = 0; index < 20; index++) {
			world.join(`v${index}`);
		}
		world.pass(10_000);
		expect(world.control.ceilings.ordinary).toBe('360p30');
		for (let index = 3; index < 20; index++) {
			world.leave(`v${index}`);
		}
		world.pass(8000);
		expect(world.control.ceilings).toBe(NO_LIMIT);
	});

	it('do not change while their rates fluctuate by 4 %', () => {
		const noise = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 200, maxLength: 200 });
		fc.assert(
			fc.property(noise, fc.integer({ min: 2, max: 40 }), (values, viewerCount) => {
				const world = new PictureWorld(withBits(25_000_000));
				for (let index = 0; index < viewerCount; index++) {
					world.join(`v${index}`);
				}
				const fluctuate = (value: number): void => {
					const bps = (picture: PictureCost): number => picture.bitrateBps * (1 + 0.04 * value);
					const pictures = LADDER.map((picture) => ({ ...picture, bitrateBps: bps(picture) }));
					world.conditions = withBits(25_000_000, pictures);
					world.pass(1000);
				};
				values.slice(0, 100).forEach(fluctuate);
				// All the room that there ever is: who waits for it comes in now.
				Array.from({ length: 20 }, () => fluctuate(-1));
				// A last step up may come late; but none is taken back.
				const { changeCount } = world;
				const tiers = world.switches.length;
				values.slice(100).forEach(fluctuate);
				expect(world.changeCount - changeCount).toBeLessThanOrEqual(1);
				expect(world.switches.length - tiers).toBe(0);
			}),
			{ numRuns: 20 },
		);
	});

	it.each([10, 30, 90])('change ever more rarely while their rates jump by half every %i s', (seconds) => {
		const world = new PictureWorld(withBits(20_000_000));
		for (let index = 0; index < 5; index++) {
			world.join(`v${index}`);
		}
		const perHour: number[] = [];
		for (let second = 0; second < 7200; second++) {
			const factor = second % (2 * seconds) < seconds ? 1 : 0.5;
			const pictures = LADDER.map((picture) => ({ ...picture, bitrateBps: picture.bitrateBps * factor }));
			world.conditions = withBits(20_000_000, pictures);
			world.pass(1000);
			if (second % 3600 === 3599) {
				perHour.push(world.changeCount - perHour.reduce((sum, count) => sum + count, 0));
			}
		}
		expect(world.switches).toEqual([]);
		expect(perHour[0]).toBeLessThan(20);
		expect(perHour[1]).toBeLessThan(8);
	});

	it('change no decision where there is one picture only', () => {
		fc.assert(
			fc.property(happenings, budgets, (steps, maxBitrateBps) => {
				const from = nextId;
				const runs = [true, false].map((hasBest) => {
					nextId = from;
					const world = new TierWorld(withBits(maxBitrateBps, 'none'));
					const seen: unknown[] = [];
					const isKept = ({ best: own }: Happening): boolean => hasBest || own === 'audio';
					const own = steps.map((step) => (isKept(step) ? step : { ...step, best: 'source' as const }));
					play(world, own, () => seen.push(new Map(world.verdicts)), true);
					return seen;
				});
				expect(runs[0]).toEqual(runs[1]);
			}),
			{ numRuns: 40 },
		);
	});
});

/** Runs a `TierController` beside `decideTiers`, and compares. */
class MirroredWorld extends PictureWorld {
	readonly #controller = new TierController();
	readonly #known = new Map<string, TierViewer>();

	override decide(isEmergency: ReadonlySet<string> = new Set()): void {
		this.settleTransports(isEmergency);
		for (const id of [...this.#known.keys()].filter((known) => !this.viewers.has(known))) {
			this.#controller.leave(id);
			this.#known.delete(id);
		}
		for (const [id, viewer] of this.viewers) {
			const { id: _id, joinedAtMs: _joinedAtMs, decided: _decided, ...change } = viewer;
			if (!this.#known.has(id)) {
				this.#controller.join({ ...viewer, decided: undefined });
			} else if (JSON.stringify(this.#known.get(id)) !== JSON.stringify(viewer)) {
				this.#controller.update(id, change);
			}
			this.#known.set(id, { ...viewer });
		}
		super.decide(isEmergency);
		this.#controller.decide(this.conditions, this.nowMs, isEmergency);
		for (const id of this.viewers.keys()) {
			expect(this.#controller.verdictOf(id)).toEqual(this.verdicts.get(id));
		}
		const held = this.#controller.held.bitrateBps(this.conditions.pictures!, this.control.ceilings);
		expect(held).toBe(this.bitrateBps());
	}
}

describe('TierController', () => {
	it('gives the answers of decideTiers, and counts the same bits, where pictures may get smaller', () => {
		fc.assert(
			fc.property(happenings, budgets, ladders, (steps, maxBitrateBps, ladder) => {
				play(new MirroredWorld(withBits(maxBitrateBps, ladder)), steps, () => undefined, true);
			}),
			{ numRuns: 60 },
		);
	});
});

describe('the pictures of one channel', () => {
	const named = (ladder: readonly PictureCost[], ceiling: ShownRung): ShownRung => pictureUnder(ladder, ceiling).name;
	const without = (...names: ShownRung[]): PictureCost[] => LADDER.filter(({ name }) => !names.includes(name));

	it.each([
		['source', 'source'],
		['1080p60', 'source'],
		['720p60', '720p60'],
		['480p30', '480p30'],
		['360p30', '360p30'],
	] as const)('under %s are %s', (ceiling, name) => {
		expect(named(LADDER, ceiling)).toBe(name);
	});

	it('are the next smaller where one is not made, but none below the least', () => {
		expect(named(without('720p60'), '720p60')).toBe('480p30');
		expect(named(without('360p30'), '360p30')).toBe('480p30');
		expect(named(without('360p30', '480p30', '720p60'), '360p30')).toBe('source');
	});

	it('are the source where it is no larger than the ceiling', () => {
		const small = [
			...LADDER.slice(0, 2),
			{ name: 'source', bitrateBps: 1_200_000, soundBps: SOUND_BPS, shortSidePixels: 480 } as const,
		];
		expect(['720p60', '480p30', '360p30'].map((ceiling) => named(small, ceiling as ShownRung))).toEqual([
			'source',
			'source',
			'360p30',
		]);
	});

	it('cost a viewer of the sound alone nothing, with and without smaller pictures', () => {
		for (const { ordinary } of CEILING_STEPS) {
			expect(pictureBps(LADDER, 'audio', ordinary)).toBe(SOUND_BPS);
			expect(pictureBps(picturesOf({ bitrateBps: SOURCE_BPS, soundBps: SOUND_BPS }), 'audio', ordinary)).toBe(
				SOUND_BPS,
			);
		}
	});

	it('cost less with each step, for every viewer and ladder', () => {
		fc.assert(
			fc.property(ladders, best, (ladder, own) => {
				const costs = CEILING_STEPS.map(({ ordinary, priority }) => [
					pictureBps(ladder, own, ordinary),
					pictureBps(ladder, own, priority),
				]);
				costs.slice(1).forEach(([ordinary, priority], index) => {
					expect(ordinary).toBeLessThanOrEqual(costs[index]![0]!);
					expect(priority).toBeLessThanOrEqual(costs[index]![1]!);
				});
				expect(CEILING_STEPS.at(-1)).toEqual(LEAST_CEILINGS);
			}),
		);
	});
});
