/** Tests of the tier controller's rules one by one; tier-properties.test.ts has the invariants for every audience. */
import { describe, expect, it } from 'vitest';
import { testConditions, TierWorld } from './tier-world.ts';

const idOf = (index: number): string => `viewer-${String(index).padStart(3, '0')}`;

function filledWorld(places: number, viewerCount: number): TierWorld {
	const world = new TierWorld(testConditions(places));
	for (let index = 0; index < viewerCount; index++) {
		world.nowMs += 10;
		world.join(idOf(index));
		world.decide();
	}
	return world;
}

describe('decideTiers', () => {
	it('gives every viewer WebRTC with the reason "fits" while there is room', () => {
		const world = filledWorld(20, 18);
		expect([world.count('webrtc'), world.reasonOf('viewer-017')]).toEqual([18, 'fits']);
	});

	it('fills nine tenths of the budget by join time and sends the rest to LL-HLS with the limit as the reason', () => {
		const world = filledWorld(20, 30);
		expect([world.count('webrtc'), world.count('ll-hls')]).toEqual([18, 12]);
		expect([world.reasonOf('viewer-000'), world.reasonOf('viewer-018')]).toEqual(['priority', 'budget-consumers']);
	});

	it('places a crowd that joins at once by role, chat and join time', () => {
		const world = new TierWorld(testConditions(6));
		world.join('plain-late', { joinedAtMs: world.nowMs - 1 });
		world.join('plain-early', { joinedAtMs: world.nowMs - 2 });
		world.join('chatter', { lastChatAtMs: world.nowMs - 1000 });
		world.join('was-chatter', { lastChatAtMs: world.nowMs - 301_000 });
		world.join('subscriber', { role: 'subscriber' });
		world.join('guest', { role: 'guest' });
		world.join('moderator', { role: 'moderator' });
		world.decide();
		const inWebRtc = [...world.verdicts].filter(([, { tier }]) => tier === 'webrtc').map(([id]) => id);
		expect(inWebRtc.toSorted()).toEqual(['chatter', 'guest', 'moderator', 'plain-early', 'subscriber']);
	});

	it('admits a moderator at once through the reserve, and hands the newest viewer over', () => {
		const world = filledWorld(20, 25);
		world.pass(60_000);
		world.join('moderator', { role: 'moderator' });
		world.decide();
		expect([world.tierOf('moderator'), world.tierOf('viewer-017'), world.heldCount]).toEqual(['webrtc', 'll-hls', 19]);
		expect(world.verdicts.get('viewer-017')!.isEmergency).toBe(false);
		world.pass(21_000);
		expect([world.count('webrtc'), world.heldCount]).toEqual([18, 18]);
	});

	it('admits no more through the reserve than it holds until transports are released', () => {
		const world = filledWorld(20, 25);
		for (let index = 0; index < 5; index++) {
			world.join(`guest-${index}`, { role: 'guest' });
		}
		world.decide();
		expect([world.heldCount, world.tierOf('guest-1'), world.tierOf('guest-2')]).toEqual([20, 'webrtc', 'll-hls']);
		world.pass(60_000);
		expect([0, 1, 2, 3, 4].map((index) => world.tierOf(`guest-${index}`))).toEqual(Array(5).fill('webrtc'));
		expect(world.count('webrtc')).toBe(18);
	});

	it('displaces a silent viewer for a chatter, never an equal for an equal', () => {
		const world = filledWorld(20, 25);
		world.pass(300_000);
		expect(world.switches).toEqual([]);
		world.change('viewer-024', { lastChatAtMs: world.nowMs });
		world.decide();
		expect(world.switches.map(({ id, verdict }) => [id, verdict.tier]).toSorted()).toEqual([
			['viewer-017', 'll-hls'],
			['viewer-024', 'webrtc'],
		]);
		world.pass(3_600_000, 5000);
		expect(world.switches).toHaveLength(2);
	});

	it('promotes the longest waiting first, at one in fifty of the target a second', () => {
		const world = filledWorld(200, 300);
		for (let index = 0; index < 50; index++) {
			world.leave(idOf(index));
		}
		world.decide();
		expect(world.switches.map(({ id }) => id)).toEqual(['viewer-180', 'viewer-181', 'viewer-182']);
		world.pass(5000);
		expect(world.switches).toHaveLength(18);
		world.pass(60_000);
		expect([world.count('webrtc'), world.switches.length]).toEqual([180, 50]);
	});

	it('keeps newcomers behind viewers who wait for a promotion', () => {
		const world = filledWorld(40, 80);
		for (let index = 0; index < 5; index++) {
			world.leave(idOf(index));
		}
		world.join('newcomer');
		world.decide();
		expect(world.tierOf('newcomer')).toBe('ll-hls');
	});

	it('readmits a viewer at once who removes their pin, and waits a minute before its own move', () => {
		const world = filledWorld(20, 10);
		world.change('viewer-000', { isPinnedToHls: true });
		world.pass(10_000);
		expect(world.tierOf('viewer-000')).toBe('ll-hls');
		world.change('viewer-000', { isPinnedToHls: false });
		world.pass(1000);
		expect(world.tierOf('viewer-000')).toBe('webrtc');
		world.conditions = testConditions(20, { policy: { mode: 'mass-only', interactiveSeats: null } });
		world.pass(50_000);
		expect(world.tierOf('viewer-000')).toBe('webrtc');
		world.pass(15_000);
		expect(world.tierOf('viewer-000')).toBe('ll-hls');
	});

	it('counts a leaving viewer until their transport is closed', () => {
		const world = filledWorld(20, 25);
		world.change('viewer-000', { isPinnedToHls: true });
		world.decide();
		expect([world.reasonOf('viewer-000'), world.count('webrtc'), world.heldCount]).toEqual(['pinned', 17, 18]);
		world.pass(19_000);
		expect(world.count('webrtc')).toBe(17);
		world.pass(2000);
		expect([world.count('webrtc'), world.tierOf('viewer-018')]).toEqual([18, 'webrtc']);
	});

	it.each([
		['blocked', 'webrtc-blocked', 60_000],
		['connection-lost', 'webrtc-blocked', 60_000],
		['refused', 'sfu-unavailable', 60_000],
		['line-too-poor', 'line-too-poor', 30_000],
		['unsupported', 'webrtc-unsupported', 900_000],
		['undecodable', 'webrtc-unsupported', 900_000],
	] as const)(
		'moves a viewer whose WebRTC is %s to LL-HLS at once, and back after a while',
		(cause, reason, waitMs) => {
			const world = filledWorld(20, 1);
			world.nowMs += 1000;
			world.fail('viewer-000', cause);
			world.decide();
			expect(world.verdicts.get('viewer-000')).toEqual({ tier: 'll-hls', reason, isEmergency: true });
			world.pass(waitMs - 1000);
			expect(world.reasonOf('viewer-000')).toBe(reason);
			world.pass(1000);
			expect(world.tierOf('viewer-000')).toBe('webrtc');
		},
	);

	it.each([
		['line-too-poor', [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000]],
		['blocked', [60_000, 120_000]],
	] as const)('doubles the wait after each failure of the kind %s, up to its maximum', (cause, waitsMs) => {
		const world = filledWorld(20, 1);
		for (const waitMs of waitsMs) {
			world.nowMs += 1000;
			world.fail('viewer-000', cause);
			world.decide();
			world.pass(waitMs - 1000);
			expect(world.tierOf('viewer-000'), `before ${waitMs}`).toBe('ll-hls');
			world.pass(1000);
			expect(world.tierOf('viewer-000'), `after ${waitMs}`).toBe('webrtc');
		}
	});

	it('waits for a line that their player still calls too short, and not for one that it has never judged', () => {
		const world = filledWorld(20, 1);
		world.nowMs += 1000;
		world.fail('viewer-000', 'line-too-poor');
		world.change('viewer-000', { isLineShort: true });
		world.decide();
		world.pass(600_000);
		expect(world.reasonOf('viewer-000')).toBe('line-too-poor');
		world.change('viewer-000', { isLineShort: false });
		world.pass(6000);
		expect(world.tierOf('viewer-000')).toBe('webrtc');
	});

	it('lets a short line not keep those away who have failed for another reason, or have no other tier', () => {
		const world = filledWorld(20, 2);
		world.nowMs += 1000;
		world.fail('viewer-000', 'blocked');
		world.fail('viewer-001', 'line-too-poor');
		world.change('viewer-000', { isLineShort: true });
		world.change('viewer-001', { isLineShort: true, canHls: false });
		world.decide();
		world.pass(61_000);
		expect([world.tierOf('viewer-000'), world.tierOf('viewer-001')]).toEqual(['webrtc', 'webrtc']);
	});

	it('keeps a viewer without WebRTC support in LL-HLS', () => {
		const world = new TierWorld(testConditions(20));
		world.join('old-browser', { canWebRtc: false });
		world.pass(3_600_000, 60_000);
		expect([world.reasonOf('old-browser'), world.switches]).toEqual(['webrtc-unsupported', []]);
	});

	it('moves viewers at once when their worker dies, and back ten seconds later', () => {
		const world = filledWorld(20, 10);
		world.nowMs += 1000;
		world.decide(new Set(['viewer-000', 'viewer-001']));
		expect(world.verdicts.get('viewer-000')).toEqual({ tier: 'll-hls', reason: 'worker-lost', isEmergency: true });
		expect(world.tierOf('viewer-002')).toBe('webrtc');
		world.pass(9000);
		expect(world.verdicts.get('viewer-000')).toEqual({ tier: 'll-hls', reason: 'worker-lost', isEmergency: false });
		world.pass(5000);
		expect(world.count('webrtc')).toBe(10);
	});

	it('empties the tier at once when no worker runs', () => {
		const world = filledWorld(20, 10);
		world.conditions = testConditions(0);
		world.decide();
		expect([...world.verdicts.values()]).toEqual(
			Array(10).fill({ tier: 'll-hls', reason: 'sfu-unavailable', isEmergency: true }),
		);
	});

	it('hands every viewer over softly when the channel becomes mass-only', () => {
		const world = filledWorld(20, 10);
		world.conditions = { ...world.conditions, policy: { mode: 'mass-only', interactiveSeats: null } };
		world.decide();
		expect([...world.verdicts.values()]).toEqual(
			Array(10).fill({ tier: 'll-hls', reason: 'mass-only', isEmergency: false }),
		);
	});

	it('numbers the waiting list of an interactive-only channel and moves it up', () => {
		const world = filledWorld(20, 0);
		world.conditions = { ...world.conditions, policy: { mode: 'interactive-only', interactiveSeats: 2 } };
		for (const id of ['first', 'second', 'third', 'fourth']) {
			world.nowMs += 10;
			world.join(id);
			world.decide();
		}
		const positions = (): unknown[] =>
			[...world.verdicts].map(([id, { tier, waitingPosition }]) => [id, tier, waitingPosition]);
		expect(positions()).toEqual([
			['first', 'webrtc', undefined],
			['second', 'webrtc', undefined],
			['third', 'll-hls', 1],
			['fourth', 'll-hls', 2],
		]);
		world.leave('first');
		world.decide();
		expect(positions()).toEqual([
			['second', 'webrtc', undefined],
			['third', 'webrtc', undefined],
			['fourth', 'll-hls', 1],
		]);
	});

	it('keeps to the seats of the channel, with a reason, and takes them back softly', () => {
		const world = filledWorld(20, 10);
		world.conditions = { ...world.conditions, policy: { mode: 'automatic', interactiveSeats: 4 } };
		world.decide();
		expect([world.count('webrtc'), world.reasonOf('viewer-004')]).toEqual([4, 'seats-full']);
		expect(world.verdicts.get('viewer-009')!.isEmergency).toBe(false);
	});

	it('demotes the newest softly when the budget shrinks, and waits before it promotes again', () => {
		const world = filledWorld(20, 18);
		world.conditions = testConditions(10);
		world.decide();
		expect([world.count('webrtc'), world.tierOf('viewer-008'), world.tierOf('viewer-009')]).toEqual([
			9,
			'webrtc',
			'll-hls',
		]);
		world.conditions = testConditions(20);
		world.pass(59_000);
		expect([world.count('webrtc'), world.reasonOf('viewer-009')]).toEqual([9, 'switched-lately']);
		world.pass(60_000);
		expect(world.count('webrtc')).toBe(18);
	});

	it('moves a viewer within the minute, as an emergency, when no other is left', () => {
		const world = filledWorld(20, 18);
		world.conditions = testConditions(1);
		world.decide();
		world.conditions = testConditions(20);
		world.pass(100_000);
		expect(world.count('webrtc')).toBe(18);
		const movedLately = [...world.viewers.values()].filter(
			({ decided }) => world.nowMs - (decided?.switchedAtMs ?? 0) < 60_000,
		).length;
		expect(movedLately).toBeGreaterThan(5);
		world.conditions = testConditions(2);
		world.decide();
		expect(world.count('webrtc')).toBeLessThanOrEqual(2);
		expect([...world.verdicts.values()].filter(({ isEmergency }) => isEmergency).length).toBeGreaterThan(0);
	});

	it('counts what other channels hold', () => {
		const world = new TierWorld(testConditions(20, { otherChannelsHeld: { consumers: 30, bitrateBps: 45_000_000 } }));
		for (let index = 0; index < 10; index++) {
			world.join(`viewer-${index}`);
		}
		world.decide();
		expect(world.count('webrtc')).toBe(4);
	});

	it.each([
		['budget-bitrate', { budget: { maxConsumers: 40, maxBitrateBps: 30_000_000, maxWorkerCpu: 0.85 } }, 9],
		['budget-cpu', { load: { workerCpu: 0.8, consumersMeasured: 10 } }, 5],
		['budget-cpu', { load: { workerCpu: 1, consumersMeasured: 20 } }, 0],
	] as const)('gives the reason %s when that limit is reached first', (reason, change, places) => {
		const world = new TierWorld(testConditions(20, change));
		for (let index = 0; index < 20; index++) {
			world.join(`viewer-${String(index).padStart(2, '0')}`);
		}
		world.decide();
		expect([world.count('webrtc'), world.reasonOf('viewer-19')]).toEqual([places, reason]);
	});

	it('demotes viewers in proportion when a worker is too busy, only once although the reading lags', () => {
		const world = filledWorld(100, 90);
		world.conditions = { ...world.conditions, load: { workerCpu: 1, consumersMeasured: 180 } };
		world.pass(15_000);
		// 90 viewers cost a whole core, so 0.85 of it carries 76; nine tenths of that are filled.
		expect([world.count('webrtc'), world.switches.length]).toEqual([68, 22]);
		world.conditions = { ...world.conditions, load: { workerCpu: 0.9, consumersMeasured: 162 } };
		world.pass(30_000);
		expect(world.switches.length).toBe(22);
	});
});
