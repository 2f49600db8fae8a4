/** Posters and storyboards of videos: the jobs with real FFmpeg and a real database, and who sees the pictures. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BroadcastId, ChannelId } from '../../core/ids.ts';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { Video } from '../../core/protocol/api/video.ts';
import { PictureMaker } from '../../packager/pictures/picture-maker.ts';
import { recordRuns, TEST_VIDEO_ID, type TestRecording } from '../../packager/pictures/testing/recorded-video.ts';
import { MemoryStore } from '../../packager/testing/memory-store.ts';
import { makeTestAudio, makeTestVideo, moveUnits } from '../../packager/transcode/testing/test-media.ts';
import type { Database, Queryable } from '../platform/database/database.ts';
import type { JobRun } from '../platform/jobs/jobs.ts';
import { ApiBench, type TestBrowser } from '../testing/api-bench.ts';
import { openTestDatabase } from '../testing/both-databases.ts';
import { VideoPictures } from './video-pictures.ts';
import { VideoStore } from './video-store.ts';

const SECONDS = 12;
type Kind = 'make-first-poster' | 'make-video-pictures';
type Work = (data: { videoId: string }, run: JobRun) => Promise<void>;

let database: Database;
let closeDatabase: () => Promise<void>;
let bench: ApiBench;
let owner: TestBrowser;
let stranger: TestBrowser;
let channelId: ChannelId;
let withPicture: TestRecording;

beforeAll(async () => {
	({ database, close: closeDatabase } = await openTestDatabase('embedded'));
	bench = await ApiBench.open(database);
	owner = await bench.signUp('owner');
	stranger = bench.browser();
	channelId = (await owner.send('POST', '/api/v1/channels', { name: 'place' })).json<{ id: ChannelId }>().id;
	const video = makeTestVideo({ durationSeconds: SECONDS, frameRate: 10, gopFrames: 20 });
	withPicture = await recordRuns([
		{ tracks: new Map<TrackId, TrackConfig>([['video0', video.config]]), units: moveUnits(video.units, 9_000_000) },
	]);
});
afterAll(async () => {
	await bench.close();
	await closeDatabase();
});

describe('the jobs of pictures', () => {
	let store: VideoStore;
	let works: Map<string, Work>;
	let added: { kind: string; videoId: string; isLater: boolean }[];
	let recording: TestRecording;
	let mayWork: boolean;
	let refusal: string | undefined;

	beforeEach(() => {
		works = new Map();
		added = [];
		mayWork = true;
		refusal = undefined;
		recording = { ...withPicture, store: copyOf(withPicture) };
		open();
	});
	afterEach(() => database.runScript('DELETE FROM videos'));

	function open(): void {
		const jobs = {
			define: (kind: { name: string }, work: unknown) => void works.set(kind.name, work as Work),
			add: async (_handle: Queryable, kind: { name: string }, data: unknown, options?: { startAfter?: Date }) => {
				added.push({ kind: kind.name, ...(data as { videoId: string }), isLater: options?.startAfter !== undefined });
				return true;
			},
		};
		const common = { database, clock: systemClock, logger: silentLogger };
		store = new VideoStore({
			...common,
			deleteMedia: async () => true,
			clips: () => ({ deleteAll: async () => undefined }),
			makePictures: (handle, videoId, which) => pictures.add(handle, videoId, which),
		});
		const pictures: VideoPictures = new VideoPictures({
			...common,
			jobs: jobs as unknown as ConstructorParameters<typeof VideoPictures>[0]['jobs'],
			videos: store,
			directory: { forget: () => undefined },
			store: recording.store,
			maker: new PictureMaker(common),
			mayWork: () => mayWork,
			refusal: async () => refusal,
		});
	}

	async function record({ entries }: TestRecording): Promise<void> {
		await store.create({
			id: TEST_VIDEO_ID,
			channelId,
			broadcastId: '01broadcast' as BroadcastId,
			title: 'A video',
			category: undefined,
			startedAt: new Date(),
		});
		await store.append(TEST_VIDEO_ID, 1, entries);
	}

	const run = (kind: Kind, signal = new AbortController().signal): Promise<void> =>
		works.get(kind)!({ videoId: TEST_VIDEO_ID }, { id: 'job', attempt: 1, signal });
	const files = (): string[] =>
		[...recording.store.objects.keys()]
			.filter((name) => name.includes('/pictures/'))
			.map((name) => name.split('/').at(-1)!);
	const jpeg = (file: string): Uint8Array => recording.store.objects.get(`videos/${TEST_VIDEO_ID}/pictures/${file}`)!;

	it('are added with the changes that they belong to: a first poster later, all pictures at the end', async () => {
		await record(recording);
		expect(added).toEqual([{ kind: 'make-first-poster', videoId: TEST_VIDEO_ID, isLater: true }]);
		await store.finish(TEST_VIDEO_ID, 14);
		expect(added.slice(1)).toEqual([{ kind: 'make-video-pictures', videoId: TEST_VIDEO_ID, isLater: false }]);
	});

	it('make a first poster while it is recorded, and another one with the storyboard at the end', async () => {
		await record(recording);
		await run('make-first-poster');
		expect(await store.find(TEST_VIDEO_ID)).toMatchObject({ posterName: 'poster1.jpg', sheetCount: undefined });
		await store.finish(TEST_VIDEO_ID, 14);
		const { sizeBytes } = (await store.find(TEST_VIDEO_ID))!;
		await run('make-video-pictures');
		expect(await store.find(TEST_VIDEO_ID)).toMatchObject({
			posterName: 'poster2.jpg',
			sheetCount: 1,
			sizeBytes: sizeBytes + jpeg('poster2.jpg').length + jpeg('sheet1.jpg').length,
		});
		expect(files().toSorted()).toEqual(['poster1.jpg', 'poster2.jpg', 'sheet1.jpg', 'storyboard.vtt']);
		const text = Buffer.from(jpeg('storyboard.vtt')).toString();
		expect(text).toContain('00:00:10.000 --> 00:00:12.000\nsheet1.jpg#xywh=160,0,160,90\n');
		// Again: nothing changes.
		const before = await store.find(TEST_VIDEO_ID);
		await run('make-video-pictures');
		await run('make-first-poster');
		expect(await store.find(TEST_VIDEO_ID)).toEqual(before);
	});

	it('leave the video without pictures when FFmpeg cannot decode it, and make them at a later attempt', async () => {
		const segments = [...recording.store.objects].filter(([name]) => name.includes('/segment'));
		segments.forEach(([name, bytes]) => recording.store.objects.set(name, new Uint8Array(bytes.length)));
		await record(recording);
		await store.finish(TEST_VIDEO_ID, 14);
		await expect(run('make-video-pictures')).rejects.toMatchObject({ code: 'TRANSCODER_FAILED' });
		expect(await store.find(TEST_VIDEO_ID)).toMatchObject({ posterName: undefined, sheetCount: undefined });
		segments.forEach(([name, bytes]) => recording.store.objects.set(name, bytes));
		await run('make-video-pictures');
		expect(await store.find(TEST_VIDEO_ID)).toMatchObject({ posterName: 'poster2.jpg', sheetCount: 1 });
	});

	it('keep what an attempt has made that was cut short, and make again what was half written', async () => {
		await record(recording);
		await store.finish(TEST_VIDEO_ID, 14);
		await run('make-video-pictures');
		const [poster, sheet] = [jpeg('poster2.jpg'), jpeg('sheet1.jpg')];
		await database.query('UPDATE videos SET poster_name = NULL, sheet_count = NULL');
		recording.store.objects.set(`videos/${TEST_VIDEO_ID}/pictures/sheet1.jpg`, sheet.subarray(0, 1000));
		await run('make-video-pictures');
		// The very same bytes: it was not made again.
		expect(jpeg('poster2.jpg')).toBe(poster);
		expect(jpeg('sheet1.jpg').length).toBe(sheet.length);
		expect(await store.find(TEST_VIDEO_ID)).toMatchObject({ posterName: 'poster2.jpg', sheetCount: 1 });
	});

	it('try again when the store is away', async () => {
		await record(recording);
		await store.finish(TEST_VIDEO_ID, 14);
		recording.store.failure = 'OBJECT_STORE_UNAVAILABLE';
		await expect(run('make-video-pictures')).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
		recording.store.failure = undefined;
		await run('make-video-pictures');
		expect(files()).toContain('sheet1.jpg');
	});

	it('fail while there is no room, and store nothing', async () => {
		await record(recording);
		await store.finish(TEST_VIDEO_ID, 14);
		refusal = 'the disk is full';
		await expect(run('make-video-pictures')).rejects.toMatchObject({ code: 'OBJECT_STORE_FULL' });
		expect(files()).toEqual([]);
	});

	it('wait while media needs the machine, and end when they are given up', async () => {
		await record(recording);
		await store.finish(TEST_VIDEO_ID, 14);
		mayWork = false;
		const giveUp = new AbortController();
		const waiting = run('make-video-pictures', giveUp.signal);
		setTimeout(() => giveUp.abort(new Error('it took too long')), 500);
		await expect(waiting).rejects.toThrow('it took too long');
		expect(files()).toEqual([]);
	});

	it('leave nothing of a video that is deleted before, between or meanwhile', async () => {
		await record(recording);
		await store.finish(TEST_VIDEO_ID, 14);
		await run('make-video-pictures');
		await database.query('UPDATE videos SET poster_name = NULL, sheet_count = NULL');
		// Meanwhile: the first time that a picture is put.
		const put = recording.store.put.bind(recording.store);
		recording.store.put = async (...object) => {
			await store.delete(TEST_VIDEO_ID, 'wanted');
			await put(...object);
		};
		recording.store.objects.delete(`videos/${TEST_VIDEO_ID}/pictures/poster2.jpg`);
		await run('make-video-pictures');
		expect(files()).toEqual([]);
		await run('make-video-pictures');
		await run('make-first-poster');
		expect(files()).toEqual([]);
	});

	it('make nothing of a video of sound alone', async () => {
		const sound = makeTestAudio({ durationSeconds: SECONDS });
		recording = await recordRuns([
			{
				tracks: new Map<TrackId, TrackConfig>([['audio0', sound.config]]),
				units: moveUnits(sound.units.slice(1), 100 * 48_000),
			},
		]);
		open();
		await record(recording);
		await run('make-first-poster');
		await store.finish(TEST_VIDEO_ID, 14);
		await run('make-video-pictures');
		expect(await store.find(TEST_VIDEO_ID)).toMatchObject({ posterName: undefined, sheetCount: undefined });
		expect([recording.tracks.length, files()]).toEqual([1, []]);
	});

	it('wait for a journal that is empty', async () => {
		await record({ ...recording, entries: [] });
		await expect(run('make-first-poster')).rejects.toThrow('in the journal');
	});
});

describe('the pictures of a video', () => {
	/** With a poster and two sheets. */
	async function addVideo(poster = 'poster2.jpg'): Promise<string> {
		const id = await bench.addVideo(channelId);
		await database.query('UPDATE videos SET poster_name = $2, sheet_count = 2 WHERE id = $1', [id, poster]);
		for (const file of [poster, 'storyboard.vtt', 'sheet1.jpg', 'sheet2.jpg']) {
			await bench.objects.put(`videos/${id}/pictures/${file}`, Buffer.from(file));
		}
		return id;
	}

	const read = async (browser: TestBrowser, id: string): Promise<Video> =>
		(await browser.send('GET', `/api/v1/videos/${id}`)).json<Video>();
	const addresses = ({ posterUrl, storyboardUrl }: Video): string[] =>
		[posterUrl!, storyboardUrl!].concat(['sheet1.jpg', 'sheet2.jpg'].map((name) => replaceFile(storyboardUrl!, name)));
	const statuses = (browser: TestBrowser, paths: readonly string[]): Promise<number[]> =>
		Promise.all(paths.map(async (path) => (await browser.send('GET', path)).statusCode));

	it('are named where there are any, and are served with their types and lives in caches', async () => {
		const without = await read(stranger, await bench.addVideo(channelId));
		expect([without.posterUrl, without.storyboardUrl]).toEqual([null, null]);
		const found = addresses(await read(stranger, await addVideo()));
		const answers = await Promise.all(found.map((path) => stranger.send('GET', path)));
		expect(answers.map(({ statusCode, body }) => [statusCode, body])).toEqual(
			['poster2.jpg', 'storyboard.vtt', 'sheet1.jpg', 'sheet2.jpg'].map((file) => [200, file]),
		);
		expect(answers.map(({ headers }) => headers['content-type'])).toEqual([
			'image/jpeg',
			'text/vtt; charset=utf-8',
			'image/jpeg',
			'image/jpeg',
		]);
		expect([...new Set(answers.map(({ headers }) => headers['cache-control']))]).toEqual([
			'public, max-age=86400, immutable',
		]);
		const etag = String(answers[0]!.headers.etag);
		const again = await stranger.send('GET', found[0]!, undefined, { 'if-none-match': etag });
		expect([again.statusCode, again.body]).toEqual([304, '']);
	});

	it('are asked for again soon while the poster is not the last one', async () => {
		const { posterUrl } = await read(stranger, await addVideo('poster1.jpg'));
		const { headers } = await stranger.send('GET', posterUrl!);
		expect(headers['cache-control']).toBe('public, max-age=60');
	});

	it('answer 410 at once under every address known before, and only their owner sees those of a private video', async () => {
		const id = await addVideo();
		const before = addresses(await read(stranger, id));
		expect(await statuses(stranger, before)).toEqual([200, 200, 200, 200]);
		await owner.send('PATCH', `/api/v1/videos/${id}`, { visibility: 'private' });
		expect(await statuses(owner, before)).toEqual([410, 410, 410, 410]);
		const after = addresses(await read(owner, id));
		// Who has found out the address sees nothing.
		expect(await statuses(stranger, after)).toEqual([404, 404, 404, 404]);
		expect(await statuses(owner, after)).toEqual([200, 200, 200, 200]);
		const { headers } = await owner.send('GET', after[0]!);
		expect(headers['cache-control']).toBe('private, max-age=86400, immutable');
		const deletion = await owner.send('DELETE', `/api/v1/videos/${id}`);
		expect(deletion.statusCode).toBe(200);
		expect(await statuses(owner, after)).toEqual([410, 410, 410, 410]);
	});

	it.each([
		'sheet0.jpg',
		'sheet3.jpg',
		'sheet01.jpg',
		'sheet1.jpg.bak',
		'poster2.jpg',
		'poster1.jpg',
		'..%2fvideo0%2finit0.mp4',
		'%2e%2e',
		'storyboard.vtt%00',
		'pictures',
		'pictures/sheet1.jpg',
	])('are no other files: %s', async (file) => {
		const { storyboardUrl } = await read(stranger, await addVideo());
		expect(await statuses(stranger, [replaceFile(storyboardUrl!, file)])).toEqual([404]);
	});
});

function replaceFile(url: string, file: string): string {
	return url.replace(/[^/]*$/, file);
}

/** A store of its own with the same objects. */
function copyOf({ store }: TestRecording): MemoryStore {
	const copy = new MemoryStore();
	store.objects.forEach((bytes, name) => copy.objects.set(name, bytes));
	return copy;
}
