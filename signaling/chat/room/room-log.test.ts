/** Entries of a room over several nodes: in order, each once, whatever happens to the bus. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateMachine } from '../../../core/lifecycle/state-machine.ts';
import { silentLogger } from '../../../core/logger.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { InProcessBus } from '../../platform/bus/in-process-bus.ts';
import type { RoomEntry } from './room-entry.ts';
import { MAX_HISTORY_LENGTH, ROOM_LOG_TRANSITIONS, RoomLog, type RoomLogEvent, type RoomLogState } from './room-log.ts';
import { FaultyBus } from '../testing/faulty-bus.ts';

const HISTORY_KEY = 'chat:room';

type Node = { bus: FaultyBus; log: RoomLog; told: string[]; say: (id: string) => Promise<void> };

let clock: FakeClock;
let shared: InProcessBus;
let nodes: Node[];

async function openNode(): Promise<Node> {
	const bus = new FaultyBus(shared);
	const told: string[] = [];
	const log = new RoomLog({ bus, clock, logger: silentLogger, onEntry: (entry) => told.push(entry.id) }, 'room');
	await log.open();
	const node: Node = { bus, log, told, say: (id) => log.append({ id, kind: 'settings' } satisfies RoomEntry) };
	nodes.push(node);
	return node;
}

/** Lets rings, which the bus delivers in macrotasks, and what follows from them come to rest. */
async function settle(ms = 0): Promise<void> {
	for (let round = 0; round < 4; round++) {
		await new Promise((resolve) => setImmediate(resolve));
		await clock.advance(round === 0 ? ms : 0);
	}
}

/** What a Redis without persistence goes through when it is killed and started again. */
async function wipe(): Promise<void> {
	const old = shared;
	shared = new InProcessBus({ clock, logger: silentLogger });
	await Promise.all(nodes.map((node) => node.bus.replace(shared)));
	await old.close();
	// It takes more than a millisecond, and everybody notices.
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

	it('tells all nodes the same entries in the same order, the sender included', async () => {
		const [one, two] = [await openNode(), await openNode()];
		await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 3 === 0 ? two : one).say(`m${index}`)));
		await settle();
		expect(one.told).toHaveLength(20);
		expect(two.told).toEqual(one.told);
		const late = await openNode();
		expect(late.told).toEqual(one.told);
	});

	it('goes on alone while the bus is lost, and joins what was said on both sides afterwards', async () => {
		const [one, two] = [await openNode(), await openNode()];
		await one.say('before');
		await settle();
		one.bus.lose();
		await one.say('alone');
		await two.say('elsewhere');
		await settle();
		expect([one.told, two.told]).toEqual([
			['before', 'alone'],
			['before', 'elsewhere'],
		]);
		expect(one.log.isDetached).toBe(true);
		one.bus.restore();
		await settle();
		expect(one.told).toEqual(['before', 'alone', 'elsewhere']);
		expect(two.told).toEqual(['before', 'elsewhere', 'alone']);
		expect(one.log.isDetached).toBe(false);
	});

	it('finds the bus again by itself when nobody tells', async () => {
		const [one, two] = [await openNode(), await openNode()];
		one.bus.lose();
		await one.say('alone');
		await settle(3500);
		expect(one.log.isDetached).toBe(true);
		one.bus.restore();
		await settle(1500);
		expect([one.log.isDetached, two.told]).toEqual([false, ['alone']]);
	});

	it('tells once what was appended although the answer was lost', async () => {
		const [one, two] = [await openNode(), await openNode()];
		one.bus.losesNextAnswer = true;
		await one.say('unsure');
		await settle(2000);
		await one.say('after');
		await settle();
		expect(one.told).toEqual(['unsure', 'after']);
		expect(two.told).toEqual(['unsure', 'after']);
		expect((await shared.readHistory(HISTORY_KEY, undefined, 10)).entries).toHaveLength(2);
	});

	it('reads without being rung, within five seconds', async () => {
		const [one, two] = [await openNode(), await openNode()];
		two.bus.isDeaf = true;
		await one.say('unheard');
		await settle(4000);
		expect(two.told).toEqual([]);
		await settle(6000);
		expect(two.told).toEqual(['unheard']);
	});

	it('appends its own once more when the bus comes back without its memory', async () => {
		const [one, two] = [await openNode(), await openNode()];
		await one.say('read by both');
		await settle();
		two.bus.lose();
		await one.say('read by one');
		await settle();
		await wipe();
		await settle();
		await two.say('new');
		await settle(6000);
		expect(one.told).toEqual(['read by both', 'read by one', 'new']);
		expect([...two.told].sort()).toEqual([...one.told].sort());
	});

	it('starts alone when there is no bus, and catches up', async () => {
		const one = await openNode();
		await one.say('first');
		const bus = new FaultyBus(shared);
		bus.lose();
		const told: string[] = [];
		const log = new RoomLog({ bus, clock, logger: silentLogger, onEntry: (entry) => told.push(entry.id) }, 'room');
		await log.open();
		await log.append({ id: 'own', kind: 'settings' });
		expect(told).toEqual(['own']);
		bus.restore();
		await settle();
		expect([told, one.told]).toEqual([
			['own', 'first'],
			['first', 'own'],
		]);
		await log.close();
	});

	it('asks the bus little in a busy room: many entries share a reading', async () => {
		const [one, two] = [await openNode(), await openNode()];
		const before = two.bus.callCount;
		await Promise.all(Array.from({ length: 200 }, (_, index) => one.say(`m${index}`)));
		await settle();
		expect(two.told).toHaveLength(200);
		expect(two.bus.callCount - before).toBeLessThan(20);
	});

	it('ignores what it does not know', async () => {
		const one = await openNode();
		for (const value of [null, 'x', { id: 'y', kind: 'from-the-future' }, { id: 5, kind: 'settings' }]) {
			await shared.appendToHistory(HISTORY_KEY, value, MAX_HISTORY_LENGTH, 60_000);
		}
		await one.say('known');
		await settle();
		expect(one.told).toEqual(['known']);
	});

	it('refuses entries after close(), which is idempotent, and tells nothing more', async () => {
		const [one, two] = [await openNode(), await openNode()];
		const closing = one.log.close();
		expect(one.log.close()).toBe(closing);
		await closing;
		await expect(one.say('late')).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
		await two.say('unheard');
		await settle();
		expect(one.told).toEqual([]);
	});
});

type Step = { kind: 'say' | 'lose' | 'restore' | 'lose-answer' | 'deafen' | 'wait'; node: 0 | 1 };

describe('RoomLog under random faults', () => {
	// A bus that forgets everything is not among them: while a node is cut off as well, the others may miss what was just
	// said.
	it('loses and doubles nothing', async () => {
		const step = fc.record<Step>({
			kind: fc.constantFrom('say', 'say', 'say', 'lose', 'restore', 'lose-answer', 'deafen', 'wait'),
			node: fc.constantFrom(0, 1),
		});
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
				await setUp();
				await Promise.all([openNode(), openNode()]);
				const said: string[] = [];
				for (const { kind, node: index } of steps) {
					const node = nodes[index]!;
					if (kind === 'say') {
						said.push(`m${said.length}`);
						// Not awaited: several are on their way at once.
						void node.say(said.at(-1)!);
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
					expect([...node.told].sort()).toEqual([...said].sort());
				}
				await tearDown();
			}),
			{ numRuns: 200 },
		);
	});
});
