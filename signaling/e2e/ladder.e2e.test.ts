/**
 * A ladder through the whole server: an encoder publishes; all rungs have the source's borders and key frames, and a
 * viewer's picture follows their line and their choice.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntilLive, ServerUnderTest } from '../../loadtest/bench/measure/server-under-test.ts';
import type { ChannelDescription, LadderDescription } from '../../core/protocol/api/channel-description.ts';
import { launchChromium } from '../../loadtest/clients/chromium/chromium.ts';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS, type EncoderSettings } from '../../loadtest/source/encoder-settings.ts';
import { readMp4, type ReadPacket } from '../../packager/testing/mp4-reader.ts';
import { readMediaPlaylist, type ListedSegment } from '../../packager/testing/playlist-reader.ts';
import { until } from '../testing/until.ts';

const SETTINGS: EncoderSettings = {
	...TEST_SETTINGS,
	widthPixels: 854,
	heightPixels: 480,
	videoBitrateBps: 1_000_000,
	gopSeconds: 1,
};
const WHOLE_SEGMENTS = 3;
/** Of a viewer's line: it carries 360p30, and half of the source. */
const NARROW_BPS = 1_300_000;
const SOURCE_BPS = 2_500_000;
const PICTURE_DEADLINE_MS = 45_000;
/** A narrow line takes half a second; without a smaller picture it never ends. A busy machine takes longer. */
const MAX_STALLED_MS = 3000;

describe('a ladder', () => {
	let server: ServerUnderTest;

	beforeAll(async () => {
		server = await ServerUnderTest.start({ SPILLWAY_INGEST_LADDER: '360p30,160p30', SPILLWAY_INGEST_ENCODER: 'auto' });
	});

	afterAll(async () => {
		await server.stop();
	});

	const load = async (address: string): Promise<Uint8Array> => {
		const response = await fetch(new URL(address, server.addresses.httpUrl), { signal: AbortSignal.timeout(10_000) });
		return new Uint8Array(await response.arrayBuffer());
	};
	const text = async (address: string): Promise<string> => Buffer.from(await load(address)).toString();

	/** The addresses of the pictures' playlists, as the multivariant playlist has them, the source's first. */
	const pictures = async (): Promise<string[]> => {
		const lines = (await text('/hls/demo/index.m3u8')).split('\n');
		const uris = lines.filter((_line, index) => lines[index - 1]?.includes('RESOLUTION=') === true);
		return uris.map((uri) => `/hls/demo/${uri}`).toSorted();
	};
	/** Whole segments with media. */
	const segmentsOf = async (address: string): Promise<ListedSegment[]> =>
		readMediaPlaylist(await text(address)).segments.filter(({ uri, isGap, parts }) => {
			return uri !== undefined && !isGap && !parts.some((part) => part.isGap);
		});
	const packetsOf = async (address: string, segment: ListedSegment): Promise<ReadPacket[]> => {
		const folder = address.slice(0, address.lastIndexOf('/') + 1);
		const track = await readMp4(await load(folder + segment.map!), await load(folder + segment.uri!));
		return track.packets;
	};

	it('is described by the API, and counted by the metrics', async () => {
		const publisher = createPublisher('rtmp', SETTINGS, server.addresses);
		try {
			await publisher.start();
			await waitUntilLive(server.addresses);
			const ladder = async (): Promise<LadderDescription | null> =>
				(JSON.parse(await text('/api/v1/channels/demo')) as ChannelDescription).ladder;
			const isRunning = async (): Promise<boolean> =>
				(await ladder())?.rungs.filter(({ state }) => state === 'running').length === 2;
			await until(isRunning, 'running rungs');
			expect(await ladder()).toMatchObject({
				rungs: [
					{ name: '360p30', widthPixels: 640, heightPixels: 360, state: 'running' },
					{ name: '160p30', widthPixels: 284, heightPixels: 160, state: 'running' },
				],
				leftOut: [],
				reason: expect.stringMatching(
					/^The settings of the server ask for 360p30 and 160p30\. The server’s \d+ core/,
				) as string,
			});
			const metrics = (await text('/metrics')).split('\n');
			expect(metrics).toContain('spillway_rungs{rung="360p30"} 1');
			expect(metrics.find((line) => line.startsWith('spillway_picture_encoder_lag_seconds'))).toMatch(/ \d+(\.\d+)?$/);
		} finally {
			await publisher.stop();
		}
	});

	it.each(['rtmp', 'rtmp-b-frames', 'rtmp-obs-defaults'] as const)(
		'has equal borders and key frames over the source and its rungs, from %s',
		async (kind) => {
			const publisher = createPublisher(kind, SETTINGS, server.addresses);
			try {
				await publisher.start();
				await waitUntilLive(server.addresses);
				await until(async () => (await pictures()).length === 3, 'a variant of each rung');
				const addresses = await pictures();
				expect(addresses.map((address) => address.match(/video\d/)![0])).toEqual(['video0', 'video4', 'video5']);
				const common = async (): Promise<ListedSegment[][]> => {
					const lists = await Promise.all(addresses.map(segmentsOf));
					const isCommon = ({ mediaSequence }: ListedSegment): boolean =>
						lists.every((list) => list.some((segment) => segment.mediaSequence === mediaSequence));
					return lists.map((list) => list.filter(isCommon));
				};
				await until(async () => (await common())[0]!.length >= WHOLE_SEGMENTS, 'whole segments');
				const lists = await common();
				const borders = lists.map((list) =>
					list.map(({ mediaSequence, parts, programDateTimeMs, discontinuitySequence }) => {
						return {
							mediaSequence,
							programDateTimeMs,
							discontinuitySequence,
							parts: parts.map((p) => p.durationSeconds),
						};
					}),
				);
				expect(borders[1]).toEqual(borders[0]);
				expect(borders[2]).toEqual(borders[0]);
				for (const [index, segment] of lists[0]!.entries()) {
					const [source, ...rungs] = await Promise.all(
						addresses.map((address, track) => packetsOf(address, lists[track]![index]!)),
					);
					const shown = source!.map(({ timestampTicks }) => timestampTicks).toSorted((one, other) => one - other);
					const keys = source!.filter(({ isKey }) => isKey).map(({ timestampTicks }) => timestampTicks);
					expect(keys[0], `segment ${segment.mediaSequence}`).toBe(shown[0]);
					for (const rung of rungs) {
						expect(rung.map(({ timestampTicks }) => timestampTicks)).toEqual(shown);
						const rungKeys = rung.filter(({ isKey }) => isKey).map(({ timestampTicks }) => timestampTicks);
						expect(rungKeys).toEqual(expect.arrayContaining(keys));
					}
				}
			} finally {
				await publisher.stop();
			}
		},
	);

	it('shows a viewer what their line carries, without a long stall, or what they choose', async () => {
		const settings = { ...SETTINGS, videoBitrateBps: SOURCE_BPS };
		const publisher = createPublisher('rtmp', settings, server.addresses);
		const browser = await launchChromium();
		try {
			await publisher.start();
			await waitUntilLive(server.addresses);
			await until(async () => (await pictures()).length === 3, 'a variant of each rung');
			const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
			await page.goto(new URL('/embed/demo?tier=ll-hls', server.addresses.httpUrl).href);
			const height = (): Promise<number> => page.evaluate<number>("document.querySelector('video')?.videoHeight ?? 0");
			const stalledForMs = (): Promise<number> => page.evaluate<number>('__spillway.statistics.stalledForMs');
			const shows = (heightPixels: number): Promise<void> =>
				expect.poll(height, { timeout: PICTURE_DEADLINE_MS }).toBe(heightPixels);
			const choose = async (name: string): Promise<void> => {
				await page.getByRole('button', { name: 'Quality' }).click();
				await page.getByRole('menuitemradio', { name }).click();
			};
			const line = await page.context().newCDPSession(page);
			const setLine = (bps: number): Promise<unknown> =>
				line.send('Network.emulateNetworkConditions', {
					offline: false,
					latency: 0,
					uploadThroughput: -1,
					downloadThroughput: bps / 8,
				});
			await shows(480);
			const beforeMs = await stalledForMs();
			await setLine(NARROW_BPS);
			await shows(360);
			expect((await stalledForMs()) - beforeMs).toBeLessThan(MAX_STALLED_MS);
			// Not limited.
			await setLine(-8);
			await shows(480);
			expect((await stalledForMs()) - beforeMs).toBeLessThan(MAX_STALLED_MS);
			await choose('160p');
			await shows(160);
			await choose('Audio only');
			await page.getByRole('status').getByText('Audio only').waitFor();
		} finally {
			await browser.close();
			await publisher.stop();
		}
	});
});
