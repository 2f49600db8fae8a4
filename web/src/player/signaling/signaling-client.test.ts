/** The signaling client over a scripted socket. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../core/logger.ts';
import type { ServerMessage, TierDecision } from '../../../../core/protocol/signaling/signaling-messages.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import type { ClockEstimate } from '../../api/server-clock.ts';
import { SignalingClient, parseServerMessage, reconnectsAfter, type SocketLike } from './signaling-client.ts';

class FakeSocket implements SocketLike {
	readyState = 1;
	onopen: SocketLike['onopen'] = null;
	onmessage: SocketLike['onmessage'] = null;
	onclose: SocketLike['onclose'] = null;
	readonly sent: Array<Record<string, unknown>> = [];
	closedWith: number | undefined;

	send(text: string): void {
		this.sent.push(JSON.parse(text) as Record<string, unknown>);
	}
	close(code = 1005): void {
		this.closedWith = code;
	}
	receive(message: unknown): void {
		this.onmessage?.({ data: JSON.stringify(message) });
	}
	types(): unknown[] {
		return this.sent.map((message) => message['type']);
	}
}

const DECISION: TierDecision = { decisionId: 1, tier: 'webrtc', reason: 'fits', isEmergency: false };
const JOINED = {
	type: 'joined',
	viewerId: 'v',
	resumeToken: 'token',
	nowMs: 0,
	channel: { name: 'demo', state: 'live', viewerCount: 1 },
	decision: DECISION,
	chatName: null,
	chatSettings: { slowModeSeconds: 0, isAccountRequired: false },
	chatHistory: [{ id: 'm1' }],
	hasChatGap: false,
	canModerate: false,
	chatRestriction: null,
};
const STATISTICS = {
	tier: 'webrtc' as const,
	state: 'playing' as 'playing' | 'stalled',
	stallCount: 0,
	stalledForMs: 0,
	shownFrameCount: 1,
	droppedFrameCount: 0,
	bitrateBps: 1,
};

function setUp() {
	const clock = new FakeClock();
	const sockets: FakeSocket[] = [];
	const urls: string[] = [];
	const estimates: ClockEstimate[] = [];
	const fed: boolean[] = [];
	const statistics = { ...STATISTICS };
	const client = new SignalingClient(
		{
			clock,
			logger: silentLogger,
			chance: () => 0,
			createSocket: (url) => {
				urls.push(url);
				sockets.push(new FakeSocket());
				return sockets.at(-1)!;
			},
			serverClock: { add: (estimate) => estimates.push(estimate), setFed: (isFed) => fed.push(isFed) },
			readStatistics: () => statistics,
		},
		{
			url: 'ws://host/api/v1/signaling',
			channel: 'demo',
			capabilities: { canWebRtc: true, canHls: true },
			isPinnedToHls: false,
		},
	);
	client.start();
	const join = (): FakeSocket => {
		const socket = sockets.at(-1)!;
		socket.onopen?.();
		socket.receive(JOINED);
		return socket;
	};
	return { clock, sockets, urls, estimates, fed, client, join, statistics };
}

describe('SignalingClient', () => {
	it('emits the presence as soon as it has joined', () => {
		const { client, join } = setUp();
		const counts: number[] = [];
		client.on('presence', (count) => counts.push(count));
		join();
		expect(counts).toEqual([1]);
	});

	it('joins with the viewer’s capabilities, and emits each decision', () => {
		const { client, join } = setUp();
		const decisions: TierDecision[] = [];
		client.on('decided', (decision) => decisions.push(decision));
		const socket = join();
		expect(socket.sent[0]).toEqual({
			type: 'join',
			protocol: 1,
			channel: 'demo',
			canWebRtc: true,
			canHls: true,
			isPinnedToHls: false,
		});
		expect(client.state).toBe('joined');
		socket.receive({ type: 'tier', decision: { ...DECISION, decisionId: 2, tier: 'll-hls', reason: 'budget-cpu' } });
		expect(decisions.map(({ tier }) => tier)).toEqual(['webrtc', 'll-hls']);
		client.tierPlays('ll-hls');
		expect(socket.sent).toContainEqual({ type: 'tier-playing', decisionId: 2, tier: 'll-hls' });
	});

	it('reconnects as the same viewer, after growing delays, from the last chat message', async () => {
		const { client, join, clock, sockets } = setUp();
		const first = join();
		client.tierPlays('webrtc');
		client.pin(true);
		first.receive({ type: 'chat', messages: [{ id: 'm2' }] });
		first.onclose?.({ code: 1006, reason: '' });
		expect(client.state).toBe('waiting');
		await clock.advance(499);
		expect(sockets).toHaveLength(1);
		await clock.advance(1);
		sockets[1]!.onclose?.({ code: 1006, reason: '' });
		await clock.advance(999);
		expect(sockets).toHaveLength(2);
		await clock.advance(1);
		const third = join();
		expect(third.sent[0]).toMatchObject({
			resumeToken: 'token',
			playingTier: 'webrtc',
			lastChatId: 'm2',
			isPinnedToHls: true,
		});
	});

	it('does not reconnect when the close code forbids it', async () => {
		const { client, join, clock, sockets, fed } = setUp();
		join().onclose?.({ code: 4004, reason: 'replaced' });
		await clock.advance(120_000);
		expect([client.state, sockets.length, fed.at(-1)]).toEqual(['refused', 1, false]);
	});

	it('reconnects when the server does not answer the join, or falls silent', async () => {
		const { join, clock, sockets } = setUp();
		await clock.advance(8600);
		expect([sockets[0]!.closedWith, sockets.length]).toEqual([1005, 2]);
		join();
		await clock.advance(27_000);
		expect(sockets[1]!.closedWith).toBe(1005);
		expect(sockets.length).toBeGreaterThan(2);
	});

	it('measures the clock in a burst after the join', async () => {
		const { join, clock, estimates } = setUp();
		const socket = join();
		await clock.advance(1000);
		const asked = socket.sent.filter(({ type }) => type === 'clock');
		expect(asked).toHaveLength(6);
		const sentAtMs = clock.monotonicMs();
		await clock.advance(10);
		socket.receive({ type: 'clock', clientSentMs: sentAtMs, receivedMs: 5000, sentMs: 5004 });
		expect(estimates).toEqual([{ offsetMs: 5002 - sentAtMs - 5, uncertaintyMs: 3, measuredAtMs: sentAtMs + 10 }]);
		socket.receive({ type: 'clock', clientSentMs: 1e9, receivedMs: 1, sentMs: 1 });
		expect(estimates).toHaveLength(1);
	});

	it('reports statistics every 5 s, and changes of state sooner', async () => {
		const { client, join, clock, statistics } = setUp();
		const socket = join();
		const count = (): number => socket.types().filter((type) => type === 'statistics').length;
		await clock.advance(1000);
		expect(count()).toBe(1);
		await clock.advance(4000);
		expect(count()).toBe(1);
		await clock.advance(1000);
		expect(count()).toBe(2);
		await clock.advance(1000);
		statistics.state = 'stalled';
		client.reportStatistics();
		client.reportStatistics();
		expect(count()).toBe(3);
	});

	it('follows a redirect, but not without end', () => {
		const { client, sockets, urls } = setUp();
		for (let index = 0; index < 6; index++) {
			sockets.at(-1)!.receive({ type: 'redirect', url: 'wss://other/api/v1/signaling' });
		}
		expect(urls).toHaveLength(6);
		expect(urls[1]).toBe('wss://other/api/v1/signaling');
		expect(client.state).toBe('waiting');
	});

	it('leaves nothing running when closed', async () => {
		const { client, join, clock } = setUp();
		const socket = join();
		client.close();
		socket.onclose?.({ code: 1000, reason: '' });
		expect(socket.closedWith).toBe(1000);
		expect(clock.pendingCount).toBe(0);
		expect(client.send({ type: 'pin', isPinnedToHls: true })).toBe(false);
	});
});

it('accepts only frames with a type', () => {
	const fine: ServerMessage = { type: 'presence', viewerCount: 1 };
	expect(parseServerMessage(JSON.stringify(fine))).toEqual(fine);
	for (const data of ['', '[]', 'null', '{"type":1}', '"text"', new ArrayBuffer(2), 'x'.repeat(2_000_000)]) {
		expect(parseServerMessage(data)).toBeUndefined();
	}
});

it('reconnects after a loss, but not after a refusal', () => {
	expect([1000, 1006, 1008, 4000, 4005, 4008].map(reconnectsAfter)).toEqual([true, true, false, true, false, true]);
});
