/** Clips in both databases: where they begin and end, who sees them where, and what stays of their videos. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClipCreation, ClipDeletion, ClipList, CreatedClip, OwnClip } from '../../core/protocol/api/clip.ts';
import type { OwnVideo } from '../../core/protocol/api/video.ts';
import { readMediaPlaylist, type ListedPlaylist } from '../../packager/testing/playlist-reader.ts';
import type { Database } from '../platform/database/database.ts';
import { ApiBench, type TestBrowser } from '../testing/api-bench.ts';
import { DATABASE_KINDS, openTestDatabase } from '../testing/both-databases.ts';

const RECORDED_SECONDS = 120;
const FRAME_SECONDS = 1 / 30;

describe.each(DATABASE_KINDS)('clips in the $kind database', ({ kind }) => {
	let database: Database;
	let closeDatabase: () => Promise<void>;
	let bench: ApiBench;
	let owner: TestBrowser;
	let maker: TestBrowser;
	let stranger: TestBrowser;
	let admin: TestBrowser;
	let channel: string;
	let video: string;
	/** When the recording of a test begins, by the server's clock. */
	let startMs: number;

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase(kind));
		bench = await ApiBench.open(database, { clipsPerDay: 8 });
		owner = await bench.signUp('owner');
		maker = await bench.signUp('maker');
		stranger = bench.browser();
		admin = await bench.signUp('the-admin', 'admin');
		channel = (await owner.send('POST', '/api/v1/channels', { name: 'place' })).json<{ id: string }>().id;
		await record();
	});
	afterEach(async () => {
		await database.runScript('DELETE FROM clips; DELETE FROM retired_path_secrets');
		await database.query('UPDATE videos SET visibility = $1', ['public']);
	});
	afterAll(async () => {
		await bench.close();
		await closeDatabase();
	});

	async function record(): Promise<void> {
		startMs = bench.clock.nowMs() - RECORDED_SECONDS * 1000;
		video = await bench.addRecording(channel, RECORDED_SECONDS);
	}
	/** From another address each time, because addresses have a limit. */
	const make = (browser: TestBrowser, body: ClipCreation | object): ReturnType<TestBrowser['send']> => {
		const elsewhere = bench.browser();
		browser.cookies.forEach((value, name) => elsewhere.cookies.set(name, value));
		return elsewhere.send('POST', '/api/v1/clips', body);
	};
	/** A clip that ends with the picture of that second. */
	const clipAt = async (seconds: number, more: Partial<ClipCreation> = {}): Promise<OwnClip> => {
		const made = await make(maker, { video_id: video, captured_at_ms: startMs + seconds * 1000, ...more });
		expect(made.statusCode).toBe(201);
		const { clip_id, url } = made.json<CreatedClip>();
		expect(url).toBe(`/clips/${clip_id}`);
		return read(maker, clip_id);
	};
	const read = async (browser: TestBrowser, id: string): Promise<OwnClip> =>
		(await browser.send('GET', `/api/v1/clips/${id}`)).json<OwnClip>();
	const status = async (browser: TestBrowser, path: string): Promise<number> =>
		(await browser.send('GET', path)).statusCode;
	const playlistOf = async (playlistUrl: string, track = 'video0'): Promise<ListedPlaylist> => {
		const answer = await stranger.send('GET', playlistUrl.replace('index', `${track}/index`));
		expect(answer.statusCode).toBe(200);
		return readMediaPlaylist(answer.body);
	};
	const secondsOf = ({ segments }: ListedPlaylist): number =>
		segments.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0);
	/** All addresses of a clip. */
	const addresses = async ({ id, playlistUrl, source }: OwnClip): Promise<string[]> => {
		const below = async (url: string): Promise<string[]> => {
			const tracks = ['video0', 'audio0'].map(async (track) => {
				const { segments } = await playlistOf(url, track);
				const files = ['index.m3u8', segments[0]!.map!, ...segments.map(({ uri }) => uri!)];
				return files.map((file) => url.replace('index.m3u8', `${track}/${file}`));
			});
			return [url, ...(await Promise.all(tracks)).flat()];
		};
		return [`/api/v1/clips/${id}`, ...(await below(playlistUrl)), ...(await below(source!.playlistUrl))];
	};
	const statuses = async (browser: TestBrowser, paths: readonly string[]): Promise<number[]> => [
		...new Set(await Promise.all(paths.map((path) => status(browser, path)))),
	];

	it('have the minute before the picture, and a minute and a half to be trimmed from', async () => {
		const clip = await clipAt(100);
		// The picture of second 100 is included.
		expect(clip.durationSeconds).toBeCloseTo(60, 3);
		expect(Date.parse(clip.startedAt) - startMs).toBeCloseTo(40_000 + FRAME_SECONDS * 1000, -1);
		expect(clip.videoSeconds).toBeCloseTo(40 + FRAME_SECONDS, 3);
		expect(clip).toMatchObject({
			title: 'A recording',
			category: 'Chess',
			creatorName: 'maker',
			channelName: 'place',
			videoId: video,
			exportState: 'none',
			posterUrl: null,
		});
		const { source } = clip;
		expect(source!.latestSeconds).toBeCloseTo(source!.endSeconds, 6);
		expect(source!.endSeconds - source!.startSeconds).toBeCloseTo(clip.durationSeconds, 6);
		expect(source!.latestSeconds - source!.earliestSeconds).toBeCloseTo(90, 3);
		expect(source!.frameSeconds).toBeCloseTo(FRAME_SECONDS, 4);
		for (const track of ['video0', 'audio0']) {
			const listed = await playlistOf(clip.playlistUrl, track);
			expect([listed.faults, listed.hasEndList]).toEqual([[], true]);
			expect(secondsOf(listed)).toBeGreaterThanOrEqual(clip.endSeconds - 0.03);
			expect(secondsOf(listed)).toBeLessThan(66.1);
		}
		// Nothing later than the picture but the rest of its segment.
		const [whole, rest] = [await playlistOf(source!.playlistUrl), await playlistOf(clip.playlistUrl)];
		expect(whole.segments.at(-1)!.uri).toBe(rest.segments.at(-1)!.uri);
		expect(clip.startSeconds).toBeLessThan(rest.segments[0]!.durationSeconds);
		expect(secondsOf(rest) - clip.endSeconds).toBeLessThan(rest.segments.at(-1)!.durationSeconds);
	});

	it('begin with the recording where that is younger', async () => {
		const clip = await clipAt(20);
		expect(clip.durationSeconds).toBeCloseTo(20 + FRAME_SECONDS, 3);
		expect([clip.startSeconds, clip.videoSeconds, clip.source!.earliestSeconds]).toEqual([0, 0, 0]);
	});

	it.each([
		['neither channel nor video', () => ({}), 400],
		['both', () => ({ channel_id: 'place', video_id: video }), 400],
		['a field that is none', () => ({ video_id: video, seconds: 5 }), 400],
		['a tier that is none', () => ({ video_id: video, tier: 'rtmp' }), 400],
		['a time that is none', () => ({ video_id: video, captured_at_ms: -1 }), 400],
		['a title that turns its surroundings', () => ({ video_id: video, title: '\u202ertl' }), 400],
		['a title without an end', () => ({ video_id: video, title: 'x'.repeat(1001) }), 400],
		['no such channel', () => ({ channel_id: 'nowhere' }), 404],
		['no such video', () => ({ video_id: '01aaaaaaaaaaaaaaaaaaaaaaaa' }), 404],
		['a channel that is offline', () => ({ channel_id: 'place' }), 409],
		['a moment before the recording', () => ({ video_id: video, captured_at_ms: startMs - 5000 }), 409],
		['less than a second of recording', () => ({ video_id: video, captured_at_ms: startMs + 500 }), 409],
	])('are refused: %s', async (_what, body, expected) => {
		const answer = await make(maker, body());
		expect([answer.statusCode, (await make(stranger, body())).statusCode]).toEqual([expected, 401]);
		expect(answer.headers['content-type']).toContain('application/problem+json');
	});

	it('are refused of a channel that is live and not recorded, and of a moment long after the end of a video', async () => {
		bench.fakeRegistry.start('place');
		expect((await make(maker, { channel_id: 'place' })).json()).toMatchObject({ code: 'CLIP_NOT_RECORDED' });
		bench.fakeRegistry.live.clear();
		await bench.clock.advance(20_000);
		expect((await make(maker, { video_id: video })).json()).toMatchObject({ code: 'CLIP_MOMENT_MISSING' });
		expect((await clipAt(RECORDED_SECONDS + 2)).source!.latestSeconds).toBeCloseTo(90, 1);
	});

	it('are limited for each account and day, and for each address and minute', async () => {
		const body = { video_id: video, captured_at_ms: startMs + 50_000 };
		const made = await Promise.all(Array.from({ length: 10 }, () => make(maker, body)));
		expect(made.map(({ statusCode }) => statusCode).toSorted()).toEqual([...Array<number>(8).fill(201), 409, 409]);
		expect((await make(admin, body)).statusCode).toBe(201);
		await database.query(`UPDATE clips SET created_at = created_at - interval '25 hours'`);
		expect((await make(maker, body)).statusCode).toBe(201);
		const asked = await Promise.all(Array.from({ length: 22 }, () => maker.send('POST', '/api/v1/clips', {})));
		expect(asked.filter(({ statusCode }) => statusCode === 429).length).toBe(2);
	});

	it('keep titles as text', async () => {
		const title = '<script>alert(1)</script> "&\'';
		const clip = await clipAt(50, { title });
		expect(clip.title).toBe(title);
		const changed = await maker.send('PATCH', `/api/v1/clips/${clip.id}`, { title: `${title}!` });
		expect(changed.headers['content-type']).toContain('application/json');
		expect(changed.json<OwnClip>()).toMatchObject({ title: `${title}!`, playlistUrl: clip.playlistUrl });
		for (const bad of [{ title: '' }, { title: '\u202ertl' }, {}, { trim: {} }, { trim: { startSeconds: 1 } }]) {
			expect((await maker.send('PATCH', `/api/v1/clips/${clip.id}`, bad)).statusCode).toBe(400);
		}
	});

	it('are trimmed within what they can be trimmed from, and get new addresses each time', async () => {
		const clip = await clipAt(100);
		const trim = (startSeconds: number, endSeconds: number): ReturnType<TestBrowser['send']> =>
			maker.send('PATCH', `/api/v1/clips/${clip.id}`, { trim: { startSeconds, endSeconds } });
		for (const [start, end] of [
			[10, 10.5],
			[20, 10],
			[1000, 2000],
		] as const) {
			expect((await trim(start, end)).json()).toMatchObject({ code: 'CLIP_LENGTH_INVALID' });
		}
		const shown = await playlistOf(clip.playlistUrl);
		const after = (await trim(30.01, 32.99)).json<OwnClip>();
		expect(after.durationSeconds).toBeCloseTo(2.98, 1);
		expect(((after.durationSeconds / FRAME_SECONDS) % 1) - 1).toBeCloseTo(-1, 2);
		expect(after.source!.playlistUrl).toBe(clip.source!.playlistUrl);
		expect((await playlistOf(after.playlistUrl)).segments.length).toBeLessThanOrEqual(3);
		expect(await status(maker, clip.playlistUrl)).toBe(410);
		const base = after.playlistUrl.replace('index.m3u8', 'video0/');
		expect(await status(stranger, base + shown.segments.at(-1)!.uri!)).toBe(404);
		// What it can be trimmed from is not said to others.
		expect(await read(stranger, clip.id)).not.toHaveProperty('source');
		const longest = (await trim(0, 10_000)).json<OwnClip>();
		expect(longest.durationSeconds).toBeCloseTo(90, 1);
		expect(await status(stranger, after.playlistUrl)).toBe(410);
	});

	it.each([
		'../../journals/x',
		'video0/%2e%2e%2finit0.mp4',
		'video0/..%2F..%2F..%2Fsecrets%2Fserver-secret',
		'..%2Fvideo0/init0.mp4',
		'video9/init0.mp4',
		'video0/init1.mp4',
		'video0/segment1.m4s',
		'video0/segment0.m4s',
		'video0/segment99999999999999999999.m4s',
		'video0/gap1.m4s',
		'pictures/sheet1.jpg',
		'poster.jpg',
		'clip.mp4',
		'clip.mp4.bak',
		'index.m3u8/x',
	])('have no other file below their path: %s', async (file) => {
		const { playlistUrl, source } = await clipAt(100);
		for (const url of [playlistUrl, source!.playlistUrl]) {
			expect(await status(owner, url.replace('index.m3u8', file))).toBe(404);
		}
	});

	it.each([
		'/vod/c/AAAAAAAAAAAAAAAAAAAAAA/index.m3u8',
		'/vod/c/AAAAAAAAAAAAAAAAAAAAAA/video0/segment1.m4s',
		'/vod/c/short/index.m3u8',
		'/vod/c/..%2f..%2fsecrets/video0/init0.mp4',
		'/api/v1/clips/01aaaaaaaaaaaaaaaaaaaaaaaa',
		'/api/v1/clips/..%2f..',
	])('are not found by a guess: %s', async (path) => {
		await clipAt(100);
		expect(await status(admin, path)).toBe(404);
	});

	it('answer ranges, however large', async () => {
		const { playlistUrl } = await clipAt(100);
		const [first] = (await playlistOf(playlistUrl)).segments;
		const path = playlistUrl.replace('index.m3u8', `video0/${first!.uri}`);
		const ask = async (range: string): Promise<[number, number]> => {
			const answer = await stranger.send('GET', path, undefined, { range });
			return [answer.statusCode, answer.rawPayload.length];
		};
		const [, length] = await ask('bytes=0-99999999999999');
		expect(await ask('bytes=0-0')).toEqual([206, 1]);
		expect(await ask('bytes=99999999999999-')).toEqual([416, 0]);
		expect(await ask('bytes=5-2')).toEqual([200, length]);
	});

	it('are for the owner of a private video alone, and listed only of public ones', async () => {
		const clip = await clipAt(100);
		const paths = await addresses(clip);
		const listed = async (browser: TestBrowser): Promise<number> =>
			(await browser.send('GET', '/api/v1/channels/place/clips')).json<ClipList>().clips.length;
		expect(await statuses(stranger, paths)).toEqual([200]);
		const change = await owner.send('PATCH', `/api/v1/videos/${video}`, { visibility: 'private' });
		const path = (url: string): string => url.replace('index.m3u8', '');
		expect(change.json<OwnVideo>().purgePaths).toEqual(
			expect.arrayContaining([path(clip.playlistUrl), path(clip.source!.playlistUrl)]),
		);
		expect(await statuses(stranger, paths)).toEqual([404]);
		expect(await statuses(maker, paths)).toEqual([404]);
		expect(await statuses(owner, paths)).toEqual([200]);
		const answer = await owner.send('GET', clip.playlistUrl);
		expect(answer.headers['cache-control']).toBe('private, no-store');
		expect((await make(maker, { video_id: video, captured_at_ms: startMs + 50_000 })).statusCode).toBe(404);
		expect((await make(owner, { video_id: video, captured_at_ms: startMs + 50_000 })).statusCode).toBe(201);
		expect([await listed(stranger), await listed(maker), await listed(owner)]).toEqual([0, 0, 2]);
		await owner.send('PATCH', `/api/v1/videos/${video}`, { visibility: 'unlisted' });
		expect(await statuses(stranger, paths)).toEqual([200]);
		expect([await listed(stranger), await listed(owner)]).toEqual([0, 2]);
		// A clip does not lead to an unlisted video.
		expect([(await read(stranger, clip.id)).videoId, (await read(owner, clip.id)).videoId]).toEqual([null, video]);
	});

	it('are listed in pages, the newest first', async () => {
		const ids: string[] = [];
		for (let index = 0; index < 5; index++) {
			await bench.clock.advance(1000);
			ids.unshift((await clipAt(50)).id);
		}
		const page = async (query: string): Promise<ClipList> =>
			(await stranger.send('GET', `/api/v1/channels/place/clips?${query}`)).json<ClipList>();
		const first = await page('limit=3');
		const second = await page(`limit=3&before=${first.next}`);
		expect([...first.clips, ...second.clips].map(({ id }) => id)).toEqual(ids);
		expect(second.next).toBeNull();
	});

	it('are reported once by each user, to the owner and to administrators', async () => {
		const { id } = await clipAt(50);
		const report = (browser: TestBrowser, reason: unknown): ReturnType<TestBrowser['send']> =>
			browser.send('POST', `/api/v1/clips/${id}/reports`, { reason });
		expect((await report(stranger, 'spam')).statusCode).toBe(401);
		for (const bad of ['', ' ', 'x'.repeat(501), 5, '\u202ertl']) {
			expect((await report(maker, bad)).statusCode).toBe(400);
		}
		expect((await report(maker, '<b>rude</b>')).statusCode).toBe(204);
		await bench.clock.advance(1000);
		expect((await report(maker, 'again')).statusCode).toBe(204);
		expect((await report(admin, 'spam')).statusCode).toBe(204);
		const reasons = [{ reason: 'spam' }, { reason: '<b>rude</b>' }];
		for (const browser of [owner, admin]) {
			expect(await read(browser, id)).toMatchObject({ reports: reasons });
			const list = await browser.send('GET', '/api/v1/channels/place/clips');
			expect(list.json<ClipList>().clips[0]).toMatchObject({ reports: reasons });
		}
		for (const browser of [maker, stranger]) {
			expect(await read(browser, id)).not.toHaveProperty('reports');
		}
	});

	it('answer 410 and 404 once they are deleted, or their video is', async () => {
		const [one, other] = [await clipAt(50), await clipAt(100)];
		const [paths, otherPaths] = [await addresses(one), await addresses(other)];
		const deletion = await maker.send('DELETE', `/api/v1/clips/${one.id}`);
		const path = (url: string): string => url.replace('index.m3u8', '');
		expect(deletion.json<ClipDeletion>().purgePaths).toEqual([path(one.playlistUrl), path(one.source!.playlistUrl)]);
		expect(await statuses(owner, paths)).toEqual([404, 410]);
		expect((await maker.send('DELETE', `/api/v1/clips/${one.id}`)).statusCode).toBe(404);
		expect((await maker.send('PATCH', `/api/v1/clips/${one.id}`, { title: 'x' })).statusCode).toBe(404);
		expect(await statuses(stranger, otherPaths)).toEqual([200]);
		await owner.send('DELETE', `/api/v1/videos/${video}`);
		expect(await statuses(owner, otherPaths)).toEqual([404, 410]);
		await bench.jobs.run('delete-video-media');
		await bench.jobs.run('tidy-clip');
		expect([...bench.objects.objects.keys()]).toEqual([]);
		expect(await database.query('SELECT id FROM clips')).toEqual([]);
		await record();
	});

	it('stay when the time of their video is over, with what they need and nothing else', async () => {
		const [one, other] = [await clipAt(50), await clipAt(115)];
		const [paths, whole] = [await addresses(other), bench.objects.objects.size];
		await database.query('UPDATE videos SET expires_at = $1', [new Date(bench.clock.nowMs() - 1000)]);
		await bench.jobs.run('expire-videos', {});
		await bench.jobs.run('delete-video-media');
		expect(await status(owner, `/api/v1/videos/${video}`)).toBe(404);
		expect(await statuses(stranger, paths)).toEqual([200]);
		expect(await read(stranger, other.id)).toMatchObject({ videoId: null, videoSeconds: null });
		for (const clip of [one, other]) {
			for (const url of [clip.playlistUrl, clip.source!.playlistUrl]) {
				const { segments } = await playlistOf(url);
				const files = segments.map(({ uri }) => url.replace('index.m3u8', `video0/${uri}`));
				expect(await statuses(stranger, files)).toEqual([200]);
			}
		}
		await maker.send('DELETE', `/api/v1/clips/${one.id}`);
		await bench.jobs.run('delete-video-media');
		// Of the last one there are 90 s and the segments around them.
		expect(bench.objects.objects.size).toBeLessThan(whole);
		expect(await statuses(stranger, paths)).toEqual([200]);
		const usage = await bench.videoStore.usage(undefined);
		expect(usage.totalBytes).toBeGreaterThan(0);
		await maker.send('DELETE', `/api/v1/clips/${other.id}`);
		await bench.jobs.run('delete-video-media');
		expect([...bench.objects.objects.keys()]).toEqual([]);
		expect(await database.query('SELECT id FROM videos')).toEqual([]);
		await record();
	});
});
