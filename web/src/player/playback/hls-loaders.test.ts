/** hls.js's requests, answered by a ladder source. */
import type { FragmentLoaderContext, LoaderCallbacks, LoaderConfiguration, LoaderContext } from 'hls.js';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { HttpStatusError, type Progress } from '../ladder/http-request.ts';
import { parseLadder } from '../ladder/ladder.ts';
import type { LadderSource } from '../ladder/ladder-source.ts';
import type { LoadOptions } from '../ladder/track-fetcher.ts';
import { ladderLoaders } from './hls-loaders.ts';

const HLS_URL = 'https://a.test/hls/ada/index.m3u8';
const LADDER = parseLadder('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=2x2\nv/index.m3u8\n', HLS_URL)!;
const CONFIG = { loadPolicy: { maxTimeToFirstByteMs: 1000, maxLoadTimeMs: 5000 } } as LoaderConfiguration;
const PROGRESS: Progress = { requestedAtMs: 0, firstByteAtMs: 40, loadedBytes: 300, totalBytes: 600 };

function setUp() {
	const clock = new FakeClock();
	const calls: string[] = [];
	let answer = (): Promise<unknown> => Promise.resolve(new Uint8Array(7));
	let options: LoadOptions | undefined;
	const load =
		(name: string) =>
		(...args: unknown[]) => {
			options = args.at(-1) as LoadOptions;
			calls.push(
				`${name} ${args
					.slice(0, -1)
					.map((arg) => (typeof arg === 'string' ? arg : JSON.stringify(arg)))
					.join(' ')}`,
			);
			return answer();
		};
	const source = {
		ladder: LADDER,
		loadInit: (url: string) => load('init')(url, {}),
		loadSound: load('sound'),
		loadPicture: load('picture'),
		loadPlaylist: (kind: string, query: URLSearchParams, given: LoadOptions) =>
			load(`playlist ${kind}`)(`${query}`, given),
	} as unknown as LadderSource;
	const { fLoader: FragmentLoader, pLoader: PlaylistLoader } = ladderLoaders({ clock, source, hlsUrl: HLS_URL });
	const log: string[] = [];
	const callbacks: LoaderCallbacks<LoaderContext> = {
		onSuccess: ({ url, data }, stats) =>
			log.push(`success ${url} ${typeof data === 'string' ? data : (data as ArrayBuffer).byteLength} ${stats.loaded}`),
		onError: ({ code }) => log.push(`error ${code}`),
		onTimeout: () => log.push('timeout'),
		onAbort: () => log.push('abort'),
	};
	async function request(context: object, isPlaylist = false) {
		const loader = isPlaylist ? new PlaylistLoader!({} as never) : new FragmentLoader!({} as never);
		loader.load(context as FragmentLoaderContext & never, CONFIG, callbacks as never);
		await clock.advance(0);
		return loader;
	}
	const hang = (): void => void (answer = () => new Promise(() => undefined));
	const fail = (error: Error): void => void (answer = () => Promise.reject(error));
	const reply = (value: unknown): void => void (answer = () => Promise.resolve(value));
	return { clock, calls, log, request, hang, fail, reply, options: () => options! };
}

const PART = { frag: { sn: 9, type: 'main', duration: 2 }, part: { index: 3, duration: 0.2 }, url: 'https://a.test/p' };

describe('the loaders for hls.js', () => {
	it('load the picture by its place, the sound and init segments by their addresses', async () => {
		const { calls, log, request } = setUp();
		await request(PART);
		await request({ ...PART, part: null });
		await request({ ...PART, frag: { sn: 9, type: 'audio' } });
		await request({ ...PART, frag: { sn: 'initSegment', type: 'main' } });
		expect(calls).toEqual([
			'picture {"mediaSequence":9,"partIndex":3,"durationSeconds":0.2}',
			'picture {"mediaSequence":9,"durationSeconds":2}',
			'sound https://a.test/p 9',
			'init https://a.test/p',
		]);
		expect(log).toEqual(Array(4).fill('success https://a.test/p 7 0'));
	});

	it('answer the multivariant playlist with one variant, and pass on the others', async () => {
		const { calls, log, request, reply } = setUp();
		await request({ type: 'manifest', url: HLS_URL }, true);
		expect(log[0]).toContain(`success ${HLS_URL} #EXTM3U`);
		reply({
			url: 'https://a.test/v2/index.m3u8',
			bytes: new TextEncoder().encode('#EXTM3U'),
			headers: new Headers({ age: '2' }),
		});
		const loader = await request({ type: 'level', url: 'v/index.m3u8?_HLS_msn=4&_HLS_part=1' }, true);
		await request({ type: 'audioTrack', url: 'a/index.m3u8' }, true);
		expect(calls).toEqual(['playlist picture _HLS_msn=4&_HLS_part=1', 'playlist sound ']);
		expect(log[1]).toBe('success https://a.test/v2/index.m3u8 #EXTM3U 0');
		expect(loader.getCacheAge?.()).toBe(2);
	});

	it('report progress in the statistics', async () => {
		const { request, hang, options } = setUp();
		hang();
		const loader = await request(PART);
		options().onProgress!(PROGRESS);
		expect(loader.stats).toMatchObject({ loaded: 300, total: 600, loading: { start: 0, first: 40, end: 0 } });
	});

	it.each([
		[new HttpStatusError(404, 'x'), 'error 404'],
		[new TypeError('network'), 'error 0'],
	])('report a failure with its status', async (error, line) => {
		const { log, request, fail } = setUp();
		fail(error);
		await request(PART);
		expect(log).toEqual([line]);
	});

	it('time out without a first byte, and later with one', async () => {
		const { clock, log, request, hang, options } = setUp();
		hang();
		await request(PART);
		await clock.advance(1100);
		expect(log).toEqual(['timeout']);
		expect(options().signal.aborted).toBe(true);
		await request(PART);
		options().onProgress!(PROGRESS);
		await clock.advance(4000);
		expect(log).toEqual(['timeout']);
		await clock.advance(2000);
		expect(log).toEqual(['timeout', 'timeout']);
	});

	it('end the request when hls.js aborts it, and report nothing afterwards', async () => {
		const { clock, log, request, hang, options } = setUp();
		hang();
		const loader = await request(PART);
		loader.abort();
		expect(options().signal.aborted).toBe(true);
		expect(loader.stats.aborted).toBe(true);
		loader.destroy();
		await clock.advance(10_000);
		expect(log).toEqual(['abort']);
		expect(clock.pendingCount).toBe(0);
	});
});
