/** Property tests of the tier rules with random audiences, and of `TierController` against `decideTiers`. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TierController } from './tier-controller.ts';
import { testConditions, testViewer, TierWorld } from './testing/tier-world.ts';
import type { TierConditions, TierViewer } from './tier-input.ts';
import { withoutReserve } from './tier-limits.ts';
import { comparePrecedence, viewerStanding } from './tier-standing.ts';

type Event =
	| { kind: 'join'; count: number; change: Partial<TierViewer>; hasChatted: boolean }
	| {
			kind: 'leave' | 'return' | 'chat' | 'fail' | 'pin' | 'unpin' | 'doubt' | 'prove' | 'worker-lost';
			pick: number;
			cause: TierViewer['failureCause'];
	  }
	| { kind: 'conditions'; change: Partial<TierConditions> };
type Step = { event: Event; waitMs: number };

const role = fc.constantFrom('broadcaster', 'moderator', 'guest', 'subscriber', 'viewer', 'viewer', 'viewer', 'viewer');
const causes = ['unsupported', 'blocked', 'connection-lost', 'undecodable', 'refused', 'line-too-poor'] as const;
const cause = fc.constantFrom(...causes, 'session-ended' as const, undefined);
const joining: fc.Arbitrary<Event> = fc.record({
	kind: fc.constant('join' as const),
	count: fc.integer({ min: 1, max: 12 }),
	hasChatted: fc.boolean(),
	change: fc.record({
		role,
		canWebRtc: fc.integer({ max: 9, min: 0 }).map((number) => number > 0),
		canHls: fc.integer({ max: 9, min: 0 }).map((number) => number > 0),
		isPinnedToHls: fc.integer({ max: 9, min: 0 }).map((number) => number === 0),
	}) as fc.Arbitrary<Partial<TierViewer>>,
});
const happening: fc.Arbitrary<Event> = fc.record({
	kind: fc.constantFrom(
		'leave',
		'leave',
		'leave',
		'return',
		'chat',
		'chat',
		'fail',
		'pin',
		'unpin',
		'doubt',
		'prove',
		'worker-lost',
	),
	pick: fc.nat(1000),
	cause,
});
const policyChange: fc.Arbitrary<Event> = fc.record({
	kind: fc.constant('conditions' as const),
	change: fc.record({
		policy: fc.record({
			mode: fc.constantFrom('automatic', 'automatic', 'interactive-only', 'mass-only'),
			interactiveSeats: fc.constantFrom(null, null, 0, 3, 10),
		}),
	}) as fc.Arbitrary<Partial<TierConditions>>,
});
const budgetChange: fc.Arbitrary<Event> = fc.record({
	kind: fc.constant('conditions' as const),
	change: fc.record(
		{
			budget: fc.record({
				maxConsumers: fc.integer({ min: 0, max: 60 }),
				maxBitrateBps: fc.integer({ min: 1_000_000, max: 90_000_000 }),
				maxWorkerCpu: fc.constant(0.85),
			}),
			load: fc.record({
				workerCpu: fc.double({ min: 0, max: 1, noNaN: true }),
				consumersMeasured: fc.option(fc.nat(60), { nil: undefined }),
			}),
			bitrateBps: fc.integer({ min: 0, max: 6_000_000 }),
			otherChannelsHeld: fc.record({ consumers: fc.nat(20), bitrateBps: fc.nat(20_000_000) }),
		},
		{ requiredKeys: [] },
	) as fc.Arbitrary<Partial<TierConditions>>,
});
const waiting = fc.constantFrom(0, 100, 1000, 7000, 30_000, 61_000, 300_000);
const stepsOf = (...events: fc.Arbitrary<Event>[]): fc.Arbitrary<Step[]> =>
	fc.array(fc.record({ event: fc.oneof(...events), waitMs: waiting }), { minLength: 1, maxLength: 40 });
const peacefulSteps = stepsOf(joining, joining, happening);
const anySteps = stepsOf(joining, joining, happening, policyChange, budgetChange);

let nextId = 0;

/** Applies an event to the world; returns the viewers whose worker died. */
function happen(world: TierWorld, event: Event): ReadonlySet<string> {
	if (event.kind === 'join') {
		for (let index = 0; index < event.count; index++) {
			const lastChatAtMs = event.hasChatted ? world.nowMs - 1000 : undefined;
			world.join(`v${(nextId++ * 7919) % 100_003}-${nextId}`, { ...event.change, lastChatAtMs });
		}
		return new Set();
	}
	if (event.kind === 'conditions') {
		world.conditions = { ...world.conditions, ...event.change };
		return new Set();
	}
	const ids = [...world.viewers.keys()];
	const id = ids[event.pick % Math.max(1, ids.length)];
	if (id === undefined) {
		return new Set();
	}
	switch (event.kind) {
		case 'leave':
			world.leave(id);
			break;
		case 'chat':
			world.change(id, { lastChatAtMs: world.nowMs });
			break;
		case 'fail':
			world.fail(id, event.cause);
			break;
		case 'pin':
			world.change(id, { isPinnedToHls: true });
			break;
		case 'unpin':
			world.change(id, { isPinnedToHls: false });
			break;
		case 'doubt':
		case 'prove':
			world.change(id, event.kind === 'doubt' ? { isUnproven: true, holdsWebRtc: false } : { isUnproven: false });
			break;
		case 'worker-lost':
			return new Set(ids.filter((_, index) => index % 3 === event.pick % 3));
	}
	return new Set();
}

function slideMs(id: string): number {
	return 5000 + ((id.length * 7919 + id.charCodeAt(1) * 104_729) % 35_000);
}

/** Runs the steps, with a decision a second or less often while waiting. */
function play(steps: readonly Step[], world: TierWorld, onDecided: () => void = () => {}): void {
	for (const { event, waitMs } of steps) {
		const isEmergency = happen(world, event);
		world.decide(isEmergency);
		onDecided();
		const stepMs = waitMs > 10_000 ? waitMs / 10 : 1000;
		for (let passedMs = 0; passedMs < waitMs; passedMs += stepMs) {
			world.nowMs += stepMs;
			world.decide();
			onDecided();
		}
	}
}

describe('decideTiers, for every audience', () => {
	// The world itself throws when a viewer has no tier or moves twice in a minute, or promotions exceed the budget.
	it('gives every viewer a tier with a valid reason, moves no viewer twice a minute, after any events', () => {
		fc.assert(
			fc.property(anySteps, fc.integer({ min: 0, max: 30 }), (steps, places) => {
				const world = new TierWorld(testConditions(places), slideMs);
				play(steps, world);
				expect(world.verdicts.size).toBe(world.viewers.size);
			}),
			{ numRuns: 100 },
		);
	});

	it('is never above the budget, leavers counted, and fills no more than nine tenths of it with viewers who stay', () => {
		fc.assert(
			fc.property(peacefulSteps, fc.integer({ min: 0, max: 30 }), (steps, places) => {
				const world = new TierWorld(testConditions(places), slideMs);
				play(steps, world, () => {
					if (world.heldCount > places || world.count('webrtc') > withoutReserve(places)) {
						throw new Error(`${world.heldCount} held, ${world.count('webrtc')} decided, ${places} places`);
					}
				});
			}),
			{ numRuns: 100 },
		);
	});

	it('promotes no more than one in fifty of the target a second, staff and guests aside', () => {
		fc.assert(
			fc.property(peacefulSteps, fc.integer({ min: 1, max: 120 }), (steps, places) => {
				const world = new TierWorld(testConditions(places), slideMs);
				const most = Math.max(1, Math.floor(withoutReserve(places) * 0.02));
				play(steps, world, () => {
					const recent = world.switches.filter(
						({ id, atMs, verdict }) =>
							verdict.tier === 'webrtc' &&
							// A viewer whose worker died since takes no place.
							world.verdicts.get(id)?.tier === 'webrtc' &&
							world.nowMs - atMs < 1000 &&
							/subscriber|viewer/.test(world.viewers.get(id)?.role ?? ''),
					);
					const promotedTwice = recent.length - new Set(recent.map(({ id }) => id)).size;
					if (recent.length - promotedTwice > most) {
						throw new Error(`${recent.length} promotions in a second, ${most} are allowed`);
					}
				});
			}),
			{ numRuns: 80 },
		);
	});

	it('leaves no viewer in LL-HLS for long while a viewer with a weaker claim has WebRTC', () => {
		fc.assert(
			fc.property(peacefulSteps, fc.integer({ min: 0, max: 20 }), (steps, places) => {
				const world = new TierWorld(testConditions(places), slideMs);
				play(steps, world);
				// Within the chat window, so that chatters remain chatters or not as the last runs saw them.
				world.pass(1_800_000, 10_000);
				const classes = { webrtc: [] as number[], 'll-hls': [] as number[] };
				for (const viewer of world.viewers.values()) {
					const standing = viewerStanding(viewer, world.nowMs, 'automatic', false);
					if (standing.kind !== 'excluded') {
						classes[viewer.decided!.tier].push(standing.viewerClass);
					}
				}
				const count = classes.webrtc.length + classes['ll-hls'].length;
				expect(classes.webrtc.length).toBe(Math.min(count, withoutReserve(places)));
				expect(Math.max(0, ...classes.webrtc)).toBeLessThanOrEqual(Math.min(Infinity, ...classes['ll-hls']));
			}),
			{ numRuns: 25 },
		);
	});

	it('places newcomers who join together strictly by class and join time', () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(role, fc.nat(1000)), { maxLength: 60 }), fc.nat(40), (people, places) => {
				const world = new TierWorld(testConditions(places));
				people.forEach(([kind, joinedAtMs], index) => world.join(`v${index}`, { role: kind, joinedAtMs }));
				world.decide();
				const inOrder = [...world.viewers.values()]
					.map((viewer) => {
						const standing = viewerStanding({ ...viewer, decided: undefined }, world.nowMs, 'automatic', false);
						return { ...viewer, viewerClass: standing.kind === 'candidate' ? standing.viewerClass : -1 };
					})
					.sort(comparePrecedence);
				const tiers = inOrder.map(({ id }) => world.tierOf(id));
				const placedCount = Math.min(people.length, withoutReserve(places));
				expect(tiers).toEqual(tiers.map((_, index) => (index < placedCount ? 'webrtc' : 'll-hls')));
			}),
			{ numRuns: 100 },
		);
	});

	it('moves no settled viewer when limits fluctuate by 4 % and CPU by 8 %', () => {
		fc.assert(
			fc.property(
				fc.array(fc.tuple(fc.double({ min: -1, max: 1, noNaN: true }), fc.double({ min: -1, max: 1, noNaN: true })), {
					minLength: 200,
					maxLength: 200,
				}),
				fc.integer({ min: 26, max: 60 }),
				fc.constantFrom('bits', 'cpu', 'both'),
				(noise, places, kind) => {
					const world = new TierWorld(testConditions(places));
					for (let index = 0; index < 120; index++) {
						world.join(`viewer-${index}`);
					}
					const fluctuate = ([bits, cpu]: [number, number]): void => {
						const maxBitrateBps = places * 3_000_000;
						const heldCpu = (world.heldCount / (places * 0.85)) * 0.8;
						world.nowMs += 1000;
						world.conditions = {
							...world.conditions,
							budget: { maxConsumers: 1000, maxBitrateBps: kind === 'cpu' ? 1e12 : maxBitrateBps, maxWorkerCpu: 0.85 },
							bitrateBps: 3_000_000 * (1 + 0.04 * bits),
							load: {
								workerCpu: kind === 'bits' ? 0.1 : heldCpu * (1 + 0.08 * cpu),
								consumersMeasured: world.heldCount * 2,
							},
						};
						world.decide();
					};
					noise.slice(0, 100).forEach(fluctuate);
					const settled = world.switches.length;
					noise.slice(100).forEach(fluctuate);
					// The highest limit may still admit viewers; but none is demoted.
					const later = world.switches.slice(settled);
					expect(later.filter(({ verdict }) => verdict.tier === 'll-hls')).toEqual([]);
					expect(world.count('webrtc')).toBeGreaterThan(places * 0.6);
				},
			),
			{ numRuns: 8, endOnFailure: true },
		);
	});

	it('slows down when the limit jumps up and down by a quarter', () => {
		const world = new TierWorld(testConditions(40));
		for (let index = 0; index < 80; index++) {
			world.join(`viewer-${index}`);
		}
		for (let second = 0; second < 600; second++) {
			world.conditions = testConditions(second % 20 < 10 ? 40 : 30);
			world.pass(1000);
		}
		// Without hysteresis each jump causes nine hand-overs every ten seconds, 540 in all.
		expect(world.switches.length).toBeLessThan(300);
	});
});

describe('TierController', () => {
	it('gives the answers of decideTiers after any events', () => {
		fc.assert(
			fc.property(anySteps, fc.integer({ min: 0, max: 30 }), (steps, places) => {
				const world = new TierWorld(testConditions(places), slideMs);
				const controller = new TierController();
				const known = new Map<string, TierViewer>();
				const mirror = (): void => {
					for (const id of known.keys()) {
						if (!world.viewers.has(id)) {
							controller.leave(id);
							known.delete(id);
						}
					}
					for (const [id, viewer] of world.viewers) {
						if (!known.has(id)) {
							controller.join({ ...viewer, decided: undefined });
						}
						known.set(id, viewer);
					}
				};
				// The world changes transports inside decide(), so the mirror copies the input of decideTiers.
				for (const { event, waitMs } of steps) {
					const isEmergency = happen(world, event);
					const returning =
						event.kind === 'return' ? [...known.keys()][event.pick % Math.max(1, known.size)] : undefined;
					const before = returning === undefined ? undefined : controller.viewerOf(returning);
					if (before !== undefined) {
						controller.leave(before.id);
						controller.join({ ...before });
					}
					for (let run = 0; run < (waitMs === 0 ? 1 : 4); run++) {
						compareRun(world, controller, mirror, run === 0 ? isEmergency : new Set());
						world.nowMs += waitMs / 4;
					}
				}
			}),
			{ numRuns: 150 },
		);
	});

	it('returns only newcomers and viewers who change tier', () => {
		const controller = new TierController();
		for (let index = 0; index < 12; index++) {
			controller.join(testViewer(`v${index}`, index));
		}
		expect(controller.decide(testConditions(10), 1000)).toHaveLength(12);
		expect(controller.decide(testConditions(10), 2000)).toEqual([]);
		expect(controller.counts).toMatchObject({ viewerCount: 12, webRtcCount: 9, waitingCount: 3, leavingCount: 0 });
		controller.leave('v0');
		expect(controller.decide(testConditions(10), 3000)).toEqual([
			{ id: 'v9', verdict: { tier: 'webrtc', reason: 'priority', isEmergency: false } },
		]);
		expect(controller.verdictOf('v0')).toBeUndefined();
		expect(controller.verdictOf('v11')).toEqual({ tier: 'll-hls', reason: 'budget-consumers', isEmergency: false });
	});

	it('throws for a known viewer, and ignores unknown ones', () => {
		const controller = new TierController();
		controller.join(testViewer('v', 0));
		expect(() => controller.join(testViewer('v', 0))).toThrow(TypeError);
		controller.update('nobody', { isPinnedToHls: true });
		controller.leave('nobody');
		expect(controller.counts.viewerCount).toBe(1);
	});
});

function compareRun(
	world: TierWorld,
	controller: TierController,
	mirror: () => void,
	isEmergency: ReadonlySet<string>,
): void {
	world.settleTransports(isEmergency);
	mirror();
	for (const viewer of world.viewers.values()) {
		const { id: _id, joinedAtMs: _joinedAtMs, decided: _decided, ...change } = viewer;
		const known = controller.viewerOf(viewer.id)!;
		// Only differences, so that the controller is tested with changes and not with full copies.
		if (Object.entries(change).some(([key, value]) => known[key as keyof TierViewer] !== value)) {
			controller.update(viewer.id, change);
		}
	}
	const before = new Map([...world.viewers].map(([id, { decided }]) => [id, decided?.tier]));
	world.decide(isEmergency);
	const changes = new Map(
		controller.decide(world.conditions, world.nowMs, isEmergency).map(({ id, verdict }) => [id, verdict]),
	);
	for (const [id, verdict] of world.verdicts) {
		expect(controller.verdictOf(id), id).toEqual(verdict);
		expect(changes.has(id), id).toBe(before.get(id) !== verdict.tier);
		expect(controller.viewerOf(id)!.decided, id).toEqual(world.viewers.get(id)!.decided);
	}
	expect(controller.counts.webRtcCount).toBe(world.count('webrtc'));
}
