/** A publisher that dies and comes back, over the same or another protocol, while viewers of both tiers stay. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { createPublisher, type PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { ChromiumViewer, type DeliveryTier } from '../clients/chromium/chromium-viewer.ts';
import { onBenchClock, type PathServer, type ViewerChoice, viewerOptions } from './measure/path-viewer.ts';
import { SessionWatch, type ViewerSessionFacts } from './measure/session-watch.ts';
import { waitUntilLive } from './measure/server-under-test.ts';
import { type BenchCommand, say, withServer } from './bench-options.ts';

/** Who dies and who comes back. */
type ReconnectOptions = {
	first: PublisherKind;
	second: PublisherKind;
	settings: EncoderSettings;
	viewer: ViewerChoice;
	/** From the death to the return. */
	awayMs: number;
};

/** What a viewer of one tier went through. */
type ReconnectView = {
	tier: DeliveryTier;
	/**
	 * From the first picture that the second publisher made to the first picture of it on the screen; absent: never. A
	 * browser makes pictures before it is connected, so this holds its connecting as well.
	 */
	liveAgainMs?: number;
	/** How long after that first picture the one was made that came to the screen first here. */
	firstShownMadeAfterMs?: number;
	/** Pictures of the second publisher on the screen until the end. */
	shownAfterCount: number;
	/** Whether the viewer's session went on, as seen from its page and its requests. */
	session: ViewerSessionFacts;
	/** The player's own words at the end: connection state, or hls.js's complaints. */
	playerFacts: unknown;
};

/**
 * Where a media playlist stood: its address, the numbers of its oldest and newest segment, and how often it is
 * discontinuous.
 */
type PlaylistPosition = {
	uri: string;
	mediaSequence: number;
	newestSequence: number;
	discontinuityCount: number;
	/** The newest segment's address. */
	newestSegment: string;
};

/** Result of one death and return. */
type ReconnectRun = {
	first: PublisherKind;
	second: PublisherKind;
	views: ReconnectView[];
	playlistBefore?: PlaylistPosition;
	playlistAfter?: PlaylistPosition;
	/** Same address, more segments, and the segment that was the newest before still has its number. */
	isSequenceContinued: boolean;
};

const FIRST_PICTURE_DEADLINE_MS = 20_000;
const BEFORE_MS = 4000;
const AFTER_MS = 10_000;
const TIERS: readonly DeliveryTier[] = ['webrtc', 'll-hls'];

export const reconnect: BenchCommand = {
	summary: 'a publisher that is killed and comes back, over the same and over another protocol',
	run: async (options) => {
		const { publishers, settings, viewer, awayMs } = options;
		const runs: ReconnectRun[] = [];
		await withServer(options, async (server) => {
			for (const first of publishers) {
				for (const second of publishers) {
					const run = await runReconnect(server, { first, second, settings, viewer, awayMs });
					runs.push(run);
					const again = run.views.map(({ tier, liveAgainMs }) => ({ tier, liveAgainMs }));
					say(`${first}, then ${second}: ${JSON.stringify(again)}`);
				}
			}
		});
		return { result: { settings, runs }, markdown: formatReconnects(runs) };
	},
};

/**
 * Kills the first publisher, starts the second after a while, and looks at both tiers. Our own viewers never rejoin.
 * @internal for tests
 */
export async function runReconnect(server: PathServer, options: ReconnectOptions): Promise<ReconnectRun> {
	const first = createPublisher(options.first, options.settings, server.addresses);
	const second = createPublisher(options.second, options.settings, server.addresses);
	const viewers: Array<{ tier: DeliveryTier; viewer: ChromiumViewer; watch: SessionWatch }> = [];
	try {
		await first.start();
		await waitUntilLive(server.addresses);
		for (const tier of TIERS) {
			const viewer = await ChromiumViewer.open(viewerOptions(server, options.viewer, tier));
			const watch = await SessionWatch.begin(viewer.page, tier);
			viewers.push({ tier, viewer, watch });
			await viewer.play();
			await viewer.waitForPicture(FIRST_PICTURE_DEADLINE_MS);
		}
		await sleep(systemClock, BEFORE_MS);
		const playlistBefore = (await readPlaylist(server.addresses))?.position;
		for (const { watch } of viewers) {
			await watch.markLoss();
		}
		await first.kill();
		await sleep(systemClock, options.awayMs);
		await second.start();
		await sleep(systemClock, AFTER_MS);
		const after = await readPlaylist(server.addresses);
		const playlistAfter = after?.position;
		const sent = await second.sentFrames();
		const views: ReconnectView[] = [];
		for (const { tier, viewer, watch } of viewers) {
			const { shown } = onBenchClock(await viewer.collect(), second.clockOffsetMs);
			const bornMs = sent[0]?.captureTimeMs ?? Infinity;
			const shownAfter = shown.filter((frame) => frame.captureTimeMs >= bornMs - 1);
			const again = shownAfter[0];
			const playerFacts = await viewer.facts();
			views.push({
				tier,
				...(again === undefined
					? {}
					: { liveAgainMs: again.shownAtMs - bornMs, firstShownMadeAfterMs: again.captureTimeMs - bornMs }),
				shownAfterCount: shownAfter.length,
				session: await watch.end(playerFacts),
				playerFacts,
			});
		}
		return {
			first: options.first,
			second: options.second,
			views,
			...(playlistBefore === undefined ? {} : { playlistBefore }),
			...(playlistAfter === undefined ? {} : { playlistAfter }),
			isSequenceContinued:
				playlistBefore !== undefined &&
				playlistBefore.uri === playlistAfter?.uri &&
				playlistAfter.newestSequence > playlistBefore.newestSequence &&
				after!.segments[playlistBefore.newestSequence - playlistAfter.mediaSequence] === playlistBefore.newestSegment,
		};
	} finally {
		await Promise.all(viewers.map(({ viewer }) => viewer.close()));
		await first.stop();
		await second.stop();
	}
}

function formatReconnects(runs: readonly ReconnectRun[]): string {
	const lines = runs.map(({ first, second, views, playlistBefore, playlistAfter, isSequenceContinued }) => {
		const again = views.map(({ liveAgainMs }) => (liveAgainMs === undefined ? 'never' : liveAgainMs.toFixed(0)));
		const sessions = views.map(({ session }) => (session.wentOn ? 'went on' : 'ended'));
		const numbers = `${playlistBefore?.newestSequence} → ${playlistAfter?.newestSequence}`;
		const cells = [first, second, ...again, ...sessions, numbers, isSequenceContinued ? 'yes' : 'no'];
		return `| ${cells.join(' | ')} |`;
	});
	const head = [
		...['first', 'second', 'live again ms, WebRTC', 'LL-HLS', 'session, WebRTC', 'LL-HLS'],
		...['newest segment', 'same address and numbers'],
	];
	return `| ${head.join(' | ')} |\n|${' --- |'.repeat(head.length)}\n${lines.join('\n')}\n`;
}

type Playlist = { position: PlaylistPosition; segments: string[] };

async function readPlaylist({ httpUrl, channel }: { httpUrl: string; channel: string }): Promise<Playlist | undefined> {
	const multivariantUrl = new URL(`/hls/${channel}/index.m3u8`, httpUrl);
	const multivariant = await (await fetch(multivariantUrl, { signal: AbortSignal.timeout(5000) })).text();
	const uri = multivariant.split('\n').find((line) => line !== '' && !line.startsWith('#'));
	if (uri === undefined) {
		return undefined;
	}
	const media = await (await fetch(new URL(uri.trim(), multivariantUrl), { signal: AbortSignal.timeout(5000) })).text();
	const mediaSequence = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)/m.exec(media)?.[1]);
	const segments = media.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
	if (!Number.isFinite(mediaSequence) || segments.length === 0) {
		return undefined;
	}
	const position = {
		uri: uri.trim(),
		mediaSequence,
		newestSequence: mediaSequence + segments.length - 1,
		discontinuityCount: media.match(/^#EXT-X-DISCONTINUITY$/gm)?.length ?? 0,
		newestSegment: segments.at(-1)!,
	};
	return { position, segments };
}
