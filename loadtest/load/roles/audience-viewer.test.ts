/** Tests of the audience's viewer with a fake socket and fake players. */
import { Value } from 'typebox/value';
import { beforeEach, describe, expect, it } from 'vitest';
import {
	type ClientMessage,
	clientMessageSchema,
	type ServerMessage,
	type TierDecision,
} from '../../../core/protocol/signaling/signaling-messages.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { AudienceViewer } from './audience-viewer.ts';

type Tier = TierDecision['tier'];
type FakePlayer = {
	tier: Tier;
	started(): void;
	failed(error: Error): void;
	lost(reason: string): void;
	isClosed: boolean;
};

let clock: FakeClock;
let log: string[];
let sent: ClientMessage[];
let players: FakePlayer[];
let joins: { join: ClientMessage; receive(message: ServerMessage): void; closed(code: number): void }[];
let firstDecision: TierDecision;
let held: Record<Tier, number>;

const decide = (decisionId: number, tier: Tier): TierDecision => ({
	decisionId,
	tier,
	reason: 'fits',
	isEmergency: false,
});
/** Lets promises run. */
const settle = async (): Promise<void> => {
	for (let turn = 0; turn < 20; turn++) {
		await Promise.resolve();
	}
};

function createViewer(): AudienceViewer {
	return new AudienceViewer({
		clock,
		channel: 'demo',
		isPinnedToHls: false,
		createSocket: (join, receive, closed) => {
			joins.push({ join, receive, closed });
			return {
				open: () =>
					Promise.resolve({ decision: firstDecision, viewerId: 'viewer', resumeToken: `token${joins.length}` }),
				send: (message) => sent.push(message),
				close: () => log.push('socket closed'),
			};
		},
		createPlayer: (tier, lost) => {
			let [started, failed] = [(): void => undefined, (_: Error): void => undefined];
			const start = new Promise<void>((resolve, reject) => ([started, failed] = [resolve, reject]));
			const player: FakePlayer = { tier, started, failed, lost, isClosed: false };
			players.push(player);
			return {
				start: () => start,
				close: () => {
					player.isClosed = true;
					failed(new Error('closed'));
					return Promise.resolve();
				},
				each: () => undefined,
				latencyMs: () => 700,
				isPlaying: () => true,
			};
		},
		chance: () => 0,
		events: {
			decided: ({ tier }) => log.push(`decided ${tier}`),
			held: (tier, by) => (held[tier] += by),
			playing: (tier, before) => log.push(`playing ${tier} after ${before}`),
			switched: (tier, _durationMs, isFirst) => log.push(`switched ${tier} ${isFirst ? 'first' : 'over'}`),
			legFailed: (tier) => log.push(`failed ${tier}`),
			reconnected: () => log.push('reconnected'),
			dropped: (reason) => log.push(`dropped ${reason}`),
			presence: () => undefined,
		},
	});
}

async function startViewer(): Promise<AudienceViewer> {
	const viewer = createViewer();
	await viewer.start();
	return viewer;
}

async function startPlayingViewer(): Promise<AudienceViewer> {
	const viewer = await startViewer();
	players[0]!.started();
	await settle();
	return viewer;
}

beforeEach(() => {
	clock = new FakeClock();
	[log, sent, players, joins] = [[], [], [], []];
	firstDecision = decide(1, 'webrtc');
	held = { webrtc: 0, 'll-hls': 0 };
});

describe('AudienceViewer', () => {
	it('plays the tier of the answer and reports it', async () => {
		const viewer = await startPlayingViewer();
		expect(viewer.tier).toBe('webrtc');
		expect(log).toEqual(['decided webrtc', 'playing webrtc after undefined', 'switched webrtc first']);
		expect(sent.at(-1)).toEqual({ type: 'tier-playing', decisionId: 1, tier: 'webrtc' });
		await clock.advance(5000);
		expect(sent.at(-1)).toMatchObject({ type: 'statistics', tier: 'webrtc', state: 'playing', latencyMs: 700 });
		expect(sent.every((message) => Value.Check(clientMessageSchema, message))).toBe(true);
		expect(Value.Check(clientMessageSchema, joins[0]!.join)).toBe(true);
	});

	it('keeps the old leg until the new one plays, and reports the new one after it has closed the old one', async () => {
		const viewer = await startPlayingViewer();
		joins[0]!.receive({ type: 'tier', decision: decide(2, 'll-hls') });
		await settle();
		expect([viewer.tier, players[0]!.isClosed, held]).toEqual(['webrtc', false, { webrtc: 1, 'll-hls': 1 }]);
		players[1]!.started();
		await settle();
		expect([viewer.tier, players[0]!.isClosed, held]).toEqual(['ll-hls', true, { webrtc: 0, 'll-hls': 1 }]);
		expect(sent.at(-1)).toEqual({ type: 'tier-playing', decisionId: 2, tier: 'll-hls' });
	});

	it('closes a leg that is superseded while it connects', async () => {
		const viewer = await startViewer();
		joins[0]!.receive({ type: 'tier', decision: decide(2, 'll-hls') });
		await settle();
		expect(players.map(({ tier, isClosed }) => [tier, isClosed])).toEqual([
			['webrtc', true],
			['ll-hls', false],
		]);
		players[1]!.started();
		await settle();
		expect(viewer.tier).toBe('ll-hls');
		expect(log).not.toContain('failed webrtc');
		expect(held).toEqual({ webrtc: 0, 'll-hls': 1 });
	});

	it.each([
		['WHEP was answered with 503: busy', 'refused'],
		['ICE and DTLS did not connect within 15000 ms', 'blocked'],
	])('reports that a tier failed: %s', async (message, cause) => {
		const viewer = await startViewer();
		players[0]!.failed(new Error(message));
		await settle();
		expect(sent.at(-1)).toEqual({ type: 'tier-failed', decisionId: 1, tier: 'webrtc', cause });
		expect([viewer.tier, held.webrtc]).toEqual([undefined, 0]);
	});

	it('reports that a leg was lost, and plays the next decision', async () => {
		const viewer = await startPlayingViewer();
		players[0]!.lost('no packet for 5000 ms');
		expect(sent.at(-1)).toMatchObject({ type: 'tier-failed', cause: 'connection-lost' });
		joins[0]!.receive({ type: 'tier', decision: decide(2, 'll-hls') });
		players[1]!.started();
		await settle();
		expect(viewer.tier).toBe('ll-hls');
	});

	it('reconnects with its token when the socket is lost, without a pause in playing', async () => {
		const viewer = await startPlayingViewer();
		joins[0]!.closed(1006);
		await settle();
		expect(joins).toHaveLength(1);
		await clock.advance(500);
		await settle();
		expect(joins[1]!.join).toMatchObject({ resumeToken: 'token1', playingTier: 'webrtc' });
		expect([viewer.tier, log.at(-1), players.length]).toEqual(['webrtc', 'reconnected', 1]);
	});

	it('does not reconnect after a close code that forbids it', async () => {
		await startViewer();
		joins[0]!.closed(4004);
		await settle();
		expect(log).toContain('dropped closed with 4004');
		expect(held.webrtc).toBe(0);
		await clock.advance(60_000);
		expect(joins).toHaveLength(1);
	});

	it('closes everything once, socket first', async () => {
		const viewer = await startPlayingViewer();
		await viewer.close();
		await viewer.close();
		expect(log.slice(-2)).toEqual(['socket closed', 'playing undefined after webrtc']);
		expect([players[0]!.isClosed, held.webrtc]).toEqual([true, 0]);
		const count = sent.length;
		await clock.advance(60_000);
		expect(sent).toHaveLength(count);
	});
});
