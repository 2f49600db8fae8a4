/** A publisher that dies and comes back, over the same or another protocol, while viewers of both tiers stay. */
import { sleep, systemClock } from '../../core/clock.ts';
import { createPublisher, type PublisherKind } from '../publishers/create-publisher.ts';
import type { EncoderSettings } from '../publishers/encoder-settings.ts';
import { ChromiumViewer, type DeliveryTier } from '../viewers/chromium-viewer.ts';
import { onBenchClock, type PathServer, type ViewerChoice, viewerOptions, waitUntilLive } from './path-run.ts';

/** Who dies and who comes back. */
export type ReconnectOptions = {
	first: PublisherKind;
	second: PublisherKind;
	settings: EncoderSettings;
	viewer: ViewerChoice;
	/** From the death to the return. */
	awayMs: number;
};

/** What a viewer of one tier went through. */
export type ReconnectView = {
	tier: DeliveryTier;
	/** From the second publisher's first picture (a key frame) to the first picture of it on the screen; absent: never. */
	liveAgainMs?: number;
	/** The player's own words at the end: connection state, or hls.js's complaints. */
	playerFacts: unknown;
};

/** Where a media playlist stood. */
export type PlaylistPosition = { uri: string; mediaSequence: number };

/** Result of one death and return. */
export type ReconnectRun = {
	first: PublisherKind;
	second: PublisherKind;
	views: ReconnectView[];
	playlistBefore?: PlaylistPosition;
	playlistAfter?: PlaylistPosition;
};

const FIRST_PICTURE_DEADLINE_MS = 20_000;
const BEFORE_MS = 4000;
const AFTER_MS = 10_000;
const TIERS: readonly DeliveryTier[] = ['webrtc', 'll-hls'];

/** Kills the first publisher, starts the second after a while, and looks at both tiers. Our own viewers never rejoin. */
export async function runReconnect(server: PathServer, options: ReconnectOptions): Promise<ReconnectRun> {
	const first = createPublisher(options.first, options.settings, server.addresses);
	const second = createPublisher(options.second, options.settings, server.addresses);
	const viewers: Array<{ tier: DeliveryTier; viewer: ChromiumViewer }> = [];
	try {
		await first.start();
		await waitUntilLive(server.addresses);
		for (const tier of TIERS) {
			const viewer = await ChromiumViewer.open(viewerOptions(server, options.viewer, tier));
			viewers.push({ tier, viewer });
			await viewer.play();
			await viewer.waitForPicture(FIRST_PICTURE_DEADLINE_MS);
		}
		await sleep(systemClock, BEFORE_MS);
		const playlistBefore = await readPosition(server.addresses);
		await first.kill();
		await sleep(systemClock, options.awayMs);
		await second.start();
		await sleep(systemClock, AFTER_MS);
		const playlistAfter = await readPosition(server.addresses);
		const sent = await second.sentFrames();
		const views: ReconnectView[] = [];
		for (const { tier, viewer } of viewers) {
			const { shown } = onBenchClock(await viewer.collect(), second.clockOffsetMs);
			const bornMs = sent[0]?.captureTimeMs ?? Infinity;
			const again = shown.find((frame) => frame.captureTimeMs >= bornMs - 1);
			views.push({
				tier,
				...(again === undefined ? {} : { liveAgainMs: again.shownAtMs - bornMs }),
				playerFacts: await viewer.facts(),
			});
		}
		return {
			first: options.first,
			second: options.second,
			views,
			...(playlistBefore === undefined ? {} : { playlistBefore }),
			...(playlistAfter === undefined ? {} : { playlistAfter }),
		};
	} finally {
		await Promise.all(viewers.map(({ viewer }) => viewer.close()));
		await first.stop();
		await second.stop();
	}
}

async function readPosition({
	httpUrl,
	channel,
}: {
	httpUrl: string;
	channel: string;
}): Promise<PlaylistPosition | undefined> {
	const multivariantUrl = new URL(`/hls/${channel}/index.m3u8`, httpUrl);
	const multivariant = await (await fetch(multivariantUrl, { signal: AbortSignal.timeout(5000) })).text();
	const uri = multivariant.split('\n').find((line) => line !== '' && !line.startsWith('#'));
	if (uri === undefined) {
		return undefined;
	}
	const media = await (await fetch(new URL(uri.trim(), multivariantUrl), { signal: AbortSignal.timeout(5000) })).text();
	const mediaSequence = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)/m.exec(media)?.[1]);
	return Number.isFinite(mediaSequence) ? { uri: uri.trim(), mediaSequence } : undefined;
}
