/** Tests of a broadcast that outlives its publishers: take-over, loss and return, silence, the end, a dead worker. */
import { describe, expect, it } from 'vitest';
import { BroadcastBench } from '../testing/broadcast-bench.ts';
import type { FakePublisher } from '../testing/fake-publisher.ts';
import { OPUS_CONFIG } from '../testing/track-configs.ts';

const WHIP = { protocol: 'whip', audio: OPUS_CONFIG } as const;

/** Runs two publishers: both send while the clock moves. */
async function runBoth(one: FakePublisher, other: FakePublisher, durationMs: number): Promise<void> {
	// Each moves the clock by itself, so that time passes twice as fast as either of them sends; intervals stay in order.
	for (let passedMs = 0; passedMs < durationMs; passedMs += 40) {
		await one.run(40);
		await other.run(40);
	}
}

function expectTimelineRises(bench: BroadcastBench): void {
	let lastMs = -Infinity;
	for (const run of bench.sink.runs) {
		const times = bench.sink.unitsOf('video0', run).map((unit) => unit.decodeTimeTicks / 90);
		if (times.length > 0) {
			expect(times[0]).toBeGreaterThan(lastMs);
			lastMs = Math.max(...times);
		}
	}
	const shownMs = bench.stage.shown('video').map(({ timelineTicks }) => timelineTicks / 90);
	expect(shownMs.slice(1).every((timeMs, index) => timeMs >= shownMs[index]!)).toBe(true);
}

const MAX_TAKE_OVERS_IN_A_ROW = 4;

describe('Broadcast', () => {
	it('is live from the first picture on', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		expect(bench.broadcast.state).toBe('starting');
		await publisher.run(200);
		expect(bench.states).toEqual(['live']);
		expect(bench.broadcast.publisher).toBe(publisher);
	});

	it('gives figures of the stream', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(3000);
		expect(bench.broadcast.source).toMatchObject({ codec: 'h264', widthPixels: 1280, heightPixels: 720 });
		expect(bench.broadcast.health).toMatchObject({ gopDurationMs: 1000, hasBFrames: false, videoUnitCount: 75 });
		expect(bench.broadcast.plan).toEqual(bench.plans.at(-1));
	});

	it('rejects when it cannot have a stage', async () => {
		const bench = new BroadcastBench();
		bench.routerError = new Error('no worker');
		await expect(bench.broadcast.start()).rejects.toThrow('no worker');
		await bench.broadcast.close('start-failed');
		expect(bench.endReasons).toEqual(['start-failed']);
		expect(bench.clock.pendingCount).toBe(0);
	});

	it('relays requests of viewers for a key frame to the publisher on air', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher(WHIP);
		await publisher.run(200);
		bench.stage.wantKeyFrame();
		expect(publisher.keyFrameRequestCount).toBe(1);
	});
});

describe('Broadcast: take-over', () => {
	it('keeps the old publisher on air until the first key frame of the new one, and then closes it', async () => {
		const { bench, publisher: old } = await BroadcastBench.withPublisher();
		await old.run(3000);
		const next = bench.attach({ ...WHIP, skippedPictures: 10, firstTimeMs: 5_000_000 });
		await runBoth(old, next, 600);
		expect(bench.broadcast.publisher).toBe(old);
		expect(old.endReason).toBeUndefined();
		expect(bench.stage.shown('video').every(({ how }) => how === 'written')).toBe(true);
		await runBoth(old, next, 600);
		expect(bench.broadcast.publisher).toBe(next);
		expect(old.endReason).toBe('replaced');
		await next.run(2000);
		expect(bench.stage.shown('video').at(-1)!.how).toBe('forwarded');
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'run 1 video0+audio0']);
		expect(bench.states).toEqual(['live']);
		expectTimelineRises(bench);
	});

	it('shows the new one’s GOP from its key frame on', async () => {
		const { bench, publisher: old } = await BroadcastBench.withPublisher();
		await old.run(2000);
		const before = bench.stage.entries.length;
		const next = bench.attach(WHIP);
		await next.run(100);
		const entries = bench.stage.entries.slice(before).filter(({ track }) => track === 'video');
		expect(entries.filter(({ how }) => how === 'run')).toHaveLength(1);
		const first = entries[entries.findIndex(({ how }) => how === 'run') + 1];
		expect(first).toMatchObject({ how: 'forwarded', isKeyFrame: true });
	});

	it('begins the new run in LL-HLS at once, without waiting for the length of its GOP', async () => {
		const { bench, publisher: old } = await BroadcastBench.withPublisher();
		await old.run(3000);
		const next = bench.attach();
		await next.run(400);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'run 1 video0+audio0']);
		expect(bench.sink.unitsOf('video0')[0]!.isKeyFrame).toBe(true);
	});

	it('closes a waiting publisher when a third one comes', async () => {
		const { bench, publisher: old } = await BroadcastBench.withPublisher();
		await old.run(1000);
		const second = bench.attach();
		const third = bench.attach();
		expect(second.endReason).toBe('replaced');
		await third.run(100);
		expect(bench.broadcast.publisher).toBe(third);
		expect(old.endReason).toBe('replaced');
		expect(bench.broadcast.state).toBe('live');
	});

	it('continues with the old one when the waiting one is lost', async () => {
		const { bench, publisher: old } = await BroadcastBench.withPublisher();
		await old.run(1000);
		const next = bench.attach();
		await next.close('connection-lost');
		await old.run(1000);
		expect(bench.broadcast.publisher).toBe(old);
		expect(bench.states).toEqual(['live']);
	});

	it('closes a waiting publisher that sends nothing for 20 s', async () => {
		const { bench, publisher: old } = await BroadcastBench.withPublisher();
		await old.run(1000);
		const next = bench.attach();
		await old.run(19_000);
		expect(next.endReason).toBeUndefined();
		await old.run(2000);
		expect(next.endReason).toBe('timed-out');
		expect(bench.broadcast.state).toBe('live');
	});

	it.each(['connection-lost', 'unpublished'] as const)(
		'continues with the waiting one when the old one ends (%s)',
		async (reason) => {
			const { bench, publisher: old } = await BroadcastBench.withPublisher();
			await old.run(3000);
			const next = bench.attach({ ...WHIP, skippedPictures: 10 });
			await next.run(200);
			await old.close(reason);
			await bench.clock.advance(0);
			expect(bench.broadcast.publisher).toBe(next);
			await next.run(3000);
			expect(bench.endReasons).toEqual([]);
			expect(bench.broadcast.state).toBe('live');
			expect(bench.sink.calls.at(-1)).toBe('run 1 video0+audio0');
			expectTimelineRises(bench);
		},
	);

	it('continues with the waiting one when the first is lost before it has sent anything', async () => {
		const { bench, publisher: first } = await BroadcastBench.withPublisher();
		const second = bench.attach();
		await first.close('connection-lost');
		await bench.clock.advance(0);
		await second.run(500);
		expect(bench.endReasons).toEqual([]);
		expect(bench.broadcast.state).toBe('live');
	});
});

describe('Broadcast: take-overs one after another', () => {
	/** Attaches publishers like two encoders that both reconnect at once; returns those that were on air. */
	async function fight(bench: BroadcastBench, attempts: number, pauseMs: number): Promise<FakePublisher[]> {
		const onAir: FakePublisher[] = [];
		for (let attempt = 0; attempt < attempts; attempt++) {
			const newcomer = bench.attach({ firstTimeMs: attempt * 1_000_000 });
			await (newcomer.endReason === undefined ? newcomer : onAir.at(-1)!).run(pauseMs);
			if (bench.broadcast.publisher === newcomer) {
				onAir.push(newcomer);
			}
		}
		return onAir;
	}

	it('keeps the one on air after the burst, and refuses others with the seconds to wait', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(1000);
		const onAir = await fight(bench, MAX_TAKE_OVERS_IN_A_ROW + 5, 1000);
		expect(onAir).toHaveLength(MAX_TAKE_OVERS_IN_A_ROW);
		expect(bench.broadcast.publisher).toBe(onAir.at(-1));
		expect(onAir.at(-1)!.endReason).toBeUndefined();
		expect(bench.states).toEqual(['live']);
		expect(() => bench.broadcast.checkTakeOver()).toThrow(
			expect.objectContaining({ code: 'TAKE_OVERS_TOO_FREQUENT', httpStatus: 429, retryAfterSeconds: 52 }),
		);
	});

	it('admits one when the wait is over', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(1000);
		const stays = (await fight(bench, MAX_TAKE_OVERS_IN_A_ROW, 100)).at(-1)!;
		await stays.run(60_000);
		expect(() => bench.broadcast.checkTakeOver()).not.toThrow();
		const [next] = await fight(bench, 1, 200);
		expect(bench.broadcast.publisher).toBe(next);
		expect(stays.endReason).toBe('replaced');
	});

	it('admits one without a wait when the one on air has ended or is silent', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(1000);
		const silent = (await fight(bench, MAX_TAKE_OVERS_IN_A_ROW + 1, 100)).at(-1)!;
		expect(() => bench.broadcast.checkTakeOver()).toThrow();
		await bench.clock.advance(2500);
		expect(() => bench.broadcast.checkTakeOver()).not.toThrow();
		const next = bench.attach();
		await next.run(200);
		expect(bench.broadcast.publisher).toBe(next);
		expect(silent.endReason).toBe('replaced');
		expect(() => bench.broadcast.checkTakeOver()).toThrow();
		await next.close('connection-lost');
		await bench.clock.advance(0);
		expect(() => bench.broadcast.checkTakeOver()).not.toThrow();
	});
});

describe('Broadcast: a publisher that is still connecting', () => {
	it.each(['unpublished', 'connection-lost'] as const)(
		'keeps the broadcast alive when the one on air ends meanwhile (%s)',
		async (reason) => {
			const { bench, publisher } = await BroadcastBench.withPublisher({}, 5000);
			await publisher.run(2000);
			const release = bench.broadcast.reserve();
			await publisher.close(reason);
			await bench.clock.advance(14_000);
			expect(bench.states).toEqual(['live', 'interrupted']);
			const next = bench.attach(WHIP);
			release();
			await next.run(1000);
			expect(bench.states).toEqual(['live', 'interrupted', 'live']);
			await bench.clock.advance(10_000);
			expect(bench.endReasons).toEqual([]);
		},
	);

	it('ends the broadcast when it was the first one and never comes', async () => {
		const bench = await BroadcastBench.started();
		const release = bench.broadcast.reserve();
		await bench.clock.advance(100);
		expect(bench.endReasons).toEqual([]);
		release();
		await bench.clock.advance(0);
		expect(bench.endReasons).toEqual(['start-failed']);
		expect(bench.clock.pendingCount).toBe(0);
	});

	it.each([
		['unpublished', 2000, 'unpublished'],
		['connection-lost', 2000, 'grace-window-expired'],
		['connection-lost', 0, 'start-failed'],
	] as const)('does not keep the broadcast when it never comes (%s after %i ms)', async (reason, sentMs, endReason) => {
		const { bench, publisher } = await BroadcastBench.withPublisher({}, 5000);
		await publisher.run(sentMs);
		const releases = [bench.broadcast.reserve(), bench.broadcast.reserve()];
		await publisher.close(reason);
		await bench.clock.advance(10_000);
		releases[0]!();
		releases[0]!();
		await bench.clock.advance(0);
		expect(bench.endReasons).toEqual([]);
		releases[1]!();
		await bench.clock.advance(0);
		expect(bench.endReasons).toEqual([endReason]);
		expect(bench.clock.pendingCount).toBe(0);
	});
});

describe('Broadcast: loss and return', () => {
	it.each([
		['the same protocol', {}],
		['the other protocol', WHIP],
	])(
		'waits for a lost publisher, which returns over %s in another run, later on the timeline',
		async (_name, settings) => {
			const { bench, publisher } = await BroadcastBench.withPublisher();
			await publisher.run(3000);
			await publisher.close('connection-lost');
			await bench.clock.advance(0);
			expect(bench.states).toEqual(['live', 'interrupted']);
			expect(bench.broadcast.publisher).toBeUndefined();
			await bench.clock.advance(10_000);
			const returned = bench.attach(settings);
			await returned.run(500);
			expect(bench.states).toEqual(['live', 'interrupted', 'live']);
			await returned.run(3000);
			expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'interrupt', 'run 1 video0+audio0']);
			expectTimelineRises(bench);
			// The timeline includes the time of the loss, so that playlists and clocks agree.
			const [before, after] = bench.sink.runs.map((run) => bench.sink.unitsOf('video0', run));
			expect((after![0]!.decodeTimeTicks - before!.at(-1)!.decodeTimeTicks) / 90_000).toBeCloseTo(10, 0);
			await bench.clock.advance(61_000);
			expect(bench.endReasons).toEqual([]);
		},
	);

	it('applies a new grace window at once, counted from the loss', async () => {
		for (const [windowMs, leftMs] of [
			[5000, 2000],
			[1000, 0],
			[90_000, 87_000],
		] as const) {
			const { bench, publisher } = await BroadcastBench.withPublisher();
			await publisher.run(200);
			await publisher.close('connection-lost');
			await bench.clock.advance(3000);
			bench.broadcast.setGraceWindow(windowMs);
			await bench.clock.advance(Math.max(0, leftMs - 1));
			expect(bench.endReasons).toEqual(leftMs === 0 ? ['grace-window-expired'] : []);
			await bench.clock.advance(1);
			expect(bench.endReasons).toEqual(['grace-window-expired']);
		}
	});

	it('ends when no publisher returns within the grace window', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher({}, 5000);
		await publisher.run(2000);
		await publisher.close('timed-out');
		await bench.clock.advance(0);
		await bench.clock.advance(4999);
		expect(bench.endReasons).toEqual([]);
		await bench.clock.advance(1);
		expect(bench.endReasons).toEqual(['grace-window-expired']);
		expect(bench.broadcast.state).toBe('ended');
		expect(bench.sink.calls.at(-1)).toBe('end');
		expect(bench.routers[0]!.closeReason).toBe('broadcast-ended');
		expect(bench.clock.pendingCount).toBe(0);
	});

	it.each(['unpublished', 'key-revoked'] as const)('ends at once when the publisher ends with %s', async (reason) => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(2000);
		await publisher.close(reason);
		await bench.clock.advance(0);
		expect(bench.endReasons).toEqual(['unpublished']);
		expect(bench.states).toEqual(['live', 'ended']);
	});

	it('is interrupted when the publisher falls silent, and live again when it continues', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(2000);
		await bench.clock.advance(1900);
		expect(bench.states).toEqual(['live']);
		await bench.clock.advance(500);
		expect(bench.states).toEqual(['live', 'interrupted']);
		expect(publisher.endReason).toBeUndefined();
		publisher.jump(2500);
		await publisher.run(3000);
		expect(bench.states).toEqual(['live', 'interrupted', 'live']);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expectTimelineRises(bench);
	});

	it.each([
		['runs on', 6000],
		['stands still', 0],
	])('begins another run after a long silence in which the publisher’s clock %s', async (_name, byMs) => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(2000);
		await bench.clock.advance(6000);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'interrupt']);
		publisher.jump(byMs);
		await publisher.run(3000);
		expect(bench.states).toEqual(['live', 'interrupted', 'live']);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0', 'interrupt', 'run 1 video0+audio0']);
		expect(bench.sink.unitsOf('video0')).toHaveLength(3000 / 40);
		expectTimelineRises(bench);
	});

	it('closes an accepted publisher that sends nothing, and ends', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await bench.clock.advance(19_000);
		expect(publisher.endReason).toBeUndefined();
		await bench.clock.advance(2000);
		expect(publisher.endReason).toBe('timed-out');
		expect(bench.endReasons).toEqual(['start-failed']);
	});

	it('ends when no publisher ever comes', async () => {
		const bench = await BroadcastBench.started();
		await bench.clock.advance(21_000);
		expect(bench.endReasons).toEqual(['start-failed']);
		expect(bench.clock.pendingCount).toBe(0);
	});
});

describe('Broadcast: a dead worker', () => {
	it('creates another stage and feeds it from the publisher, while LL-HLS continues', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(2000);
		await bench.routers[0]!.close('worker-died');
		expect(bench.broadcast.router).toBeUndefined();
		await publisher.run(2000);
		expect(bench.routers).toHaveLength(2);
		expect(bench.broadcast.router).toBe(bench.routers[1]!.asRouter);
		expect(bench.stage.shown('video').length).toBeGreaterThan(20);
		expect(bench.sink.calls).toEqual(['run 0 video0+audio0']);
		expect(bench.sink.unitsOf('video0')).toHaveLength(4000 / 40);
		expect(bench.states).toEqual(['live']);
		bench.stage.wantKeyFrame();
		expect(publisher.keyFrameRequestCount).toBeGreaterThan(0);
		await bench.broadcast.close('unpublished');
		expect(bench.routers[1]!.closeReason).toBe('broadcast-ended');
	});

	it('retries, less and less often, while no worker runs', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(1000);
		bench.routerError = new Error('no worker');
		await bench.routers[0]!.close('worker-died');
		await publisher.run(3000);
		const retries = bench.logger.lines.filter(({ message }) => message.includes('cannot be made again yet'));
		expect(retries.length).toBeLessThan(6);
		bench.routerError = undefined;
		await publisher.run(5000);
		expect(bench.routers).toHaveLength(2);
		await bench.broadcast.close('unpublished');
		expect(bench.clock.pendingCount).toBe(0);
	});
});

describe('Broadcast: closing', () => {
	it('closes once, with its first reason', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(1000);
		await Promise.all([bench.broadcast.close('server-shutdown'), bench.broadcast.close('unpublished')]);
		expect(bench.endReasons).toEqual(['server-shutdown']);
		expect(publisher.endReason).toBe('server-shutdown');
		expect(bench.routers[0]!.closeReason).toBe('server-shutdown');
		expect(bench.sink.calls.at(-1)).toBe('end');
		expect(bench.transcoders.running).toEqual([]);
		expect(bench.clock.pendingCount).toBe(0);
	});

	it('closes a publisher that comes too late', async () => {
		const bench = await BroadcastBench.started();
		await bench.broadcast.close('unpublished');
		const late = bench.attach();
		expect(late.endReason).toBe('replaced');
	});

	it('has ended when its publisher unpublishes, and waits for encoders only before it emits the end', async () => {
		const { bench, publisher } = await BroadcastBench.withPublisher();
		await publisher.run(2000);
		let endEncoders = (): void => undefined;
		const encodersEnded = new Promise<void>((resolve) => (endEncoders = resolve));
		for (const encoder of bench.transcoders.all) {
			encoder.close = () => encodersEnded;
		}
		await publisher.close('unpublished');
		await bench.clock.advance(0);
		expect([bench.broadcast.state, bench.endReasons]).toEqual(['ended', []]);
		endEncoders();
		await bench.clock.advance(0);
		expect(bench.endReasons).toEqual(['unpublished']);
	});

	it('closes a router that is made only after it has ended', async () => {
		const bench = new BroadcastBench();
		const starting = bench.broadcast.start();
		await bench.broadcast.close('server-shutdown');
		await starting;
		expect(bench.routers[0]!.closeReason).toBe('broadcast-ended');
	});
});
