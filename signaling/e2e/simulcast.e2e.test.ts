/** Simulcast through the whole server: a publisher's layers are rungs in both tiers, and a lost one is replaced. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { ChannelDescription } from '../../core/protocol/api/channel-description.ts';
import type { ServerMessage } from '../../core/protocol/signaling/signaling-messages.ts';
import { ServerUnderTest } from '../../loadtest/bench/measure/server-under-test.ts';
import { FrameReader, SignalingSocket } from '../../loadtest/clients/signaling/signaling-socket.ts';
import { WhepViewer } from '../../loadtest/clients/whep/whep-viewer.ts';
import { ChromiumWhipPublisher } from '../../loadtest/clients/whip/chromium-whip-publisher.ts';
import { WeriftWhipPublisher } from '../../loadtest/clients/whip/werift-whip-publisher.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../../loadtest/source/publisher.ts';
import { readMp4 } from '../../packager/testing/mp4-reader.ts';
import { readMediaPlaylist, type ListedPlaylist, type ListedSegment } from '../../packager/testing/playlist-reader.ts';
import { until } from '../testing/until.ts';

/** Few pictures, because each layer of the OBS-like publisher has an encoder. */
const SETTINGS = { ...TEST_SETTINGS, widthPixels: 640, heightPixels: 360, frameRate: 15, videoBitrateBps: 400_000 };
const { widthPixels, heightPixels, frameRate } = SETTINGS;

type SimulcastPublisher = Publisher & { switchTop(isOn: boolean): void | Promise<void> };

/** With the sizes and the names of their layers below the picture. Chromium makes two layers of so small a picture. */
const PUBLISHERS = {
	'an OBS-like publisher, which ignores requests': {
		sizes: ['426x240', '214x120'],
		names: ['360p30', '160p30'],
		create: (url: string, streamKey: string): SimulcastPublisher => {
			const publisher = new WeriftWhipPublisher(SETTINGS, { url, streamKey }, 3);
			return Object.assign(publisher, { switchTop: (isOn: boolean) => publisher.switchLayer('0', isOn) });
		},
	},
	Chromium: {
		sizes: ['320x180'],
		names: ['160p30'],
		create: (url: string, streamKey: string): SimulcastPublisher => {
			const options = { widthPixels, heightPixels, frameRate, codec: 'h264', layerCount: 2 } as const;
			const publisher = new ChromiumWhipPublisher({ ...options, videoBitrateBps: 900_000 }, { url, streamKey });
			return Object.assign(publisher, { switchTop: (isOn: boolean) => publisher.switchLayer(0, isOn) });
		},
	},
};

/** A viewer over WebRTC with a seat: what they may choose, what is shown, and the capture times of their pictures. */
class Viewer implements AsyncDisposable {
	picture: Extract<ServerMessage, { type: 'picture' }> | undefined;
	readonly captureTimesMs: number[] = [];
	longestFreezeMs = 0;
	readonly #socket: SignalingSocket;
	#whep: WhepViewer | undefined;

	constructor(httpUrl: string) {
		this.#socket = new SignalingSocket({
			clock: systemClock,
			url: new URL('/api/v1/signaling', httpUrl.replace(/^http/, 'ws')).href,
			join: { type: 'join', protocol: 1, channel: 'demo', canWebRtc: true, canHls: true, isPinnedToHls: false },
			reader: new FrameReader(),
			onMessage: (message) => (this.picture = message.type === 'picture' ? message : this.picture),
			onClosed: () => undefined,
		});
	}

	async start(httpUrl: string): Promise<void> {
		const { viewerId } = await this.#socket.open();
		this.#whep = new WhepViewer({
			clock: systemClock,
			url: new URL('/whep/demo', httpUrl).href,
			clockOffsetMs: 0,
			portMap: {},
			viewerId,
			figures: {
				latency: (kind, latencyMs) => kind === 'video' && this.captureTimesMs.push(systemClock.nowMs() - latencyMs),
				freeze: (durationMs) => (this.longestFreezeMs = Math.max(this.longestFreezeMs, durationMs)),
				jitter: () => undefined,
				authenticationFailed: () => undefined,
				pictureSize: () => undefined,
			},
			onLost: () => undefined,
		});
		await this.#whep.start();
	}

	choose(rung: '360p30' | '160p30' | 'source'): void {
		this.#socket.send({ type: 'picture-wish', rung });
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#socket.close();
		await this.#whep?.close();
	}
}

describe('simulcast', () => {
	let server: ServerUnderTest;

	beforeAll(async () => {
		server = await ServerUnderTest.start({ SPILLWAY_INGEST_LADDER: 'off' });
	});

	afterAll(async () => {
		await server.stop();
	});

	const load = async (address: string): Promise<Uint8Array> => {
		const response = await fetch(new URL(address, server.addresses.httpUrl), { signal: AbortSignal.timeout(10_000) });
		return new Uint8Array(await response.arrayBuffer());
	};
	const text = async (address: string): Promise<string> => Buffer.from(await load(address)).toString();
	const channel = async (): Promise<ChannelDescription> => JSON.parse(await text('/api/v1/channels/demo'));
	/** Sizes and addresses of the pictures in the multivariant playlist, the largest first. */
	const variants = async (): Promise<{ size: string; address: string }[]> => {
		const lines = (await text('/hls/demo/index.m3u8')).split('\n');
		return lines
			.flatMap((line, index) => {
				const size = /RESOLUTION=(\d+x\d+)/.exec(line)?.[1];
				return size === undefined ? [] : [{ size, address: `/hls/demo/${lines[index + 1]}` }];
			})
			.toSorted((one, other) => Number.parseInt(other.size, 10) - Number.parseInt(one.size, 10));
	};
	const playlist = async (address: string): Promise<ListedPlaylist> => readMediaPlaylist(await text(address));
	const isWhole = ({ uri, isGap, parts }: ListedSegment): boolean =>
		uri !== undefined && !isGap && !parts.some((part) => part.isGap);
	const keyFramesOf = async (address: string, { map, uri }: ListedSegment): Promise<number[]> => {
		const folder = address.slice(0, address.lastIndexOf('/') + 1);
		const { packets } = await readMp4(await load(folder + map!), await load(folder + uri!));
		return packets.filter(({ isKey }) => isKey).map(({ timestampTicks }) => timestampTicks);
	};

	it.each(Object.keys(PUBLISHERS) as (keyof typeof PUBLISHERS)[])(
		'has the layers of %s as rungs, and falls to the next when the largest is lost',
		async (name) => {
			const { httpUrl, streamKey } = server.addresses;
			const { sizes, names, create } = PUBLISHERS[name];
			const publisher = create(new URL('/whip', httpUrl).href, streamKey);
			await publisher.start();
			try {
				const rungs = async (): Promise<string[]> =>
					((await channel()).ladder?.rungs ?? []).map(({ name: rung, widthPixels: width, from, state }) =>
						[rung, width, from, state].join(' '),
					);
				const expected = sizes.map((size, index) => `${names[index]} ${Number.parseInt(size, 10)} publisher running`);
				await until(async () => (await rungs()).join() === expected.join(), 'the layers as rungs');
				await until(async () => (await variants()).length === 1 + sizes.length, 'a variant of each layer');
				const listed = await variants();
				expect(listed.map(({ size }) => size)).toEqual(['640x360', ...sizes]);

				await using ofRung = new Viewer(httpUrl);
				await using ofSource = new Viewer(httpUrl);
				await Promise.all([ofRung.start(httpUrl), ofSource.start(httpUrl)]);
				ofRung.choose('160p30');
				await until(() => ofRung.picture?.shown === '160p30', 'the smallest layer at a viewer');
				await until(() => ofSource.picture?.shown === 'source', 'the source at a viewer');

				// Segments of all layers begin with key frames of the same pictures.
				const common = async (): Promise<ListedSegment[][]> => {
					const lists = await Promise.all(listed.map(async ({ address }) => (await playlist(address)).segments));
					const isCommon = ({ mediaSequence }: ListedSegment): boolean =>
						lists.every((list) => list.some((one) => one.mediaSequence === mediaSequence && isWhole(one)));
					return lists.map((list) => list.filter(isCommon));
				};
				await until(async () => (await common())[0]!.length > 0, 'a segment that all layers have');
				const segments = (await common()).map((list) => list.at(-1)!);
				const keyFrames = await Promise.all(
					segments.map((segment, index) => keyFramesOf(listed[index]!.address, segment)),
				);
				expect(keyFrames.map((times) => times.join())).toEqual(keyFrames.map(() => keyFrames[0]!.join()));

				ofSource.captureTimesMs.splice(0);
				ofRung.captureTimesMs.splice(0);
				await publisher.switchTop(false);
				await until(async () => `${(await channel()).video?.widthPixels}` === sizes[0]!.split('x')[0], 'the fall');
				const fallenAtMs = systemClock.nowMs() + 1000;
				await until(() => ofSource.captureTimesMs.at(-1)! > fallenAtMs, 'pictures after the fall');
				const steps = (times: readonly number[]): number[] => times.slice(1).map((time, index) => time - times[index]!);
				expect(Math.max(...steps(ofSource.captureTimesMs))).toBeLessThan(1000);
				expect(Math.max(...steps(ofRung.captureTimesMs))).toBeLessThan(500);
				expect(ofRung.picture?.shown).toBe('160p30');
				expect(await rungs()).toEqual(expected);

				await until(
					async () => (await playlist(listed[0]!.address)).segments.some((one) => one.hasDiscontinuity),
					'a run',
				);
				const { segments: ofBoth } = await playlist(listed[0]!.address);
				const next = ofBoth.findIndex(({ hasDiscontinuity }) => hasDiscontinuity);
				const [last, first] = [ofBoth[next - 1]!, ofBoth[next]!];
				const endMs = last.programDateTimeMs! + 1000 * last.durationSeconds;
				expect(first.programDateTimeMs! - endMs).toBeLessThan(1000);
			} finally {
				await publisher.stop();
			}
		},
		60_000,
	);
});
