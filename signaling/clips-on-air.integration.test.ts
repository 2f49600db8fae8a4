/** Clips of a real broadcast: each ends with the picture that its viewer saw in their tier; what is trimmed is gone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntilLive } from '../loadtest/bench/measure/server-under-test.ts';
import { checkVideo } from '../loadtest/clients/hls/recording-check.ts';
import { createPublisher } from '../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../loadtest/source/publisher.ts';
import { systemClock } from '../core/lifecycle/clock.ts';
import { silentLogger } from '../core/logger.ts';
import type { AccessUnit } from '../core/media/access-unit.ts';
import type { ClipCreation, CreatedClip, OwnClip } from '../core/protocol/api/clip.ts';
import { readMediaPlaylist, type ListedPlaylist } from '../packager/testing/playlist-reader.ts';
import { readMp4 } from '../packager/testing/mp4-reader.ts';
import { buildServer, type SpillwayServer } from './build-server.ts';
import { loadServerConfig } from './server/server-config.ts';
import { until } from './testing/until.ts';
import { copyDatabaseTemplate } from './testing/database-template.ts';

const STREAM_KEY = 'clips_5f0c2f4a9b7d4e1c';
const FRAME_SECONDS = 1 / TEST_SETTINGS.frameRate;
/** NAL units of a picture may have parameter sets before them in the file. */
const PICTURE_NAL_TYPES = new Set([1, 5]);

/** A picture in a playlist's time. */
type Picture = { seconds: number; slices: Buffer };

describe('clips of a live broadcast', () => {
	let folder: string;
	let server: SpillwayServer;
	let httpUrl: string;
	let publisher: Publisher;
	/** Pictures in the order in which they come, as viewers over WebRTC get them. */
	const arrived: AccessUnit[] = [];
	let viewer: Client;
	let other: Client;
	let owner: Client;

	beforeAll(async () => {
		folder = await mkdtemp(join(tmpdir(), 'spillway-clips-'));
		await copyDatabaseTemplate(join(folder, 'data', 'database'));
		const config = await loadServerConfig(
			{
				SPILLWAY_HTTP_PORT: '0',
				SPILLWAY_RTMP_PORT: '0',
				SPILLWAY_RTC_PORT: '0',
				SPILLWAY_RTC_WORKER_COUNT: '1',
				SPILLWAY_INGEST_LADDER: 'off',
				SPILLWAY_INGEST_ENCODER: 'libx264',
				SPILLWAY_DATA_FOLDER: join(folder, 'data'),
				SPILLWAY_DEMO_STREAM_KEY: STREAM_KEY,
				MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
			},
			join(folder, 'none.json'),
		);
		// Whatever else runs on this machine, the server believes that there is time.
		const readCpuTimes = (): { total: number; idle: number } => ({
			total: systemClock.nowMs(),
			idle: systemClock.nowMs(),
		});
		server = await buildServer(config, { clock: systemClock, logger: silentLogger, readCpuTimes });
		const endpoints = await server.listen();
		({ httpUrl } = endpoints);
		viewer = await Client.signUp(httpUrl, 'viewer');
		other = await Client.signUp(httpUrl, 'other');
		owner = await Client.logIn(httpUrl, 'admin', server.firstStart.newAdminPassword!);
		const addresses = { ...endpoints, streamKey: STREAM_KEY, channel: 'demo' };
		server.registry.on('broadcastStarted', (broadcast) => {
			const live = server.packager.broadcast(broadcast.id)!;
			const write = live.write.bind(live);
			live.write = (unit) => {
				if (unit.trackId === 'video0') {
					arrived.push(unit);
				}
				write(unit);
			};
		});
		publisher = createPublisher('rtmp', TEST_SETTINGS, addresses);
		await publisher.start();
		await waitUntilLive(addresses);
		await until(async () => (await fetchPlaylist('/hls/demo', 'video0')).segments.length >= 3, 'three segments');
	});

	afterAll(async () => {
		await publisher.stop();
		await server.close();
		await rm(folder, { recursive: true, force: true });
	});

	const fetchBytes = async (path: string): Promise<Buffer> => {
		const answer = await fetch(new URL(path, httpUrl));
		expect([path, answer.status]).toEqual([path, 200]);
		return Buffer.from(await answer.arrayBuffer());
	};
	async function fetchPlaylist(base: string, track: string): Promise<ListedPlaylist & { base: string }> {
		const multivariant = (await fetchBytes(`${base}/index.m3u8`)).toString();
		const uri = new RegExp(`^(?!#)(.*${track}/.*)$`, 'm').exec(multivariant)![1]!;
		const path = new URL(uri, new URL(`${base}/index.m3u8`, httpUrl)).pathname;
		const playlist = readMediaPlaylist((await fetchBytes(path)).toString());
		expect(playlist.faults).toEqual([]);
		return { ...playlist, base: path.replace(/[^/]+$/, '') };
	}
	const post = (client: Client, body: ClipCreation): Promise<CreatedClip> =>
		client.send<CreatedClip>('POST', '/api/v1/clips', body, 201);
	const read = (client: Client, id: string): Promise<OwnClip> => client.send<OwnClip>('GET', `/api/v1/clips/${id}`);
	const settled = async (client: Client, id: string): Promise<OwnClip> => {
		await until(async () => (await mediaOf(await read(client, id))).hasEndList, 'the last picture to be recorded');
		return read(client, id);
	};
	const mediaOf = ({ playlistUrl }: { playlistUrl: string }): Promise<ListedPlaylist & { base: string }> =>
		fetchPlaylist(playlistUrl.replace('/index.m3u8', ''), 'video0');

	/** The pictures from one time of a playlist to another, as a player shows them. */
	async function pictures(playlistUrl: string, startSeconds: number, endSeconds: number): Promise<Picture[]> {
		const { base, segments } = await mediaOf({ playlistUrl });
		const init = await fetchBytes(base + segments[0]!.map!);
		const files = await Promise.all(segments.map(({ uri }) => fetchBytes(base + uri!)));
		const { packets, timescale } = await readMp4(init, ...files);
		const originTicks = packets[0]!.timestampTicks;
		return packets
			.map(({ timestampTicks, bytes }) => ({
				seconds: (timestampTicks - originTicks) / timescale,
				slices: slicesOf(bytes),
			}))
			.filter(({ seconds }) => seconds > startSeconds - FRAME_SECONDS / 2)
			.filter(({ seconds }) => seconds < endSeconds - FRAME_SECONDS / 2);
	}

	it('end with the picture on the screen of each of two viewers who clip at the same instant', async () => {
		// Over WebRTC the newest picture has just come.
		const seen = arrived.at(-1)!;
		// Over LL-HLS it is the first one of a part that ended about a second ago.
		const live = await fetchPlaylist('/hls/demo', 'video0');
		const segment = live.segments.findLast(({ parts }) => parts.length > 3)!;
		const before = segment.parts.slice(0, 3).reduce((sum, { durationSeconds }) => sum + durationSeconds, 0);
		const [init, part] = await Promise.all(
			[segment.map!, segment.parts[3]!.uri].map((file) => fetchBytes(live.base + file)),
		);
		const shown = slicesOf((await readMp4(init!, part!)).packets[0]!.bytes);
		const channel_id = 'demo';
		const [realTime, lowLatency] = await Promise.all([
			post(viewer, { channel_id, captured_at_ms: Math.round(seen.captureTimeMs), tier: 'webrtc', title: 'Now' }),
			post(other, { channel_id, captured_at_ms: segment.programDateTimeMs! + before * 1000 }),
		]);
		// Playable at once, while the segment with its last picture is still open.
		const first = await read(viewer, realTime.clip_id);
		expect(await mediaOf(first)).toMatchObject({ hasEndList: false });
		expect(first.creatorName).toBe('viewer');

		const clips = [await settled(viewer, realTime.clip_id), await settled(other, lowLatency.clip_id)];
		const truth = [slicesOf(seen.bytes), shown];
		for (const [index, clip] of clips.entries()) {
			const played = await pictures(clip.playlistUrl, clip.startSeconds, clip.endSeconds);
			expect(Buffer.compare(played.at(-1)!.slices, truth[index]!)).toBe(0);
			// From the begin of the recording, which is less than a minute ago.
			expect(Buffer.compare(played[0]!.slices, slicesOf(arrived[0]!.bytes))).toBe(0);
			expect(played.length * FRAME_SECONDS).toBeCloseTo(clip.durationSeconds, 1);
			const { faults, tracks } = await checkVideo(new URL(clip.playlistUrl, httpUrl).href);
			expect(faults).toEqual([]);
			expect(tracks.map(({ isComplete }) => isComplete)).toEqual([true, true]);
		}
		// What was shown before stays where it was.
		expect(clips[0]!.startSeconds).toBe(first.startSeconds);
		expect(Math.abs(clips[0]!.endSeconds - first.endSeconds)).toBeLessThan(2 * FRAME_SECONDS);
	});

	it('are trimmed to borders of pictures, and what is trimmed off cannot be had', async () => {
		const { clip_id } = await post(viewer, { channel_id: 'demo' });
		const before = await settled(viewer, clip_id);
		const { source } = before;
		const all = await pictures(source!.playlistUrl, source!.startSeconds, source!.endSeconds);
		const [from, to] = [all[40]!, all[80]!];
		const trim = { startSeconds: from.seconds + 0.4 * FRAME_SECONDS, endSeconds: to.seconds + 1.3 * FRAME_SECONDS };
		const after = await viewer.send<OwnClip>('PATCH', `/api/v1/clips/${clip_id}`, { trim });
		const played = await pictures(after.playlistUrl, after.startSeconds, after.endSeconds);
		expect(played.map(({ slices }) => slices)).toEqual(all.slice(40, 81).map(({ slices }) => slices));
		expect(after.durationSeconds).toBeCloseTo(41 * FRAME_SECONDS, 3);
		expect(after.purgePaths).toEqual([before.playlistUrl.replace('index.m3u8', '')]);
		expect(await statusOf(before.playlistUrl)).toBe(410);
		const files = (playlist: ListedPlaylist): string[] => playlist.segments.map(({ uri }) => uri!);
		const [whole, rest] = await Promise.all([mediaOf(source!), mediaOf(after)]);
		const removed = files(whole).filter((file) => !files(rest).includes(file));
		expect(removed.length).toBeGreaterThan(1);
		for (const file of removed) {
			expect([await statusOf(rest.base + file), await statusOf(whole.base + file)]).toEqual([404, 200]);
		}
		// It can be made longer again.
		const again = await viewer.send<OwnClip>('PATCH', `/api/v1/clips/${clip_id}`, {
			trim: { startSeconds: 0, endSeconds: 1000 },
		});
		expect(again.source).toMatchObject({ startSeconds: source!.earliestSeconds, endSeconds: source!.latestSeconds });
	});

	it('are seen by the owner alone while their video is private, by every address', async () => {
		const { clip_id } = await post(viewer, { channel_id: 'demo' });
		const clip = await settled(viewer, clip_id);
		const { base, segments } = await mediaOf(clip);
		const source = await mediaOf(clip.source!);
		const paths = [
			`/api/v1/clips/${clip_id}`,
			...[clip.playlistUrl, `${base}index.m3u8`, base + segments[0]!.map!, base + segments[0]!.uri!],
			...[clip.source!.playlistUrl, `${source.base}index.m3u8`, source.base + source.segments[0]!.uri!],
		];
		const statuses = async (client?: Client): Promise<number[]> => [
			...new Set(await Promise.all(paths.map((path) => statusOf(path, client)))),
		];
		expect(await statuses()).toEqual([200]);
		const change = (visibility: string): Promise<object> =>
			owner.send('PATCH', `/api/v1/videos/${clip.videoId}`, { visibility });
		expect(await change('private')).toMatchObject({
			purgePaths: expect.arrayContaining([clip.playlistUrl.replace('index.m3u8', '')]) as string[],
		});
		expect([await statuses(), await statuses(viewer), await statuses(owner)]).toEqual([[404], [404], [200]]);
		await viewer.send('POST', '/api/v1/clips', { channel_id: 'demo' }, 409);
		await change('public');
		expect(await statuses()).toEqual([200]);
		await viewer.send('DELETE', `/api/v1/clips/${clip_id}`);
		expect(await statusOf(paths[0]!)).toBe(404);
		expect([...new Set(await Promise.all(paths.slice(1).map((path) => statusOf(path))))]).toEqual([410]);
	});

	it('get a picture and a file, and can be made of the video when the broadcast is over', async () => {
		const { clip_id } = await post(viewer, { channel_id: 'demo' });
		await publisher.stop();
		const clip = await settled(viewer, clip_id);
		const played = await pictures(clip.playlistUrl, clip.startSeconds, clip.endSeconds);
		expect(played.length).toBeGreaterThan(60);
		await until(async () => (await read(viewer, clip_id)).posterUrl !== null, 'a picture of the clip');
		const jpeg = await fetchBytes((await read(viewer, clip_id)).posterUrl!);
		expect([jpeg[0], jpeg[1], jpeg.at(-2), jpeg.at(-1)]).toEqual([0xff, 0xd8, 0xff, 0xd9]);

		await other.send('POST', `/api/v1/clips/${clip_id}/export`, undefined, 202);
		await until(async () => (await read(viewer, clip_id)).exportState === 'ready', 'a file of the clip');
		const { exportUrl } = await read(viewer, clip_id);
		const file = await fetch(new URL(exportUrl!, httpUrl));
		const bytes = new Uint8Array(await file.arrayBuffer());
		expect(file.headers.get('content-disposition')).toBe(`attachment; filename="Demo.mp4"; filename*=UTF-8''Demo.mp4`);
		expect(Number(file.headers.get('content-length'))).toBe(bytes.length);
		const exported = (await readMp4(bytes)).packets;
		expect(exported.length).toBe(played.length);
		const part = await fetch(new URL(exportUrl!, httpUrl), { headers: { range: 'bytes=4-7' } });
		expect([part.status, await part.text()]).toEqual([206, 'ftyp']);

		await viewer.send('POST', '/api/v1/clips', { channel_id: 'demo' }, 409);
		const video = await mediaOf({
			playlistUrl: (await owner.send<{ playlistUrl: string }>('GET', `/api/v1/videos/${clip.videoId}`)).playlistUrl,
		});
		const [whole] = video.segments;
		const again = await post(other, {
			video_id: clip.videoId!,
			captured_at_ms: whole!.programDateTimeMs! + (whole!.durationSeconds + 10 * FRAME_SECONDS) * 1000,
		});
		const ofVideo = await read(other, again.clip_id);
		const [first] = await pictures(ofVideo.playlistUrl, ofVideo.startSeconds, ofVideo.endSeconds);
		expect(Buffer.compare(first!.slices, slicesOf(arrived[0]!.bytes))).toBe(0);
		expect(ofVideo.durationSeconds).toBeCloseTo(whole!.durationSeconds + 11 * FRAME_SECONDS, 2);
	});

	async function statusOf(path: string, client?: Client): Promise<number> {
		const answer = await fetch(new URL(path, httpUrl), { headers: client?.headers ?? {} });
		await answer.arrayBuffer();
		return answer.status;
	}
});

/** A signed-in user. */
class Client {
	readonly headers: Record<string, string>;
	readonly #httpUrl: string;

	private constructor(httpUrl: string, cookie: string) {
		this.#httpUrl = httpUrl;
		this.headers = { cookie, 'x-spillway-csrf': '1' };
	}

	static signUp(httpUrl: string, name: string): Promise<Client> {
		return Client.#open(httpUrl, '/api/v1/users', { name, password: 'correct horse battery' });
	}

	static logIn(httpUrl: string, name: string, password: string): Promise<Client> {
		return Client.#open(httpUrl, '/api/v1/session', { name, password });
	}

	static async #open(httpUrl: string, path: string, body: object): Promise<Client> {
		const headers = { 'content-type': 'application/json', 'x-spillway-csrf': '1' };
		const answer = await fetch(new URL(path, httpUrl), { method: 'POST', headers, body: JSON.stringify(body) });
		expect(answer.ok).toBe(true);
		return new Client(
			httpUrl,
			answer.headers
				.getSetCookie()
				.map((cookie) => cookie.split(';')[0])
				.join('; '),
		);
	}

	async send<Answer>(method: string, path: string, body?: object, status = 200): Promise<Answer> {
		const answer = await fetch(new URL(path, this.#httpUrl), {
			method,
			headers: { ...this.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
		const text = await answer.text();
		expect([method, path, answer.status, answer.ok ? '' : text]).toEqual([
			method,
			path,
			status,
			answer.ok ? '' : (expect.any(String) as string),
		]);
		return (text === '' ? undefined : JSON.parse(text)) as Answer;
	}
}

/** What of a picture in AVC form is its own, without parameter sets. */
function slicesOf(bytes: Uint8Array): Buffer {
	const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
	const slices: Buffer[] = [];
	for (let offset = 0; offset + 4 < buffer.length;) {
		const endByte = offset + 4 + buffer.readUInt32BE(offset);
		if (PICTURE_NAL_TYPES.has(buffer[offset + 4]! & 0x1f)) {
			slices.push(buffer.subarray(offset + 4, endByte));
		}
		offset = endByte;
	}
	return Buffer.concat(slices);
}
