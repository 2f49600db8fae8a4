/** A playback over a scripted connection. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../core/logger.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import type { LineCounts } from '../measure/line-judge.ts';
import { EMPTY_CONNECTION_READING, type ConnectionFailure, type MediaConnection } from './playback.ts';
import { ListedQualities } from './quality.ts';
import { FakeVideo } from './testing/fake-video.ts';
import { TierPlayback } from './tier-playback.ts';

class FakeConnection implements MediaConnection {
	tier: MediaConnection['tier'] = 'webrtc';
	playsToEnd = false;
	hasEnded = false;
	/** The one that the channel's address leads to, and the one that is connected. */
	running: string | undefined = 'one';
	connected: string | undefined;
	readonly reached: Array<string | undefined> = [];
	readonly quality = new ListedQualities(undefined);
	readonly rebuildAfterMs = 5000;
	readonly calls: string[] = [];
	readonly delay = {
		isSoundAlone: false,
		soundPlayedAtMs: undefined as number | undefined,
		lastMediaAtMs: undefined,
		hasConnected: true,
		setTarget: () => undefined,
		playedSound: () => {
			const { soundPlayedAtMs: playedAtMs } = this.delay;
			return playedAtMs === undefined ? undefined : { captureTimeMs: 1_000_000 + playedAtMs - 70, playedAtMs };
		},
	};
	counts: LineCounts | undefined;
	lineCounts = (): LineCounts | undefined => this.counts;
	fail: (failure: ConnectionFailure) => void = () => undefined;

	connect(_video: HTMLVideoElement, onFailure: (failure: ConnectionFailure) => void): void {
		this.calls.push('connect');
		this.fail = onFailure;
		this.hasEnded = false;
		this.connected = this.running;
		this.reached.push(this.running);
		if (this.running === undefined) {
			queueMicrotask(() => onFailure({ ...UNREACHABLE, channelState: 'offline' }));
		}
	}
	leadsTo(broadcastId: string): boolean | undefined {
		return this.connected === undefined ? undefined : this.connected === broadcastId;
	}
	disconnect(): void {
		this.calls.push('disconnect');
	}
	repair(step: number): void {
		this.calls.push(`repair ${step}`);
	}
	steer(): void {}
	captureTimeMs(): number {
		return 1_000_000;
	}
	reading() {
		return EMPTY_CONNECTION_READING;
	}
}

function setUp() {
	const clock = new FakeClock();
	const connection = new FakeConnection();
	const video = new FakeVideo();
	const page = { isVisible: true };
	const playback = new TierPlayback({
		connection,
		clock,
		logger: silentLogger,
		serverClock: { toServerMs: (monotonicMs) => 1_000_050 + monotonicMs * 0, uncertaintyMs: 1 },
		isPageVisible: () => page.isVisible,
		chance: () => 0,
	});
	const states: string[] = [];
	playback.on('stateChanged', (next) => states.push(next));
	return {
		clock,
		connection,
		video,
		page,
		playback,
		states,
		start: (channelState: 'live' | 'offline' | 'interrupted' = 'live') =>
			playback.start(video as unknown as HTMLVideoElement, channelState, 'one'),
		async play(ms: number) {
			for (let passedMs = 0; passedMs < ms; passedMs += 40) {
				video.showFrame(clock.monotonicMs());
				await clock.advance(40);
			}
		},
	};
}

const UNREACHABLE: ConnectionFailure = {
	error: { kind: 'unreachable', detail: 'away', fatal: false },
	retryAfterSeconds: 0,
};

describe('TierPlayback', () => {
	it('plays from the first frame on and measures', async () => {
		const { playback, start, states, play } = setUp();
		start();
		await play(1000);
		expect(states).toEqual(['connecting', 'playing']);
		expect(playback.statistics()).toMatchObject({ tier: 'webrtc', state: 'playing', latencyMs: 50, reconnectCount: 0 });
	});

	it('connects only when an offline channel goes live', () => {
		const { playback, connection, start, states } = setUp();
		start('offline');
		expect(connection.calls).toEqual([]);
		playback.channelReported('live');
		expect(connection.calls).toEqual(['connect']);
		expect(states).toEqual(['connecting', 'offline', 'connecting']);
	});

	it("keeps the connection through a publisher's loss, and plays when frames return", async () => {
		const { playback, connection, clock, start, states, play } = setUp();
		start();
		await play(1000);
		playback.channelReported('interrupted');
		expect(playback.state).toBe('playing');
		await clock.advance(1700);
		expect(playback.state).toBe('interrupted');
		await clock.advance(30_000);
		playback.channelReported('live');
		await clock.advance(500);
		await play(200);
		expect(states).toEqual(['connecting', 'playing', 'stalled', 'interrupted', 'connecting', 'playing']);
		expect(connection.calls).toEqual(['connect']);
	});

	it('stays interrupted after single frames while the publisher is away', async () => {
		const { playback, clock, video, start, states, play } = setUp();
		start();
		await play(1000);
		playback.channelReported('interrupted');
		await clock.advance(1700);
		for (let count = 0; count < 10; count++) {
			video.showFrame(clock.monotonicMs());
			await clock.advance(400);
		}
		expect(states.slice(2)).toEqual(['stalled', 'interrupted']);
		await play(200);
		expect(playback.state).toBe('playing');
	});

	it('disconnects when the broadcast ends, and connects for the next one', async () => {
		const { playback, connection, clock, start, play } = setUp();
		start();
		await play(500);
		playback.channelReported('offline');
		expect(playback.state).toBe('playing');
		await clock.advance(1700);
		expect(playback.state).toBe('ended');
		expect(connection.calls).toEqual(['connect', 'disconnect']);
		await clock.advance(60_000);
		playback.channelReported('live');
		await play(200);
		expect(playback.state).toBe('playing');
		expect(connection.calls).toEqual(['connect', 'disconnect', 'connect']);
	});

	it('reconnects with growing delays while the server is away, and shows an error from the third failure on', async () => {
		const { playback, connection, clock, start, play } = setUp();
		start();
		connection.fail(UNREACHABLE);
		expect(playback.state).toBe('connecting');
		await clock.advance(399);
		expect(connection.calls).toEqual(['connect', 'disconnect']);
		await clock.advance(1);
		expect(connection.calls).toEqual(['connect', 'disconnect', 'connect']);
		connection.fail(UNREACHABLE);
		await clock.advance(800);
		connection.fail(UNREACHABLE);
		expect(playback.state).toBe('error');
		expect(playback.error).toEqual(UNREACHABLE.error);
		await clock.advance(1600);
		await play(100);
		expect(playback.state).toBe('playing');
		expect(playback.error).toBeUndefined();
	});

	it('retries a fatal failure only when the viewer asks for it', async () => {
		const { playback, connection, clock, start } = setUp();
		start();
		connection.fail({ error: { kind: 'unsupported', detail: 'no WebRTC', fatal: true }, retryAfterSeconds: 0 });
		await clock.advance(60_000);
		expect(playback.state).toBe('error');
		expect(connection.calls).toEqual(['connect', 'disconnect']);
		playback.retry();
		expect(playback.state).toBe('connecting');
		expect(connection.calls).toEqual(['connect', 'disconnect', 'connect']);
	});

	it('repairs, then replaces, a connection without frames while the channel is live', async () => {
		const { connection, clock, start, play } = setUp();
		start();
		await play(200);
		await clock.advance(1600 + 5100);
		expect(connection.calls).toEqual(['connect', 'repair 1', 'repair 2', 'disconnect']);
		await clock.advance(400);
		expect(connection.calls.at(-1)).toBe('connect');
	});

	it('misses no frames while paused or hidden', async () => {
		const { playback, page, video, clock, start, play } = setUp();
		start();
		await play(200);
		video.paused = true;
		await clock.advance(20_000);
		video.paused = false;
		page.isVisible = false;
		await clock.advance(20_000);
		expect(playback.state).toBe('playing');
		expect(playback.statistics().stallCount).toBe(0);
		playback.channelReported('offline');
		expect(playback.state).toBe('ended');
	});

	it('goes offline when a refusal says that the channel is', async () => {
		const { playback, connection, clock, start } = setUp();
		start();
		connection.fail({ ...UNREACHABLE, channelState: 'offline' });
		expect(playback.state).toBe('offline');
		await clock.advance(60_000);
		expect(connection.calls).toEqual(['connect', 'disconnect']);
	});

	it('emits pictureLeaving before it disconnects, stops once, and leaves no timer', async () => {
		const { playback, connection, clock, start, play } = setUp();
		const callsAtLeaving: string[] = [];
		playback.on('pictureLeaving', () => callsAtLeaving.push([...connection.calls].join()));
		start();
		await play(100);
		playback.stop();
		playback.stop();
		expect(callsAtLeaving).toEqual(['connect']);
		expect(connection.calls).toEqual(['connect', 'disconnect']);
		expect(clock.pendingCount).toBe(0);
		expect(() => start()).toThrow(TypeError);
	});
});

describe('the next broadcast', () => {
	const TIERS = ['webrtc', 'll-hls'] as const;
	const VIEWERS = ['watching', 'hidden', 'paused'] as const;
	/** What is reported to the player: a short gap is over before its next report. */
	const NEWS = {
		'nothing of the end': ['live two'],
		'the start': ['starting two', 'live two'],
		'a lost publisher': ['interrupted one', 'live two'],
		'the end': ['offline', 'starting two', 'live two'],
		'old news again': ['live one', 'live two'],
	} as const;
	const ORDERS = ['news first', 'end first'] as const;
	const cases = TIERS.flatMap((tier) =>
		VIEWERS.flatMap((viewer) =>
			Object.keys(NEWS).flatMap((news) =>
				ORDERS.map((order) => ({ tier, viewer, news: news as keyof typeof NEWS, order })),
			),
		),
	);

	it.each(cases)('is loaded in $tier while $viewer, after $news, $order', async ({ tier, viewer, news, order }) => {
		const { playback, connection, video, page, clock, start, play } = setUp();
		Object.assign(connection, { tier, playsToEnd: tier === 'll-hls' });
		start();
		await play(3000);
		page.isVisible = viewer !== 'hidden';
		video.paused = viewer === 'paused';
		// A browser pauses an element whose media have ended. A paused one does not come to the end.
		const end = (): void => {
			connection.hasEnded = tier === 'webrtc' || viewer !== 'paused';
			video.paused ||= tier === 'll-hls';
		};
		connection.running = news === 'the end' ? undefined : 'two';
		if (order === 'end first') {
			end();
			await clock.advance(200);
		}
		for (const report of NEWS[news]) {
			const [state, broadcastId] = report.split(' ') as ['live', string | undefined];
			connection.running = broadcastId === 'two' ? 'two' : connection.running;
			playback.channelReported(state, broadcastId);
			await clock.advance(200);
		}
		if (order === 'news first' && connection.connected === 'one') {
			end();
			await clock.advance(200);
		}
		expect(connection.connected).toBe('two');
		video.paused = viewer === 'paused';
		await play(1000);
		expect(playback.state).toBe('playing');
		expect(connection.reached.filter((broadcastId) => broadcastId === 'two')).toHaveLength(1);
	});

	it('waits while the last seconds of the old one still play, and no longer', async () => {
		const { playback, connection, clock, start, play } = setUp();
		Object.assign(connection, { tier: 'll-hls', playsToEnd: true });
		start();
		await play(3000);
		connection.running = 'two';
		playback.channelReported('live', 'two');
		await play(2000);
		expect(connection.connected).toBe('one');
		await clock.advance(1800);
		expect(connection.connected).toBe('two');
	});

	it('is not there yet when the last report is old, and is loaded when it begins', async () => {
		const { playback, connection, clock, start, play } = setUp();
		start();
		await play(3000);
		connection.hasEnded = true;
		connection.running = undefined;
		await clock.advance(100);
		connection.fail({ ...UNREACHABLE, channelState: 'offline' });
		expect(playback.state).toBe('ended');
		await clock.advance(70_000);
		connection.running = 'two';
		playback.channelReported('live', 'two');
		await play(200);
		expect([playback.state, connection.connected]).toEqual(['playing', 'two']);
	});

	it('is loaded at once when it goes live, however often it was refused while it started', async () => {
		const { playback, connection, clock, start } = setUp();
		start('offline');
		playback.channelReported('starting', 'two');
		for (let count = 0; count < 5; count++) {
			connection.fail({ error: { kind: 'refused', detail: '', fatal: false }, retryAfterSeconds: 1 });
			expect(playback.state).toBe('connecting');
			await clock.advance(count < 4 ? 8000 : 100);
		}
		const { length } = connection.calls;
		playback.channelReported('live', 'two');
		expect(connection.calls.slice(length)).toEqual(['connect']);
	});

	it('is tried after a fatal failure with the old one', async () => {
		const { playback, connection, start, play } = setUp();
		start();
		connection.fail({ error: { kind: 'undecodable', detail: '', fatal: true }, retryAfterSeconds: 0 });
		playback.channelReported('live', 'one');
		expect(playback.state).toBe('error');
		playback.channelReported('live', 'two');
		await play(100);
		expect(playback.state).toBe('playing');
	});

	it('does not make connections in a row when each one ends as it begins', async () => {
		const { connection, clock, start } = setUp();
		start();
		for (let passedMs = 0; passedMs < 60_000; passedMs += 100) {
			connection.hasEnded = true;
			await clock.advance(100);
		}
		expect(connection.calls.filter((call) => call === 'connect').length).toBeLessThan(15);
	});
});

describe('the sound alone over WebRTC', () => {
	const hear = async ({ clock, connection }: ReturnType<typeof setUp>, ms: number): Promise<void> => {
		for (let passedMs = 0; passedMs < ms; passedMs += 20) {
			connection.delay.soundPlayedAtMs = clock.monotonicMs();
			await clock.advance(20);
		}
	};
	const NO_PICTURE: LineCounts = {
		atMs: 0,
		packetsReceived: 100,
		packetsLost: 0,
		nackCount: 50,
		resentPackets: 50,
		framesReceived: 0,
		framesDecoded: 0,
		roundTripMs: 3000,
	};

	it('is watched instead of the picture, from the start as well as later', async () => {
		const bench = setUp();
		const { playback, connection, start, states } = bench;
		connection.delay.isSoundAlone = true;
		start();
		await hear(bench, 20_000);
		expect(states).toEqual(['connecting', 'playing']);
		expect(connection.calls).toEqual(['connect']);
		expect(playback.shownMoments.isSteady(bench.clock.monotonicMs())).toBe(true);
	});

	it('has its own latency, and no size and no stall', async () => {
		const bench = setUp();
		const { playback, connection, start, play } = bench;
		start();
		await play(1000);
		connection.delay.isSoundAlone = true;
		await hear(bench, 10_000);
		const { latencyMs, stallCount, heightPixels, state } = playback.statistics();
		// The fake server's clock stands still.
		expect(latencyMs).toBeDefined();
		expect([stallCount, heightPixels, state]).toEqual([0, undefined, 'playing']);
		connection.delay.isSoundAlone = false;
		await play(500);
		expect(playback.statistics()).toMatchObject({ stallCount: 0, latencyMs: 50, heightPixels: 720 });
	});

	it('is no poor line, whatever the counts say', async () => {
		const bench = setUp();
		const { playback, connection, start, play } = bench;
		start();
		await play(6000);
		connection.delay.isSoundAlone = true;
		for (let second = 0; second < 12; second++) {
			connection.counts = { ...NO_PICTURE, atMs: second * 1000, nackCount: second * 50, packetsReceived: second + 100 };
			await hear(bench, 1000);
			expect(playback.lineVerdict(30)).toBe('unwatched');
		}
	});

	it('that stops is a stall, and then a new connection', async () => {
		const bench = setUp();
		const { connection, start, states, clock } = bench;
		connection.delay.isSoundAlone = true;
		start();
		await hear(bench, 2000);
		await clock.advance(1700);
		expect(states.at(-1)).toBe('stalled');
		await hear(bench, 1000);
		expect(states.at(-1)).toBe('playing');
		await clock.advance(10_000);
		expect(connection.calls.filter((call) => call === 'connect').length).toBeGreaterThan(1);
	});

	it('counts until the picture is back, for some seconds', async () => {
		const bench = setUp();
		const { connection, start, states, play } = bench;
		start();
		await play(1000);
		connection.delay.isSoundAlone = true;
		await hear(bench, 5000);
		connection.delay.isSoundAlone = false;
		await hear(bench, 4000);
		expect(states).toEqual(['connecting', 'playing']);
		await play(1000);
		connection.delay.isSoundAlone = true;
		await hear(bench, 5000);
		connection.delay.isSoundAlone = false;
		// No picture ever comes.
		await hear(bench, 8000);
		expect(states.at(-1)).toBe('stalled');
		await hear(bench, 6000);
		expect(connection.calls).toContain('disconnect');
	});
});
