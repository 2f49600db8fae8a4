/** Tests of rooms whose viewers share a budget of bits: who gets which picture over WebRTC. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ShownRung } from '../../../core/protocol/ladder-choice.ts';
import type { PictureLimit } from '../../../core/protocol/signaling/picture-limits.ts';
import { AudienceBench, testChannel, type FakeConnection } from '../testing/audience-bench.ts';

const RUNGS = ['160p30', '360p30', '480p30', 'source'] as const;
const SOUND_BPS = 100_000;
const COSTS = [300_000, 900_000, 1_600_000, 4_000_000];
const PICTURES = RUNGS.map((name, index) => {
	return { name, bitrateBps: COSTS[index]!, soundBps: SOUND_BPS, shortSidePixels: 0 };
});
const LADDER = { consumersPerViewer: 2, bitrateBps: 4_000_000, soundBps: SOUND_BPS, pictures: PICTURES };

let bench: AudienceBench;

beforeEach(() => {
	bench = new AudienceBench();
	bench.cost = LADDER;
	// Two of the source, of which one is filled.
	bench.budget = { ...bench.budget, maxBitrateBps: 8_000_000 };
});

afterEach(async () => {
	await bench.rooms.close();
	await bench.bus.close();
});

type Watching = { viewer: FakeConnection; id: string; close: (reason?: string) => void };

async function watch(count: number, channel = 'demo'): Promise<Watching[]> {
	const watching: Watching[] = [];
	for (let index = 0; index < count; index++) {
		const viewer = await bench.join({ channel });
		const id = viewer.joined.viewerId;
		const isInRealTime = viewer.decision.tier === 'webrtc';
		watching.push({ viewer, id, close: isInRealTime ? bench.openTransport(id, channel) : () => undefined });
	}
	await bench.clock.advance(1000);
	return watching;
}

async function show(shown: ShownRung, limitedBy: PictureLimit | null): Promise<void> {
	bench.changePicture({
		rungs: RUNGS.map((rung) => ({ rung, widthPixels: 0, heightPixels: 0, frameRate: 30 })),
		shown,
		limitedBy,
	});
	await bench.clock.advance(1000);
}

const ceilingsOf = (watching: readonly Watching[]): (ShownRung | undefined)[] =>
	watching.map(({ id }) => bench.ceilings.get(id));
const tiersOf = (watching: readonly Watching[]): string[] => watching.map(({ viewer }) => viewer.decision.tier);

describe('viewers under a budget of bits', () => {
	it('get smaller pictures as more of them come, and move to LL-HLS only below the least', async () => {
		const first = await watch(2);
		expect(ceilingsOf(first)).toEqual([undefined, undefined]);
		const more = [...first, ...(await watch(2))];
		expect(ceilingsOf(more)).toEqual(Array(4).fill('480p30'));
		await show('480p30', 'seats');
		expect(bench.rooms.distribution(bench.channels.get('demo')!.name).smallerCount).toBe(1);
		const many = [...more, ...(await watch(3))];
		expect(ceilingsOf(many)).toEqual(Array(7).fill('360p30'));
		expect(tiersOf(many)).toEqual(Array(7).fill('webrtc'));
		const [late] = await watch(1);
		expect(late!.viewer.decision).toMatchObject({ tier: 'll-hls', reason: 'budget-bitrate' });
	});

	it('get the source back 5 s after the crowd has gone, in one step', async () => {
		const watching = await watch(7);
		for (const { viewer, close } of watching.slice(1)) {
			viewer.session!.end('left');
			close();
		}
		await bench.clock.advance(4000);
		expect(ceilingsOf(watching.slice(0, 1))).toEqual(['360p30']);
		await bench.clock.advance(3000);
		expect(ceilingsOf(watching.slice(0, 1))).toEqual([undefined]);
	});

	it('have their ceiling before their picture begins', async () => {
		await watch(4);
		const late = await bench.join();
		bench.openTransport(late.joined.viewerId);
		expect(bench.ceilings.get(late.joined.viewerId)).toBe('480p30');
	});

	it('include players without a socket', async () => {
		await watch(2);
		bench.openTransport(undefined);
		bench.openTransport(undefined);
		await bench.clock.advance(1000);
		expect(bench.ceilings.get(undefined)).toBe('480p30');
	});

	it('share it between channels', async () => {
		const here = await watch(2);
		const there = await watch(4, 'other');
		expect(ceilingsOf([...here, ...there])).toEqual(Array(6).fill('360p30'));
		expect(tiersOf(there)).toEqual(Array(4).fill('webrtc'));
	});

	it('count by the picture that their line, their screen or their choice allows', async () => {
		for (let index = 0; index < 3; index++) {
			await watch(1);
			await show('160p30', 'line');
		}
		await watch(1);
		await show('360p30', 'screen');
		const chosen = await watch(1);
		chosen[0]!.viewer.session!.receive({ type: 'picture-wish', rung: '160p30' });
		// 3 × 0.9 (160p and one step up) + 0.9 + 0.3 Mbit/s, and one of the source: no more than 8 Mbit/s.
		const all = await watch(1);
		expect([...bench.ceilings.values()].filter((name) => name !== undefined)).toEqual([]);
		chosen[0]!.viewer.session!.receive({ type: 'picture-wish' });
		expect(ceilingsOf(all)).toEqual(['480p30']);
	});

	it('with a role keep the source while all others have the least', async () => {
		bench.channels.set('demo', testChannel('demo', { ownerId: 'owner' }));
		const owner = await bench.join({}, { id: 'owner', name: 'owner', role: 'viewer' });
		bench.openTransport(owner.joined.viewerId);
		const others = await watch(4);
		expect(bench.ceilings.get(owner.joined.viewerId)).toBeUndefined();
		expect(ceilingsOf(others)).toEqual(Array(4).fill('360p30'));
	});

	it('stay where they are for the 6 s in which an encoder starts again', async () => {
		const watching = await watch(6);
		bench.cost = { consumersPerViewer: 2, bitrateBps: 4_000_000, soundBps: SOUND_BPS };
		await bench.clock.advance(5000);
		expect(tiersOf(watching)).toEqual(Array(6).fill('webrtc'));
		bench.cost = LADDER;
		await bench.clock.advance(5000);
		expect(tiersOf(watching)).toEqual(Array(6).fill('webrtc'));
		bench.cost = { consumersPerViewer: 2, bitrateBps: 4_000_000, soundBps: SOUND_BPS };
		await bench.clock.advance(8000);
		expect(tiersOf(watching).filter((tier) => tier === 'webrtc')).toHaveLength(1);
	});

	it.each([
		['audio', 'with', LADDER, 8],
		['source', 'with', LADDER, 7],
		['audio', 'without', { consumersPerViewer: 2, bitrateBps: 4_000_000, soundBps: SOUND_BPS }, 1],
		['source', 'without', { consumersPerViewer: 2, bitrateBps: 4_000_000, soundBps: SOUND_BPS }, 0],
	] as const)('count by what they want: %s, on a channel %s smaller pictures', async (rung, _with, cost, more) => {
		bench.cost = cost;
		bench.budget = { ...bench.budget, maxBitrateBps: 8_500_000 };
		const [first] = await watch(1);
		first!.viewer.session!.receive({ type: 'picture-wish', rung });
		await bench.clock.advance(1000);
		const others = tiersOf(await watch(12));
		expect(others.filter((tier) => tier === 'webrtc')).toHaveLength(more);
	});

	it('get the source of a channel without smaller pictures', async () => {
		bench.cost = { consumersPerViewer: 2, bitrateBps: 4_000_000, soundBps: SOUND_BPS };
		const watching = await watch(3);
		expect(ceilingsOf(watching)).toEqual([undefined, undefined, undefined]);
		expect(tiersOf(watching)).toEqual(['webrtc', 'll-hls', 'll-hls']);
	});
});
