/** A publisher that dies and comes back, over the same or another protocol, while viewers of both tiers stay. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { DELIVERY_TIERS, type DeliveryTier } from '../../core/protocol/tiers.ts';
import { createPublisher, type PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { ChromiumViewer } from '../clients/chromium/chromium-viewer.ts';
import { markdownTable } from './measure/markdown-table.ts';
import { onBenchClock, type ViewerChoice, viewerOptions } from './measure/path-viewer.ts';
import { SessionWatch, type ViewerSessionFacts } from './measure/session-watch.ts';
import { type ServerUnderTest, waitUntilLive } from './measure/server-under-test.ts';
import { type BenchCommand, say, withServer } from './bench-options.ts';

type ReconnectOptions = {
	first: PublisherKind;
	second: PublisherKind;
	settings: EncoderSettings;
	viewer: ViewerChoice;
	/** From the death to the return. */
	awayMs: number;
};

/** What a viewer of one tier saw. */
type ReconnectView = {
	tier: DeliveryTier;
	/**
	 * From the capture of the second publisher's first picture to its first picture on the screen; absent: never. A
	 * browser makes pictures before it is connected, so this includes its connecting.
	 */
	liveAgainMs?: number;
	/** From the capture of the second publisher's first picture to that of the first one shown. */
	firstShownMadeAfterMs?: number;
	/** Pictures of the second publisher on the screen until the end. */
	shownAfterCount: number;
	session: ViewerSessionFacts;
	/** The player's own report at the end: connection state, or hls.js's errors. */
	playerFacts: unknown;
};

/** The state of a media playlist: its address, and the numbers of its oldest and newest segment. */
type PlaylistPosition = {
	uri: string;
	mediaSequence: number;
	newestSequence: number;
	discontinuityCount: number;
	/** The newest segment's address. */
	newestSegment: string;
};

type ReconnectRun = {
	first: PublisherKind;
	second: PublisherKind;
	views: ReconnectView[];
	playlistBefore: PlaylistPosition | undefined;
	playlistAfter: PlaylistPosition | undefined;
	/** Same address, more segments, and the segment that was the newest before has the same number. */
	isSequenceContinued: boolean;
};

const FIRST_PICTURE_DEADLINE_MS = 20_000;
const BEFORE_MS = 4000;
const AFTER_MS = 10_000;

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

/** Kills the first publisher, starts the second, and watches both tiers. Viewers never rejoin. @internal for tests */
export async function runReconnect(server: ServerUnderTest, options: ReconnectOptions): Promise<ReconnectRun> {
	const first = createPublisher(options.first, options.settings, server.addresses);
	const second = createPublisher(options.second, options.settings, server.addresses);
	const viewers: Array<{ tier: DeliveryTier; viewer: ChromiumViewer; watch: SessionWatch }> = [];
	try {
		await first.start();
		await waitUntilLive(server.addresses);
		for (const tier of DELIVERY_TIERS) {
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
			playlistBefore,
			playlistAfter,
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
	const rows = runs.map(({ first, second, views, playlistBefore, playlistAfter, isSequenceContinued }) => [
		first,
		second,
		...views.map(({ liveAgainMs }) => liveAgainMs?.toFixed(0) ?? 'never'),
		...views.map(({ session }) => (session.wentOn ? 'continued' : 'ended')),
		`${playlistBefore?.newestSequence} → ${playlistAfter?.newestSequence}`,
		isSequenceContinued ? 'yes' : 'no',
	]);
	const head = [
		...['first', 'second', 'live again ms, WebRTC', 'LL-HLS', 'session, WebRTC', 'LL-HLS'],
		...['newest segment', 'same address and numbers'],
	];
	return markdownTable(head, rows);
}

type Playlist = { position: PlaylistPosition; segments: string[] };

async function readPlaylist({ httpUrl, channel }: ServerUnderTest['addresses']): Promise<Playlist | undefined> {
	const read = async (url: URL): Promise<{ text: string; uris: string[] }> => {
		const text = await (await fetch(url, { signal: AbortSignal.timeout(5000) })).text();
		return { text, uris: text.split('\n').filter((line) => line !== '' && !line.startsWith('#')) };
	};
	const multivariantUrl = new URL(`/hls/${channel}/index.m3u8`, httpUrl);
	const [uri] = (await read(multivariantUrl)).uris;
	if (uri === undefined) {
		return undefined;
	}
	const { text: media, uris: segments } = await read(new URL(uri.trim(), multivariantUrl));
	const mediaSequence = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)/m.exec(media)?.[1]);
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
