/** Live stills through their route, made by real FFmpeg of real media: what is answered in each state of a channel. */
import fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BroadcastId, ChannelName } from '../../core/ids.ts';
import type { LiveStoryboard } from '../../core/protocol/api/live-storyboard.ts';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { silentLogger } from '../../core/logger.ts';
import type { TrackId } from '../../core/media/access-unit.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import { defaultPackagerConfig } from '../../packager/config/packager-config.ts';
import { createPackager, type Packager } from '../../packager/create-packager.ts';
import type { BroadcastPackager } from '../../packager/live/broadcast-packager.ts';
import { ffmpeg, makeTestVideo, moveUnits } from '../../packager/transcode/testing/test-media.ts';
import type { StillRoutesDependencies } from './still-routes.ts';
import { registerErrorHandler } from '../platform/http/error-handler.ts';
import { until } from '../testing/until.ts';
import { createPictures } from './create-pictures.ts';

class Registry extends TypedEmitter<{ broadcastStarted: [broadcast: Broadcast] }> {
	start(id: BroadcastId): void {
		this.emit('broadcastStarted', { id } as Broadcast);
	}
}

type Located = Awaited<ReturnType<StillRoutesDependencies['locator']['find']>>;

const ID = '01broadcast' as BroadcastId;
const URL = '/api/v1/channels/demo/still.jpg';

describe('the still of a channel', () => {
	let app: FastifyInstance;
	let packager: Packager;
	let pictures: ReturnType<typeof createPictures>;
	let broadcast: BroadcastPackager;
	let located: Located;

	beforeEach(async () => {
		const registry = new Registry();
		const common = { clock: systemClock, logger: silentLogger };
		packager = createPackager(
			{ ...common, channels: { state: async () => ({ state: 'offline' }) } },
			defaultPackagerConfig(),
		);
		const locator = {
			find: async (name: string): Promise<Located> => (name === 'demo' ? located : { state: 'unknown' }),
		};
		pictures = createPictures({
			...common,
			registry: registry as unknown as Parameters<typeof createPictures>[0]['registry'],
			packager,
			locator,
			mayRun: () => true,
		});
		broadcast = packager.startBroadcast({ broadcastId: ID, channelName: 'demo' as ChannelName });
		registry.start(ID);
		located = { state: 'live', broadcastId: ID, broadcast: {} as Broadcast };
		app = fastify();
		registerErrorHandler(app, silentLogger);
		await app.register(pictures.routes);
	});
	afterEach(async () => {
		await pictures.close();
		await packager.close('packager-closed');
		await app.close();
	});

	function publish(size: string): void {
		const [widthPixels, heightPixels] = size.split('x').map(Number) as [number, number];
		const source = `color=c=lime:s=${size}:r=10`;
		const video = makeTestVideo({
			durationSeconds: 3,
			widthPixels,
			heightPixels,
			frameRate: 10,
			gopFrames: 10,
			source,
		});
		broadcast.beginRun(0, new Map<TrackId, typeof video.config>([['video0', video.config]]));
		moveUnits(video.units, 9_000_000).forEach((unit) => broadcast.write(unit));
	}

	const ask = async (headers: Record<string, string> = {}): Promise<LightMyRequestResponse> =>
		app.inject({ url: URL, headers });

	it('is a picture of it, no larger than cards need, with a short life in caches and an ETag', async () => {
		const early = await ask();
		expect([early.statusCode, early.headers['cache-control']]).toEqual([404, 'public, max-age=1']);
		expect(early.json()).toMatchObject({ code: 'STILL_NOT_FOUND' });
		expect(pictures.stillVersion(ID)).toBeUndefined();
		publish('1280x720');
		await until(() => pictures.stillVersion(ID) !== undefined, 'the first still');
		const { statusCode, headers, rawPayload } = await ask();
		expect(statusCode).toBe(200);
		expect(headers).toMatchObject({ 'content-type': 'image/jpeg', 'cache-control': 'public, max-age=5' });
		const raw = ffmpeg(['-f', 'mjpeg', '-i', 'pipe:0', '-pix_fmt', 'rgb24', '-f', 'rawvideo', 'pipe:1'], rawPayload);
		expect(raw.length).toBe(480 * 270 * 3);
		const [red, green, blue] = raw.subarray(raw.length / 2);
		expect([red! < 40, green! > 215, blue! < 40]).toEqual([true, true, true]);
		const list = await app.inject('/api/v1/channels/demo/storyboard');
		expect([list.statusCode, list.headers['cache-control']]).toEqual([200, 'public, max-age=5']);
		const { pictureBase, capturedAtMs } = list.json<LiveStoryboard>();
		expect(capturedAtMs.length).toBe(1);
		const small = await app.inject(`${pictureBase}${capturedAtMs[0]}.jpg`);
		expect(small.headers).toMatchObject({
			'content-type': 'image/jpeg',
			'cache-control': 'public, max-age=86400, immutable',
		});
		const tile = ffmpeg(
			['-f', 'mjpeg', '-i', 'pipe:0', '-pix_fmt', 'rgb24', '-f', 'rawvideo', 'pipe:1'],
			small.rawPayload,
		);
		expect(tile.length).toBe(160 * 90 * 3);
		for (const file of [`${capturedAtMs[0]! - 1}.jpg`, `${capturedAtMs[0]}`, `0${capturedAtMs[0]}.jpg.jpg`, '%2e%2e']) {
			expect((await app.inject(`${pictureBase}${file}`)).statusCode).toBe(404);
		}
		const again = await ask({ 'if-none-match': `"other", ${String(headers.etag)}` });
		expect([again.statusCode, again.rawPayload.length, again.headers.etag]).toEqual([304, 0, headers.etag]);
	});

	it('is none of a channel that is unknown, starting or offline, or whose broadcast has ended', async () => {
		publish('320x180');
		await until(() => pictures.stillVersion(ID) !== undefined, 'the first still');
		located = { state: 'offline' };
		expect((await ask()).json()).toMatchObject({ code: 'CHANNEL_OFFLINE' });
		expect((await app.inject('/api/v1/channels/demo/storyboard')).json()).toMatchObject({ code: 'CHANNEL_OFFLINE' });
		located = { state: 'starting' };
		expect((await ask()).json()).toMatchObject({ code: 'STILL_NOT_FOUND' });
		expect((await app.inject('/api/v1/channels/other/still.jpg')).json()).toMatchObject({ code: 'CHANNEL_NOT_FOUND' });
		located = { state: 'live', broadcastId: ID, broadcast: {} as Broadcast };
		expect((await ask()).statusCode).toBe(200);
		broadcast.end();
		expect([(await ask()).statusCode, pictures.stillVersion(ID)]).toEqual([404, undefined]);
	});
});
