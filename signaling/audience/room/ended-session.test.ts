/** Failures of WebRTC that a player reports just after the server has ended its session. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AudienceBench } from '../testing/audience-bench.ts';

let bench: AudienceBench;

beforeEach(() => {
	bench = new AudienceBench();
});

afterEach(async () => {
	await bench.rooms.close();
	await bench.bus.close();
});

describe('a failure after the end of a session', () => {
	it.each(['broadcast-ended', 'server-shutdown'])('does not count against the network: %s', async (reason) => {
		for (const cause of ['connection-lost', 'blocked', 'refused'] as const) {
			const viewer = await bench.join();
			const close = bench.openTransport(viewer.joined.viewerId);
			await bench.clock.advance(5000);
			close(reason);
			await bench.clock.advance(3000);
			viewer.session!.receive({ type: 'tier-failed', tier: 'webrtc', cause, decisionId: 1 });
			await bench.clock.advance(1000);
			expect(viewer.decision).toMatchObject({ tier: 'll-hls', reason: 'session-ended', isEmergency: true });
			await bench.clock.advance(5000);
			expect(viewer.decision.tier).toBe('webrtc');
			// The next failure is the network's, and the first one of it.
			await bench.clock.advance(2000);
			viewer.session!.receive({ type: 'tier-failed', tier: 'webrtc', cause: 'blocked', decisionId: 3 });
			await bench.clock.advance(1000);
			expect(viewer.decision).toMatchObject({ tier: 'll-hls', reason: 'webrtc-blocked' });
			await bench.clock.advance(61_000);
			expect(viewer.decision.tier).toBe('webrtc');
		}
	});

	it.each([
		['deleted', 'connection-lost', 'webrtc-blocked'],
		['ice-failed', 'connection-lost', 'webrtc-blocked'],
		['dtls-failed', 'blocked', 'webrtc-blocked'],
		['broadcast-ended', 'undecodable', 'webrtc-unsupported'],
		['broadcast-ended', 'line-too-poor', 'line-too-poor'],
	] as const)('counts as it is otherwise: %s, %s', async (reason, cause, expected) => {
		const viewer = await bench.join();
		bench.openTransport(viewer.joined.viewerId)(reason);
		viewer.session!.receive({ type: 'tier-failed', tier: 'webrtc', cause, decisionId: 1 });
		await bench.clock.advance(1000);
		expect(viewer.decision).toMatchObject({ tier: 'll-hls', reason: expected });
	});
});
