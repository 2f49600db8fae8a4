/** Tests of a room's entries over several nodes: in order, each once, despite faults of the bus. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateMachine } from '../../../core/lifecycle/state-machine.ts';
import { silentLogger } from '../../../core/logger.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { InProcessBus } from '../../platform/bus/in-process-bus.ts';
import { createNodeIdentity } from '../../platform/cluster/node-identity.ts';
import type { RoomEntry } from './room-entry.ts';
import { MAX_HISTORY_LENGTH, ROOM_LOG_TRANSITIONS, RoomLog, type RoomLogEvent, type RoomLogState } from './room-log.ts';
import { FaultyBus } from '../testing/faulty-bus.ts';

const HISTORY_KEY = 'chat:room';

type Node = { bus: FaultyBus; log: RoomLog; received: string[]; append: (id: string) => Promise<void> };

let clock: FakeClock;
let shared: InProcessBus;
let nodes: Node[];

async function openNode(isBusLost = false): Promise<Node> {
	const bus = new FaultyBus(shared);
	if (isBusLost) {
		bus.lose();
	}
	const received: string[] = [];
	const deps = { ...createNodeIdentity(), bus, clock, logger: silentLogger };
	const log = new RoomLog({ ...deps, onEntry: (entry) => received.push(entry.id) }, 'room');
	await log.open();
	const node: Node = { bus, log, received, append: (id) => log.append({ id, kind: 'settings' } satisfies RoomEntry) };
	nodes.push(node);
	return node;
}

/** Waits for rings, which the bus delivers in macrotasks, and their effects. */
async function settle(ms = 0): Promise<void> {
	for (let round = 0; round < 4; round++) {
		await new Promise((resolve) => setImmediate(resolve));
		await clock.advance(round === 0 ? ms : 0);
	}
}

/** Replaces the bus by an empty one, as when a Redis without persistence is killed and started again. */
async function wipe(): Promise<void> {
	const old = shared;
	shared = new InProcessBus({ clock, logger: silentLogger });
	await Promise.all(nodes.map((node) => node.bus.replace(shared)));
	await old.close();
	// The outage takes more than a millisecond, and all nodes notice it.
	await clock.advance(100);
	nodes.forEach((node) => node.bus.restore());
}

async function setUp(): Promise<void> {
	clock = new FakeClock();
	shared = new InProcessBus({ clock, logger: silentLogger });
	nodes = [];
}

async function tearDown(): Promise<void> {
	await Promise.all(nodes.map((node) => node.log.close()));
	await shared.close();
	expect(clock.pendingCount).toBe(0);
}

const EVENTS: readonly RoomLogEvent[] = ['joined', 'bus-lost', 'closed'];
/** State → the state after each event, in the order of EVENTS; `-` where the event is ignored. */
const EXPECTED: Record<RoomLogState, string> = {
	opening: 'attached detached closed',
	attached: '- detached closed',
	detached: 'attached - closed',
	closed: '- - -',
};

it.each(Object.keys(EXPECTED) as RoomLogState[])('a room log answers every event in the state %s', (initial) => {
	const next = EVENTS.map((event) => {
		const options = { table: ROOM_LOG_TRANSITIONS, initial, logger: silentLogger };
		const machine = new StateMachine<RoomLogState, RoomLogEvent>(options);
		return machine.handle(event) ? machine.state : '-';
	});
	expect(next.join(' ')).toBe(EXPECTED[initial]);
});

describe('RoomLog', () => {
	beforeEach(setUp);
	afterEach(tearDown);

	it('delivers the same entries in the same order to all nodes, the sender included', async () => {
		const [one, two] = [await openNode(), await openNode()];
		await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 3 === 0 ? two : one).append(`m${index}`)));
		await settle();
		expect(one.received).toHaveLength(20);
		expect(two.received).toEqual(one.received);
		const late = await openNode();
		expect(late.received).toEqual(one.received);
	});

	it('continues alone while the bus is lost, and shares the entries of both sides afterwards', async () => {
		const [one, two] = [await openNode(), await openNode()];
		await one.append('before');
		await settle();
		one.bus.lose();
		await one.append('alone');
		await two.append('elsewhere');
		await settle();
		expect([one.received, two.received]).toEqual([
			['before', 'alone'],
			['before', 'elsewhere'],
		]);
		expect(one.log.isDetached).toBe(true);
		one.bus.restore();
		await settle();
		expect(one.received).toEqual(['before', 'alone', 'elsewhere']);
		expect(two.received).toEqual(['before', 'elsewhere', 'alone']);
		expect(one.log.isDetached).toBe(false);
	});

	it('rejoins the bus by itself', async () => {
		const [one, two] = [await openNode(), await openNode()];
		one.bus.lose();
		await one.append('alone');
		await settle(3500);
		expect(one.log.isDetached).toBe(true);
		one.bus.restore();
		await settle(1500);
		expect([one.log.isDetached, two.received]).toEqual([false, ['alone']]);
	});

	it('delivers once what was appended although the answer was lost', async () => {
		const [one, two] = [await openNode(), await openNode()];
		one.bus.losesNextAnswer = true;
		await one.append('unsure');
		await settle(2000);
		await one.append('after');
		await settle();
		expect(one.received).toEqual(['unsure', 'after']);
		expect(two.received).toEqual(['unsure', 'after']);
		expect((await shared.readHistory(HISTORY_KEY, undefined, 10)).entries).toHaveLength(2);
	});

	it('reads within five seconds without a ring', async () => {
		const [one, two] = [await openNode(), await openNode()];
		two.bus.isDeaf = true;
		await one.append('unheard');
		await settle(4000);
		expect(two.received).toEqual([]);
		await settle(6000);
		expect(two.received).toEqual(['unheard']);
	});

	it('appends its own entries again when the bus comes back without its memory', async () => {
		const [one, two] = [await openNode(), await openNode()];
		await one.append('read by both');
		await settle();
		two.bus.lose();
		await one.append('read by one');
		await settle();
		await wipe();
		await settle();
		await two.append('new');
		await settle(6000);
		expect(one.received).toEqual(['read by both', 'read by one', 'new']);
		expect([...two.received].sort()).toEqual([...one.received].sort());
	});

	it('starts detached without a bus, and catches up', async () => {
		const one = await openNode();
		await one.append('first');
		const two = await openNode(true);
		await two.append('own');
		expect(two.received).toEqual(['own']);
		two.bus.restore();
		await settle();
		expect([two.received, one.received]).toEqual([
			['own', 'first'],
			['first', 'own'],
		]);
	});

	it('shares a read between many entries in a busy room', async () => {
		const [one, two] = [await openNode(), await openNode()];
		const before = two.bus.callCount;
		await Promise.all(Array.from({ length: 200 }, (_, index) => one.append(`m${index}`)));
		await settle();
		expect(two.received).toHaveLength(200);
		expect(two.bus.callCount - before).toBeLessThan(20);
	});

	it('ignores malformed and unknown entries', async () => {
		const one = await openNode();
		for (const value of [null, 'x', { id: 'y', kind: 'from-the-future' }, { id: 5, kind: 'settings' }]) {
			await shared.appendToHistory(HISTORY_KEY, value, MAX_HISTORY_LENGTH, 60_000);
		}
		await one.append('known');
		await settle();
		expect(one.received).toEqual(['known']);
	});

	it('refuses and delivers no entries after close(), which is idempotent', async () => {
		const [one, two] = [await openNode(), await openNode()];
		const closing = one.log.close();
		expect(one.log.close()).toBe(closing);
		await closing;
		await expect(one.append('late')).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
		await two.append('unheard');
		await settle();
		expect(one.received).toEqual([]);
	});
});

type Step = { kind: 'append' | 'lose' | 'restore' | 'lose-answer' | 'deafen' | 'wait'; node: 0 | 1 };

describe('RoomLog under random faults', () => {
	// A bus that loses its memory is not among them: together with a cut-off node, the newest entries can be lost.
	it('neither loses nor repeats entries', async () => {
		const step = fc.record<Step>({
			kind: fc.constantFrom('append', 'append', 'append', 'lose', 'restore', 'lose-answer', 'deafen', 'wait'),
			node: fc.constantFrom(0, 1),
		});
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
				await setUp();
				await Promise.all([openNode(), openNode()]);
				const appended: string[] = [];
				for (const { kind, node: index } of steps) {
					const node = nodes[index]!;
					if (kind === 'append') {
						appended.push(`m${appended.length}`);
						// Not awaited, so that several are under way at once.
						void node.append(appended.at(-1)!);
					} else if (kind === 'lose') {
						node.bus.lose();
					} else if (kind === 'restore') {
						node.bus.restore();
					} else if (kind === 'lose-answer') {
						node.bus.losesNextAnswer = true;
					} else if (kind === 'deafen') {
						node.bus.isDeaf = !node.bus.isDeaf;
					} else {
						await settle(700);
					}
				}
				await settle(100);
				nodes.forEach((node) => node.bus.restore());
				await settle(12_000);
				for (const node of nodes) {
					expect([...node.received].sort()).toEqual([...appended].sort());
				}
				await tearDown();
			}),
			{ numRuns: 200 },
		);
	});
});
