/** Videos in both databases, and by every address: who sees what, before and after a change or a deletion. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { OwnVideo, RecordingStatus, Video, VideoDeletion, VideoList } from '../../core/protocol/api/video.ts';
import type { JournalEntry } from '../../packager/recording/journal-entry.ts';
import type { Database } from '../platform/database/database.ts';
import { ApiBench, type TestBrowser } from '../testing/api-bench.ts';
import { DATABASE_KINDS, openTestDatabase } from '../testing/both-databases.ts';

type Bench = { owner: TestBrowser; stranger: TestBrowser; admin: TestBrowser; channel: string };

describe.each(DATABASE_KINDS)('videos in the $kind database', ({ kind }) => {
	let database: Database;
	let closeDatabase: () => Promise<void>;
	let bench: ApiBench;
	let { owner, stranger, admin, channel } = {} as Bench;

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase(kind));
		bench = await ApiBench.open(database);
		owner = await bench.signUp('owner');
		stranger = bench.browser();
		admin = await bench.signUp('the-admin', 'admin');
		channel = (await owner.send('POST', '/api/v1/channels', { name: 'place' })).json<{ id: string }>().id;
	});
	afterEach(async () => {
		await database.runScript('DELETE FROM videos; DELETE FROM retired_path_secrets');
	});
	afterAll(async () => {
		await bench.close();
		await closeDatabase();
	});

	const read = async (browser: TestBrowser, id: string): Promise<OwnVideo> =>
		(await browser.send('GET', `/api/v1/videos/${id}`)).json<OwnVideo>();
	const status = async (browser: TestBrowser, path: string): Promise<number> =>
		(await browser.send('GET', path)).statusCode;
	/** All addresses below a video's path. */
	const addresses = ({ playlistUrl }: Pick<Video, 'playlistUrl'>): string[] => {
		const base = playlistUrl!.replace('index.m3u8', '');
		const files = ['index.m3u8', 'init0.mp4', 'segment1.m4s', 'segment2.m4s'];
		return [playlistUrl!, ...['video0', 'audio0'].flatMap((track) => files.map((file) => `${base}${track}/${file}`))];
	};
	const statuses = async (browser: TestBrowser, video: Pick<Video, 'playlistUrl'>): Promise<number[]> => [
		...new Set(await Promise.all(addresses(video).map((path) => status(browser, path)))),
	];

	it('are played by everyone while they are public, and kept by caches', async () => {
		const video = await read(stranger, await bench.addVideo(channel));
		expect(video).toMatchObject({ state: 'ready', visibility: 'public', durationSeconds: 4, title: 'A video' });
		expect(video).not.toHaveProperty('sizeBytes');
		expect(await statuses(stranger, video)).toEqual([200]);
		const [multivariant, media, init] = addresses(video);
		const headers = async (path: string): Promise<unknown> =>
			(await stranger.send('GET', path)).headers['cache-control'];
		expect(await headers(multivariant!)).toBe('public, max-age=86400');
		expect(await headers(media!)).toBe('public, max-age=86400');
		expect(await headers(init!)).toBe('public, max-age=86400, immutable');
		expect(await read(owner, video.id)).toMatchObject({ sizeBytes: 44, isKept: false, missingSeconds: 0 });
	});

	it('answer 410 under every address known before their visibility changed, and 404 to strangers when private', async () => {
		const before = await read(stranger, await bench.addVideo(channel));
		const change = await owner.send('PATCH', `/api/v1/videos/${before.id}`, { visibility: 'private' });
		const after = change.json<OwnVideo>();
		expect(after.purgePaths).toEqual([before.playlistUrl!.replace('index.m3u8', '')]);
		for (const browser of [stranger, owner, admin]) {
			expect(await statuses(browser, before)).toEqual([410]);
		}
		expect(await status(stranger, `/api/v1/videos/${before.id}`)).toBe(404);
		// The secret alone is not enough for the multivariant playlist.
		expect(await status(stranger, after.playlistUrl!)).toBe(404);
		expect(await status(owner, after.playlistUrl!)).toBe(200);
		const answer = await owner.send('GET', after.playlistUrl!);
		expect(answer.headers['cache-control']).toBe('private, no-store');
		const media = await owner.send('GET', after.playlistUrl!.replace('index', 'video0/index'));
		expect(media.headers['cache-control']).toBe('private, max-age=86400, immutable');
		const listed = async (browser: TestBrowser): Promise<number> =>
			(await browser.send('GET', '/api/v1/channels/place/videos')).json<VideoList>().videos.length;
		expect([await listed(stranger), await listed(owner)]).toEqual([0, 1]);
		const unlisted = (
			await owner.send('PATCH', `/api/v1/videos/${before.id}`, { visibility: 'unlisted' })
		).json<OwnVideo>();
		expect(await statuses(owner, after)).toEqual([410]);
		expect(await statuses(stranger, unlisted)).toEqual([200]);
		expect(await listed(stranger)).toBe(0);
	});

	it('answer 410 and 404 once they are deleted', async () => {
		const video = await read(stranger, await bench.addVideo(channel));
		const deletion = await owner.send('DELETE', `/api/v1/videos/${video.id}`);
		expect(deletion.json<VideoDeletion>().purgePaths).toEqual([video.playlistUrl!.replace('index.m3u8', '')]);
		expect(await statuses(owner, video)).toEqual([410]);
		expect(await status(owner, `/api/v1/videos/${video.id}`)).toBe(404);
		expect((await owner.send('PATCH', `/api/v1/videos/${video.id}`, { title: 'x' })).statusCode).toBe(404);
		expect((await owner.send('DELETE', `/api/v1/videos/${video.id}`)).statusCode).toBe(404);
	});

	it.each([
		'/vod/AAAAAAAAAAAAAAAAAAAAAA/index.m3u8',
		'/vod/AAAAAAAAAAAAAAAAAAAAAA/video0/segment1.m4s',
		'/vod/short/index.m3u8',
		'/vod/..%2f..%2fsecrets/video0/init0.mp4',
	])('are not found by a guess: %s', async (path) => {
		await bench.addVideo(channel);
		expect(await status(stranger, path)).toBe(404);
	});

	it.each([
		'video0/../../journals/x',
		'video0/%2e%2e%2finit0.mp4',
		'video0/..%2F..%2F..%2Fsecrets%2Fserver-secret',
		'..%2Fvideo0/init0.mp4',
		'video9/init0.mp4',
		'video0/segment0.m4s',
		'video0/segment99999999999999999999.m4s',
		'video0/segment1.m4s%00.mp4',
		'pictures/init0.mp4',
		'video0/index.m3u8.bak',
	])('have no other file below their path: %s', async (file) => {
		const video = await read(stranger, await bench.addVideo(channel));
		expect(await status(stranger, video.playlistUrl!.replace('index.m3u8', file))).toBe(404);
	});

	it.each([
		['bytes=0-0', 206, 1],
		['bytes=4-', 206, 7],
		['bytes=-3', 206, 3],
		['bytes=0-99999999999999', 206, 11],
		['bytes=11-', 416, 0],
		['bytes=99999999999999-', 416, 0],
		['bytes=5-2', 200, 11],
		['bytes=0-1,3-4', 200, 11],
		['lines=1-2', 200, 11],
	])('answer the range %s with %i and %i bytes', async (range, expected, length) => {
		const video = await read(stranger, await bench.addVideo(channel));
		const path = video.playlistUrl!.replace('index.m3u8', 'video0/segment1.m4s');
		const answer = await stranger.send('GET', path, undefined, { range });
		expect(answer.statusCode).toBe(expected);
		expect(answer.rawPayload.length).toBe(length);
	});

	it('keep titles as text, and refuse those that are none', async () => {
		const id = await bench.addVideo(channel);
		const title = '<script>alert(1)</script> "&\'';
		const changed = await owner.send('PATCH', `/api/v1/videos/${id}`, { title });
		expect(changed.headers['content-type']).toContain('application/json');
		expect(changed.json<OwnVideo>().title).toContain('<script>alert(1)</script>');
		for (const bad of [
			{ title: 'x'.repeat(1001) },
			{ title: 5 },
			{ title: '\u202ertl' },
			{ visibility: 'open' },
			{},
			{ state: 'ready' },
		]) {
			expect((await owner.send('PATCH', `/api/v1/videos/${id}`, bad)).statusCode).toBe(400);
		}
	});

	it('are listed in pages, the newest first', async () => {
		const ids: string[] = [];
		for (let index = 0; index < 5; index++) {
			await bench.clock.advance(1000);
			ids.unshift(await bench.addVideo(channel));
		}
		const page = async (query: string): Promise<VideoList> =>
			(await stranger.send('GET', `/api/v1/channels/place/videos?${query}`)).json<VideoList>();
		const first = await page('limit=2');
		expect(first.videos.map(({ id }) => id)).toEqual(ids.slice(0, 2));
		const second = await page(`limit=2&before=${first.next}`);
		expect(second.videos.map(({ id }) => id)).toEqual(ids.slice(2, 4));
		const third = await page(`limit=2&before=${second.next}`);
		expect([third.videos.map(({ id }) => id), third.next]).toEqual([ids.slice(4), null]);
	});

	it('take journal entries once, from their owner only, and none after their end', async () => {
		const [id] = [await bench.addVideo(channel)];
		const entry: JournalEntry = {
			kind: 'segment',
			trackId: 'video0',
			mediaSequence: 3,
			run: 0,
			initName: 'init0.mp4',
			startSeconds: 6,
			durationSeconds: 2,
			capturedAtMs: 0,
			gap: null,
			sizeBytes: 1,
			hash: '',
		};
		expect(await bench.videoStore.append(id, 1, [entry])).toBe('refused');
		await database.query('UPDATE videos SET ended_at = NULL WHERE id = $1', [id]);
		expect(await bench.videoStore.append(id, 1, [entry, entry])).toBe('written');
		expect(await bench.videoStore.append(id, 1, [entry])).toBe('written');
		const counted = async (): Promise<number> =>
			(await bench.videoStore.tracks(id)).find(({ trackId }) => trackId === 'video0')!.segments.length;
		expect(await counted()).toBe(3);
		expect(await bench.videoStore.takeOver(id)).toBe(2);
		expect(await bench.videoStore.append(id, 1, [{ ...entry, mediaSequence: 4 }])).toBe('refused');
		expect(await bench.videoStore.append(id, 2, [{ ...entry, mediaSequence: 4 }])).toBe('written');
		expect(await counted()).toBe(4);
	});

	it('are made of the channels that want them: as the account has it, or as the channel chooses', async () => {
		const state = async (): Promise<RecordingStatus> =>
			(await owner.send('GET', '/api/v1/channels/place/recording')).json<RecordingStatus>();
		expect(await state()).toMatchObject({ choice: null, isWanted: false, state: 'off' });
		await admin.send('PUT', '/api/v1/users/owner/publishing');
		expect(await state()).toMatchObject({ choice: null, isWanted: true, state: 'idle', retentionDays: 14 });
		await owner.send('PUT', '/api/v1/channels/place/recording', { choice: false });
		expect(await state()).toMatchObject({ choice: false, isWanted: false, state: 'off' });
		await admin.send('DELETE', '/api/v1/users/owner/publishing');
		await owner.send('PUT', '/api/v1/channels/place/recording', { choice: true });
		expect(await state()).toMatchObject({ choice: true, isWanted: true, state: 'idle' });
	});

	it('are ended by another start only when they have been silent, and their broadcasts have ended', async () => {
		const id = await bench.addVideo(channel);
		await database.query('UPDATE videos SET ended_at = NULL WHERE id = $1', [id]);
		await database.query(
			`INSERT INTO broadcasts (id, channel_id, started_at, ended_at)
			SELECT broadcast_id, channel_id, started_at, started_at FROM videos WHERE id = $1`,
			[id],
		);
		expect(await bench.videoStore.listUnfinished(60_000)).toEqual([]);
		await bench.clock.advance(65_000);
		// The newest segment is 59 s old.
		expect(await bench.videoStore.listUnfinished(60_000)).toEqual([]);
		await bench.clock.advance(2000);
		expect(await bench.videoStore.listUnfinished(60_000)).toEqual([id]);
		await database.query('UPDATE broadcasts SET ended_at = NULL');
		expect(await bench.videoStore.listUnfinished(60_000)).toEqual([]);
	});

	// Last, because it takes longer than the log-ins live.
	it('are deleted when their time is over, except those that are kept', async () => {
		const [kept, other] = [await bench.addVideo(channel), await bench.addVideo(channel)];
		await owner.send('PATCH', `/api/v1/videos/${kept}`, { isKept: true });
		bench.clock.setWallClock(13 * 86_400_000);
		expect(await bench.videoStore.listExpired()).toEqual([]);
		bench.clock.setWallClock(2 * 86_400_000);
		expect(await bench.videoStore.listExpired()).toEqual([other]);
	});
});
