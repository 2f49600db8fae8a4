/** Tests of which broadcasts the registry admits, and of its last refusals. */
import { describe, expect, it } from 'vitest';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import type { Sfu } from '../../sfu/create-sfu.ts';
import { BroadcastRegistry, type PublishPermission } from './broadcast-registry.ts';
import { FakeRouter } from '../testing/fake-stage.ts';
import { FakeTrackSink } from '../testing/fake-track-sink.ts';
import { FakeTranscoderFactory } from '../testing/fake-transcoders.ts';
import type { WorkLimits } from '../media-plan/work-budget.ts';

function openRegistry(limits: Partial<WorkLimits> = {}): { registry: BroadcastRegistry; fail: { next: boolean } } {
	const fail = { next: false };
	const sfu = {
		createBroadcastRouter: () =>
			fail.next ? Promise.reject(new Error('no worker')) : Promise.resolve(new FakeRouter().asRouter),
	} as unknown as Sfu;
	const registry = new BroadcastRegistry({
		clock: new FakeClock(),
		logger: new RecordingLogger(),
		sfu,
		transcoders: new FakeTranscoderFactory(),
		limits: {
			maxBroadcasts: 2,
			maxBroadcastsPerOwner: 1,
			maxEncoderPixelsPerSecond: 1e9,
			maxPublisherBitrateBps: 1e9,
			...limits,
		},
		ladderChoice: 'off',
		openPackager: () => new FakeTrackSink(),
	});
	return { registry, fail };
}

function permission(channel: string, owner = channel, isKnown = false): PublishPermission {
	return {
		channelId: channel as ChannelId,
		channelName: channel as ChannelName,
		graceWindowMs: 60_000,
		streamKeyId: `key of ${channel}`,
		owner: { id: owner, isKnown, isAdministrator: false },
	};
}

describe('BroadcastRegistry', () => {
	it('refuses a broadcast beyond the limit, keeps the reason, and admits it when there is room again', async () => {
		const { registry } = openRegistry();
		const first = await registry.open(permission('a'));
		await registry.open(permission('b'));
		await expect(registry.open(permission('c'))).rejects.toMatchObject({ code: 'BROADCASTS_FULL', httpStatus: 503 });
		expect(registry.lastRefusal('c' as ChannelName)).toMatchObject({ code: 'BROADCASTS_FULL' });
		expect(registry.lastRefusal('a' as ChannelName)).toBeUndefined();
		await first.close('unpublished');
		await registry.open(permission('c'));
		expect(registry.lastRefusal('c' as ChannelName)).toBeUndefined();
		await registry.close();
	});

	it('admits another encoder of a running broadcast, even at the limit', async () => {
		const { registry } = openRegistry({ maxBroadcasts: 1 });
		const running = await registry.open(permission('a'));
		expect(await registry.open(permission('a'))).toBe(running);
		await registry.close();
	});

	it("gives a broadcast its channel's choice of rungs", async () => {
		const { registry } = openRegistry();
		const chosen = await registry.open({ ...permission('a'), ladderChoice: ['480p30'] });
		expect([chosen.ladderChoice, (await registry.open(permission('b'))).ladderChoice]).toEqual([['480p30'], undefined]);
		await registry.close();
	});

	it('counts broadcasts that are still starting, and not those that could not start', async () => {
		const { registry, fail } = openRegistry({ maxBroadcasts: 1 });
		const starting = registry.open(permission('a'));
		await expect(registry.open(permission('b'))).rejects.toMatchObject({ code: 'BROADCASTS_FULL' });
		const running = await starting;
		await running.close('unpublished');
		fail.next = true;
		await expect(registry.open(permission('b'))).rejects.toThrow('no worker');
		fail.next = false;
		await registry.open(permission('c'));
		await registry.close();
	});

	it('admits one broadcast for each account, and known accounts beyond the limit', async () => {
		const { registry } = openRegistry();
		await registry.open(permission('a', 'alice'));
		expect(() => registry.checkAdmission(permission('b', 'alice'))).toThrow(
			expect.objectContaining({ code: 'LIMIT_REACHED', httpStatus: 409 }),
		);
		await registry.open(permission('c', 'carol'));
		await registry.open(permission('d', 'dave', true));
		expect(registry.broadcasts).toHaveLength(3);
		await registry.close();
	});
});
