/** Tests of rooms on a fake clock: joins, counts, decisions, budget, reconnects, emergencies. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InProcessBus } from '../../platform/bus/in-process-bus.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger, type LogLine } from '../../../core/testing/recording-logger.ts';
import { AudienceBench, type FakeConnection, testChannel } from '../testing/audience-bench.ts';

let bench: AudienceBench;

beforeEach(() => {
	bench = new AudienceBench();
});

afterEach(async () => {
	await bench.rooms.close();
	await bench.bus.close();
});

describe('joining', () => {
	it('answers with the tier, a token and the channel, and counts the viewer', async () => {
		const viewer = await bench.join();
		expect(viewer.joined).toMatchObject({
			decision: { decisionId: 1, tier: 'webrtc', reason: 'fits', isEmergency: false },
			channel: { name: 'demo', viewerCount: 1 },
			nowMs: bench.clock.nowMs() - 25,
		});
		expect(bench.count).toBe(1);
		expect(bench.events.map(({ kind }) => kind)).toEqual(['join', 'tier']);
	});

	it.each(['nowhere', 'not a name', '__proto__'])('refuses the channel %s', async (channel) => {
		await expect(bench.join({ channel })).rejects.toMatchObject({ code: 'CHANNEL_NOT_FOUND' });
	});

	it('needs the database for the first viewer of a channel only', async () => {
		await bench.join();
		bench.isDatabaseLost = true;
		const second = await bench.join();
		expect(second.joined.channel.name).toBe('demo');
		await expect(bench.join({ channel: 'other' })).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
	});

	it('starts viewers without a place in LL-HLS, with the reason', async () => {
		bench.budget = { ...bench.budget, maxConsumers: 4 };
		const viewers = [];
		for (let index = 0; index < 6; index++) {
			viewers.push(await bench.join());
		}
		const tiers = viewers.map(({ decision }) => decision.tier);
		expect(tiers.filter((tier) => tier === 'webrtc')).toHaveLength(1);
		expect(viewers.at(-1)!.decision).toMatchObject({ tier: 'll-hls', reason: 'budget-consumers' });
	});

	it('decides a rush together and answers every viewer', async () => {
		const joins = Array.from({ length: 300 }, () => bench.join());
		const viewers = await Promise.all(joins);
		expect(viewers.every(({ joined }) => joined.decision.decisionId === 1)).toBe(true);
		expect(bench.count).toBe(300);
	});

	it.each([
		['owner', 'broadcaster', false],
		['mod', 'moderator', true],
		['fan', 'viewer', false],
	])('gives %s the role of a %s', async (id, role, canModerate) => {
		bench.channels.set('demo', testChannel('demo', { ownerId: 'owner' }));
		bench.chat.canModerate = canModerate;
		await bench.join({}, { id, name: id, role: 'viewer' });
		expect(bench.events[0]!.payload).toMatchObject({ role });
	});
});

describe('leaving', () => {
	it('removes a viewer at once who closes in order', async () => {
		const viewer = await bench.join();
		viewer.session!.end('left');
		expect(bench.count).toBe(0);
		expect(bench.chat.members.size).toBe(0);
		expect(bench.events.at(-1)).toMatchObject({ kind: 'leave', payload: { how: 'left' } });
	});

	it('counts a viewer whose socket was cut for 6 s more', async () => {
		const viewer = await bench.join();
		viewer.session!.end('lost');
		await bench.clock.advance(5000);
		expect(bench.count).toBe(1);
		await bench.clock.advance(2000);
		expect(bench.count).toBe(0);
	});

	it('counts a viewer who reconnects with their token once, as the same viewer', async () => {
		const first = await bench.join();
		first.session!.end('lost');
		const again = await bench.join({ resumeToken: first.joined.resumeToken, playingTier: 'll-hls' });
		expect(again.joined.viewerId).toBe(first.joined.viewerId);
		await bench.clock.advance(20_000);
		expect(bench.count).toBe(1);
	});

	it('replaces an open socket by the newer one with the same token', async () => {
		const first = await bench.join();
		const second = await bench.join({ resumeToken: first.joined.resumeToken });
		expect([first.closedWith, second.closedWith, bench.count]).toEqual(['replaced', undefined, 1]);
		// The old socket ends late and must not remove the viewer of the new one.
		first.session!.end('left');
		expect([bench.count, bench.chat.members.size]).toEqual([1, 1]);
	});

	it('keeps the last of two joins at the same moment', async () => {
		const first = await bench.join();
		const { resumeToken } = first.joined;
		const [one, two] = await Promise.all([bench.join({ resumeToken }), bench.join({ resumeToken })]);
		expect([one.closedWith, two.closedWith, bench.count]).toEqual(['replaced', undefined, 1]);
	});

	it.each(['', 'v1.x', 'x'.repeat(200)])(
		'treats a viewer with the bad token "%s" as a newcomer',
		async (resumeToken) => {
			const viewer = await bench.join({ resumeToken });
			expect(viewer.joined.viewerId).toMatch(/^[0-9a-z]{26}$/);
		},
	);

	it('closes the room some time after the last viewer', async () => {
		const viewer = await bench.join();
		viewer.session!.end('left');
		expect([bench.rooms.roomCount, bench.chat.openCount]).toEqual([1, 1]);
		await bench.clock.advance(12_000);
		expect([bench.rooms.roomCount, bench.chat.openCount]).toEqual([0, 0]);
	});
});

describe('decisions', () => {
	it('are sent and logged with their reason when they change, and not again', async () => {
		const viewer = await bench.join();
		await bench.clock.advance(5000);
		expect(viewer.of('tier')).toHaveLength(0);
		bench.channels.set('demo', testChannel('demo', { policy: { mode: 'mass-only', interactiveSeats: null } }));
		await bench.rooms.channelChanged('demo' as never);
		await settle(bench.clock, 1000);
		expect(viewer.of('tier').map(({ decision }) => decision)).toEqual([
			{ decisionId: 2, tier: 'll-hls', reason: 'mass-only', isEmergency: false },
		]);
		expect(viewer.of('channel').at(-1)!.channel.policy.mode).toBe('mass-only');
		expect(bench.events.at(-1)).toMatchObject({
			kind: 'switch',
			payload: { from: 'webrtc', to: 'll-hls', reason: 'mass-only' },
		});
		const { viewerId } = viewer.joined;
		expect(loggedDecisions(viewerId)).toMatchObject([
			{ level: 'info', fields: { decisionId: 1, from: null, to: 'webrtc', reason: 'fits' } },
			{ level: 'info', fields: { channel: 'demo', decisionId: 2, from: 'webrtc', to: 'll-hls', reason: 'mass-only' } },
		]);
	});

	it('follow a pin, and a failure with its cause', async () => {
		const [pinned, blocked] = [await bench.join(), await bench.join()];
		pinned.session!.receive({ type: 'pin', isPinnedToHls: true });
		blocked.session!.receive({ type: 'tier-failed', decisionId: 1, tier: 'webrtc', cause: 'blocked' });
		await bench.clock.advance(1000);
		expect(pinned.decision).toMatchObject({ tier: 'll-hls', reason: 'pinned', isEmergency: false });
		expect(blocked.decision).toMatchObject({ tier: 'll-hls', reason: 'webrtc-blocked', isEmergency: true });
		expect(bench.logger.lines).toContainEqual(
			expect.objectContaining({
				message: 'a viewer reports a failed tier',
				fields: expect.objectContaining({ viewerId: blocked.joined.viewerId, tier: 'webrtc', cause: 'blocked' }),
			}),
		);
	});

	it('stop the picture of a viewer whose line does not carry it, and of no other', async () => {
		const [poor, other] = [await bench.join(), await bench.join()];
		const closePoor = bench.openTransport(poor.joined.viewerId);
		bench.openTransport(other.joined.viewerId);
		other.session!.receive({ type: 'tier-failed', decisionId: 1, tier: 'webrtc', cause: 'connection-lost' });
		expect(bench.stoppedPictures).toEqual([]);
		poor.session!.receive({ type: 'tier-failed', decisionId: 1, tier: 'webrtc', cause: 'line-too-poor' });
		expect(bench.stoppedPictures).toEqual([poor.joined.viewerId]);
		await bench.clock.advance(1);
		expect(poor.decision).toMatchObject({ tier: 'll-hls', reason: 'line-too-poor', isEmergency: true });
		expect(bench.events.findLast(({ viewerId }) => viewerId === poor.joined.viewerId)).toMatchObject({
			kind: 'switch',
			payload: { from: 'webrtc', to: 'll-hls', reason: 'line-too-poor' },
		});
		closePoor();
		poor.session!.receive({ type: 'tier-failed', decisionId: 2, tier: 'webrtc', cause: 'line-too-poor' });
		expect(bench.stoppedPictures).toHaveLength(1);
	});

	it('are repeated with a new reason at most every 5 s, by the same id and logged for debugging', async () => {
		bench.channels.set('demo', testChannel('demo', { policy: { mode: 'interactive-only', interactiveSeats: 0 } }));
		const viewers = [await bench.join(), await bench.join(), await bench.join()];
		const last = viewers[2]!;
		expect(last.decision).toMatchObject({ reason: 'waiting-list', waitingPosition: 3 });
		viewers[0]!.session!.end('left');
		viewers[1]!.session!.end('left');
		await bench.clock.advance(6000);
		expect(last.of('tier').map(({ decision }) => [decision.decisionId, decision.waitingPosition])).toEqual([[1, 1]]);
		expect(loggedDecisions(last.joined.viewerId).map(({ level }) => level)).toEqual(['info', 'debug']);
	});

	it('keep a place taken until its transport is closed, even when its viewer has left', async () => {
		bench.budget = { ...bench.budget, maxConsumers: 2 };
		const first = await bench.join();
		const closeTransport = bench.openTransport(first.joined.viewerId);
		first.session!.end('left');
		const second = await bench.join();
		expect(second.decision).toMatchObject({ tier: 'll-hls', reason: 'budget-consumers' });
		closeTransport();
		await bench.clock.advance(70_000);
		expect(second.decision.tier).toBe('webrtc');
	});

	it('count transports of players that send no viewer id, but not twice', async () => {
		bench.budget = { ...bench.budget, maxConsumers: 6 };
		const player = await bench.join();
		bench.openTransport(undefined);
		player.session!.receive({ type: 'tier-playing', decisionId: 1, tier: 'webrtc' });
		await bench.clock.advance(1000);
		expect((await bench.join()).decision.tier).toBe('webrtc');
		bench.openTransport(undefined, 'other');
		bench.openTransport('any untrusted text', 'other');
		await bench.clock.advance(1000);
		expect((await bench.join()).decision).toMatchObject({ tier: 'll-hls', reason: 'budget-consumers' });
	});

	it('share the budget among channels', async () => {
		bench.budget = { ...bench.budget, maxConsumers: 4 };
		expect((await bench.join()).decision.tier).toBe('webrtc');
		await bench.join({ channel: 'other' });
		expect((await bench.join({ channel: 'other' })).decision.tier).toBe('ll-hls');
	});

	describe('claimed by clients of one address that never connect', () => {
		const fill = async (channel: string): Promise<FakeConnection[]> => {
			const crowd = Array.from({ length: 150 }, () => bench.join({ channel }, undefined, '203.0.113.7'));
			return Promise.all(crowd);
		};
		const joinNewcomers = async (): Promise<FakeConnection[]> => {
			const newcomers = [];
			for (let index = 0; index < 5; index++) {
				newcomers.push(await bench.join({}, undefined, `198.51.100.${index}`));
			}
			return newcomers;
		};
		const webRtcCount = (viewers: readonly FakeConnection[]): number =>
			viewers.filter(({ decision }) => decision.tier === 'webrtc').length;

		it('go to newcomers and to waiting viewers', async () => {
			const waiting = await bench.join({ isPinnedToHls: true });
			expect(webRtcCount(await fill('demo'))).toBe(90);
			expect(webRtcCount(await joinNewcomers())).toBe(5);
			waiting.session!.receive({ type: 'pin', isPinnedToHls: false });
			await bench.clock.advance(2000);
			expect(waiting.decision.tier).toBe('webrtc');
		});

		it('go to newcomers even when the CPU allows fewer than were claimed', async () => {
			await fill('demo');
			bench.load = { workerCpu: 0.3, consumersMeasured: 20 };
			await bench.clock.advance(1000);
			expect(webRtcCount(await joinNewcomers())).toBe(5);
		});

		it('go to newcomers even while the claimants come and go', async () => {
			const crowds: FakeConnection[][] = [];
			const newcomers: FakeConnection[] = [];
			for (let round = 0; round < 20; round++) {
				crowds.push(await fill('demo'));
				if (crowds.length > 3) {
					crowds.shift()!.forEach(({ session }) => session!.end('lost'));
				}
				newcomers.push(await bench.join({}, undefined, `198.51.100.${round}`));
				bench.openTransport(newcomers.at(-1)!.joined.viewerId);
				await bench.clock.advance(1000);
			}
			expect(webRtcCount(newcomers)).toBe(20);
		});

		it('take no place from another channel', async () => {
			const watching = await Promise.all(Array.from({ length: 80 }, () => bench.join()));
			watching.forEach(({ joined }) => bench.openTransport(joined.viewerId));
			await bench.clock.advance(1000);
			await fill('other');
			for (let index = 0; index < 30; index++) {
				await bench.join({ channel: 'other' }, undefined, '203.0.113.7');
				await bench.clock.advance(1000);
			}
			expect(webRtcCount(watching)).toBe(80);
			expect(watching.flatMap((viewer) => viewer.of('tier'))).toEqual([]);
		});

		it('are kept by clients of one address that connect', async () => {
			bench.budget = { ...bench.budget, maxConsumers: 100 };
			const household = await Promise.all(Array.from({ length: 45 }, () => bench.join({}, undefined, '203.0.113.7')));
			household.forEach(({ joined }) => bench.openTransport(joined.viewerId));
			await bench.clock.advance(30_000);
			expect((await bench.join({}, undefined, '198.51.100.1')).decision.tier).toBe('ll-hls');
			expect(webRtcCount(household)).toBe(45);
		});
	});

	it('send viewers of a dead worker, and no others, to LL-HLS at once', async () => {
		const [lost, safe] = [await bench.join(), await bench.join()];
		const close = bench.openTransport(lost.joined.viewerId);
		bench.openTransport(safe.joined.viewerId);
		close('worker-died');
		await bench.clock.advance(1);
		expect(lost.decision).toMatchObject({ tier: 'll-hls', reason: 'worker-lost', isEmergency: true });
		expect(safe.of('tier')).toHaveLength(0);
		// The player reports a lost connection; that must not count against the viewer's network.
		lost.session!.receive({ type: 'tier-failed', tier: 'webrtc', cause: 'connection-lost', decisionId: 1 });
		await bench.clock.advance(9000);
		expect(lost.decision).toMatchObject({ tier: 'll-hls', reason: 'worker-lost' });
		await bench.clock.advance(3000);
		expect(lost.decision.tier).toBe('webrtc');
	});

	it('ignore the claim of a newcomer that WebRTC plays', async () => {
		bench.budget = { ...bench.budget, maxConsumers: 2 };
		await bench.join();
		expect((await bench.join({ playingTier: 'webrtc' })).decision.tier).toBe('ll-hls');
	});

	it('keep the playing tier after a reconnect', async () => {
		const first = await bench.join();
		bench.openTransport(first.joined.viewerId);
		first.session!.end('lost');
		const again = await bench.join({ resumeToken: first.joined.resumeToken, playingTier: 'webrtc' });
		expect(again.joined.decision).toMatchObject({ tier: 'webrtc', decisionId: 1 });
	});
});

describe('news', () => {
	it('sends the viewer count at most every 2 s', async () => {
		const first = await bench.join();
		await bench.clock.advance(1000);
		await bench.join();
		await bench.join();
		await bench.clock.advance(3000);
		expect(first.of('presence').map(({ viewerCount }) => viewerCount)).toEqual([1, 3]);
	});

	it('forwards chat, and answers with the outcome', async () => {
		const viewer = await bench.join();
		viewer.session!.receive({ type: 'chat-send', draftId: 'a', text: 'hello' });
		viewer.session!.receive({ type: 'chat-send', draftId: 'b', text: 'refuse me' });
		viewer.session!.receive({ type: 'chat-moderate', action: 'delete', messageId: '1-0' });
		await bench.clock.advance(1);
		expect(viewer.of('chat-sent')).toEqual([{ type: 'chat-sent', draftId: 'a', messageId: '1-0' }]);
		expect(viewer.of('chat-refused')).toMatchObject([{ draftId: 'b', code: 'CHAT_TOO_FAST', retryAfterMs: 3000 }]);
		expect(viewer.of('error')).toMatchObject([{ code: 'CHAT_MODERATION_REFUSED' }]);
	});

	it('reports the audience by tier with reasons and latency', async () => {
		const [fast, slow] = [await bench.join(), await bench.join({ canWebRtc: false })];
		const figures = {
			type: 'statistics',
			state: 'playing',
			stallCount: 0,
			stalledForMs: 0,
			shownFrameCount: 1,
			droppedFrameCount: 0,
			bitrateBps: 1,
		} as const;
		fast.session!.receive({ ...figures, tier: 'webrtc', latencyMs: 150.4 });
		slow.session!.receive({ ...figures, tier: 'll-hls', latencyMs: 1800 });
		slow.session!.receive({
			...figures,
			tier: 'll-hls',
			latencyMs: 2000,
			stallCount: 2,
			stalledForMs: 300,
			rung: '480p30',
		});
		const channel = bench.channels.get('demo')!;
		expect(bench.rooms.distribution(channel.name)).toEqual({
			viewerCount: 2,
			isComplete: true,
			byTier: {
				webrtc: { count: 1, latencyMs: { p50: 150, p95: 150 } },
				'll-hls': { count: 1, latencyMs: { p50: 2000, p95: 2000 } },
			},
			reasons: [
				{ tier: 'webrtc', reason: 'fits', count: 1 },
				{ tier: 'll-hls', reason: 'webrtc-unsupported', count: 1 },
			],
			rungs: [{ tier: 'll-hls', rung: '480p30', count: 1 }],
			waitingCount: 0,
		});
		expect(bench.events.filter(({ kind }) => kind === 'stall')).toMatchObject([{ payload: { count: 2 } }]);
		expect(bench.events.filter(({ kind }) => kind === 'latency')).toHaveLength(2);
		await bench.clock.advance(16_000);
		expect(bench.rooms.distribution(channel.name)).toMatchObject({
			byTier: { webrtc: { latencyMs: null } },
			rungs: [],
		});
	});
});

describe('beacons', () => {
	it('count a viewer without a socket for as long as beacons arrive', async () => {
		const room = await bench.rooms.room('demo');
		const { token, isCounted } = room.beacon(undefined);
		expect([isCounted, bench.count]).toEqual([false, 0]);
		room.beacon(token);
		for (let index = 0; index < 4; index++) {
			await bench.clock.advance(5000);
			room.beacon(token);
			expect(bench.count).toBe(1);
		}
		await bench.clock.advance(13_000);
		expect(bench.count).toBe(0);
		room.beacon(token);
		room.leave(token);
		expect(bench.count).toBe(0);
	});

	it('do not count a viewer with a socket again, and cannot remove them', async () => {
		const viewer = await bench.join();
		const room = await bench.rooms.room('demo');
		room.beacon(viewer.joined.resumeToken);
		room.leave(viewer.joined.resumeToken);
		expect([bench.count, viewer.isOpen]).toEqual([1, true]);
	});
});

describe('two servers', () => {
	it('count together, follow a viewer who moves, and drop a server that closed', async () => {
		const clock = new FakeClock();
		const bus = new InProcessBus({ clock, logger: new RecordingLogger() });
		const [one, two] = [new AudienceBench({ clock, bus, nodeId: 'a' }), new AudienceBench({ clock, bus, nodeId: 'b' })];
		const viewer = await one.join();
		await one.join();
		await two.join();
		await settle(clock, 3000);
		expect([one.count, two.count]).toEqual([3, 3]);
		// The same viewer joins the other node while their old socket still counts as open.
		await two.join({ resumeToken: viewer.joined.resumeToken });
		await settle(clock, 3000);
		expect([viewer.closedWith, one.count, two.count]).toEqual(['replaced', 3, 3]);
		await one.rooms.close();
		await settle(clock, 2000);
		expect(two.count).toBe(2);
		await two.rooms.close();
		await bus.close();
	});
});

describe('closing', () => {
	it('closes every socket as serverStopping, refuses newcomers, and leaves no timer', async () => {
		const viewer = await bench.join();
		await bench.rooms.close();
		await bench.rooms.close();
		await bench.bus.close();
		expect(viewer.closedWith).toBe('serverStopping');
		await expect(bench.join()).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
		expect([bench.clock.pendingCount, bench.chat.openCount, bench.count]).toEqual([0, 0, 0]);
	});
});

/** The log lines about the tier of a viewer. */
function loggedDecisions(viewerId: string): LogLine[] {
	return bench.logger.lines.filter(
		({ fields, message }) => fields['viewerId'] === viewerId && message === 'tier decided for a viewer',
	);
}

// The in-process bus delivers by macrotasks, which a fake clock does not run.
async function settle(clock: FakeClock, ms: number): Promise<void> {
	for (let passed = 0; passed < ms; passed += 100) {
		await clock.advance(100);
		await new Promise((resolve) => setImmediate(resolve));
	}
}
