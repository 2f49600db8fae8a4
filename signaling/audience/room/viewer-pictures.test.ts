/** Tests of the pictures that viewers get over WebRTC: wishes, reports, and lines that carry none. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AudienceBench } from '../testing/audience-bench.ts';

const STATISTICS = {
	type: 'statistics',
	state: 'playing',
	stallCount: 0,
	stalledForMs: 0,
	shownFrameCount: 1,
	droppedFrameCount: 0,
	bitrateBps: 1,
} as const;

let bench: AudienceBench;

beforeEach(() => {
	bench = new AudienceBench();
});

afterEach(async () => {
	await bench.rooms.close();
});

describe('the picture of a viewer over WebRTC', () => {
	it('is what they wish, in this session and the next', async () => {
		const viewer = await bench.join();
		bench.openTransport(viewer.joined.viewerId);
		viewer.session!.receive({ type: 'picture-wish', rung: '480p30', heightPixels: 720 });
		viewer.session!.receive({ type: 'picture-wish', rung: 'audio' });
		viewer.session!.receive({ type: 'picture-wish', heightPixels: 360 });
		bench.openTransport(viewer.joined.viewerId);
		const last = { heightPixels: 360 };
		// The last one is the new transport's; before, there was one.
		expect(bench.wishes).toEqual([{ rung: '480p30', heightPixels: 720 }, { rung: 'audio' }, last, last]);
	});

	it('is reported to them and to the dashboard as the server sends it', async () => {
		const viewer = await bench.join();
		const close = bench.openTransport(viewer.joined.viewerId);
		const picture = {
			rungs: [{ rung: '160p30', widthPixels: 284, heightPixels: 160, frameRate: 30 }],
			shown: '160p30',
			limitedBy: 'line',
		} as const;
		bench.changePicture({ ...picture, rungs: [...picture.rungs] });
		expect(viewer.of('picture')).toEqual([{ type: 'picture', ...picture }]);
		viewer.session!.receive({ ...STATISTICS, tier: 'webrtc', rung: 'source' });
		const { name } = bench.channels.get('demo')!;
		expect(bench.rooms.distribution(name).rungs).toEqual([{ tier: 'webrtc', rung: '160p30', count: 1 }]);
		expect(bench.rooms.viewersByRung([{ channelName: name }])).toEqual([{ tier: 'webrtc', rung: '160p30', count: 1 }]);
		close();
		expect(bench.rooms.distribution(name).rungs).toEqual([]);
	});
});

describe('a line that carries no picture, as the server finds', () => {
	it('moves its viewer to LL-HLS at once, and counts once with the verdict of the player', async () => {
		const poor = await bench.join();
		const close = bench.openTransport(poor.joined.viewerId);
		bench.findLineTooPoor();
		expect(bench.stoppedPictures).toEqual([poor.joined.viewerId]);
		await bench.clock.advance(1);
		expect(poor.decision).toMatchObject({ tier: 'll-hls', reason: 'line-too-poor', isEmergency: true });
		poor.session!.receive({ type: 'tier-failed', decisionId: 1, tier: 'webrtc', cause: 'line-too-poor' });
		close();
		await bench.clock.advance(29_000);
		expect(poor.decision.tier).toBe('ll-hls');
		await bench.clock.advance(3000);
		expect(poor.decision.tier).toBe('webrtc');
		expect(bench.poorLines).toEqual([]);
		bench.openTransport(poor.joined.viewerId);
		expect(bench.poorLines).toEqual([poor.joined.viewerId]);
	});

	it('does not try again while the player says that the line is too short', async () => {
		const poor = await bench.join();
		const close = bench.openTransport(poor.joined.viewerId);
		bench.findLineTooPoor();
		await bench.clock.advance(1);
		close();
		for (let seconds = 0; seconds < 120; seconds += 5) {
			poor.session!.receive({ ...STATISTICS, tier: 'll-hls', isLineShort: true });
			await bench.clock.advance(5000);
		}
		expect(poor.decision).toMatchObject({ tier: 'll-hls', reason: 'line-too-poor' });
		await bench.clock.advance(25_000);
		expect(poor.decision.tier).toBe('webrtc');
	});

	it('leaves a viewer where they are who has no other tier', async () => {
		const alone = await bench.join({ canHls: false });
		bench.openTransport(alone.joined.viewerId);
		bench.findLineTooPoor();
		expect([bench.stoppedPictures, alone.decision.tier]).toEqual([[], 'webrtc']);
	});
});
