/** Tests of peers that vanish silently, such as a killed browser or a cut line: nothing of them stays. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createId, type ViewerId } from '../core/ids.ts';
import { systemClock } from '../core/lifecycle/clock.ts';
import type { BroadcastRouter } from './broadcast/broadcast-router.ts';
import { DEFAULT_PAYLOAD_TYPES } from './rtp/media-codecs.ts';
import { PublisherTransport } from './publisher/publisher-transport.ts';
import { parseSdpOffer } from './sdp/sdp-offer.ts';
import { negotiateWhip } from './sdp/whip-negotiation.ts';
import { SfuBench, waitUntil } from './testing/sfu-bench.ts';
import { WeriftPublisher, WeriftViewer } from './testing/werift-peers.ts';
import { ViewerTransport } from './viewer/viewer-transport.ts';

/** Consent is checked for 12 s (RFC 7675 §5.1 allows up to 30); the rest is for a busy machine. */
const NOTICED_WITHIN_MS = 30_000;
const preferredAddress = '127.0.0.1';

let bench: SfuBench;
let broadcastRouter: BroadcastRouter;
beforeAll(async () => {
	bench = await SfuBench.start(1);
	broadcastRouter = await bench.sfu.createBroadcastRouter(bench.newBroadcastId());
});
afterAll(() => bench[Symbol.asyncDispose]());

it('ends a publisher and a viewer that vanish, and reports why', async () => {
	await using publisher = new WeriftPublisher(DEFAULT_PAYLOAD_TYPES);
	const deps = { ...bench, broadcastRouter };
	const offer = parseSdpOffer(await publisher.createOffer('actpass'));
	const published = await PublisherTransport.create(deps, { negotiated: negotiateWhip(offer), preferredAddress });
	let packetCount = 0;
	published.on('packet', () => packetCount++);
	await publisher.accept(published.answer);
	await waitUntil(() => publisher.connectionState === 'connected', 'the publisher is connected');
	using _sending = { [Symbol.dispose]: systemClock.setInterval(() => publisher.send(30), 1000 / 30) };

	await using viewer = new WeriftViewer(DEFAULT_PAYLOAD_TYPES);
	const watched = await ViewerTransport.create(deps, {
		id: createId<ViewerId>(bench.clock.nowMs()),
		offer: parseSdpOffer(await viewer.createOffer()),
		preferredAddress,
	});
	await viewer.accept(watched.answer);
	await waitUntil(() => watched.isConnected && packetCount > 30, 'both are connected');
	const reasons: Record<string, string> = {};
	published.on('closed', (reason) => (reasons['publisher'] = reason));
	watched.on('closed', (reason) => (reasons['viewer'] = reason));

	await Promise.all([publisher.vanish(), viewer.vanish()]);
	await waitUntil(() => published.closed && watched.closed, 'both are noticed', NOTICED_WITHIN_MS);
	expect(reasons).toEqual({ publisher: 'ice-failed', viewer: 'ice-failed' });
});
