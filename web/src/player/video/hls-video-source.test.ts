/** What hls.js is asked for, and what is reported of it: over a fake hls.js that logs and emits. */
import type * as HlsModule from 'hls.js';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { HlsVideoSource } from './hls-video-source.ts';
import type { VideoProblem } from './video-source.ts';

const EVENTS = {
	MANIFEST_PARSED: 'manifest',
	LEVEL_UPDATED: 'level',
	LEVEL_SWITCHED: 'switched',
	ERROR: 'error',
} as const;
const LEVELS = [
	{ width: 640, height: 360, frameRate: 30, bitrate: 800_000 },
	{ width: 1920, height: 1080, frameRate: 60, bitrate: 6_000_000 },
];

type Handler = (event: string, data: object) => void;

class FakeHls {
	static latest: FakeHls;
	static isSupported = (): boolean => true;
	readonly log: string[] = [];
	readonly config: object;
	currentLevel = -1;
	readonly #handlers = new Map<string, Handler>();

	constructor(config: object) {
		this.config = config;
		FakeHls.latest = this;
	}

	on(event: string, handler: Handler): void {
		this.#handlers.set(event, handler);
	}

	fire(event: string, data: object): void {
		this.#handlers.get(event)?.(event, data);
	}

	set nextLevel(level: number) {
		this.log.push(`next level ${level}`);
	}

	set startLevel(level: number) {
		this.log.push(`start level ${level}`);
	}

	loadSource(url: string): void {
		this.log.push(`load ${new URL(url).pathname}`);
	}

	attachMedia(): void {
		this.log.push('attach');
	}

	stopLoad(): void {
		this.log.push('stop');
	}

	recoverMediaError(): void {
		this.log.push('recover');
	}

	destroy(): void {
		this.log.push('destroy');
	}
}

async function setUp(preference?: { heightPixels: number }) {
	const clock = new FakeClock();
	const problems: VideoProblem[] = [];
	let changeCount = 0;
	const library = { default: FakeHls, Events: EVENTS } as unknown as typeof HlsModule;
	const source = new HlsVideoSource(
		{ clock, video: {} as HTMLVideoElement, loadLibrary: async () => library, knownBps: undefined },
		{
			playlistUrl: 'http://localhost/vod/x/index.m3u8',
			startSeconds: 0,
			preference: preference && { kind: 'picture', frameRate: 60, isSource: false, ...preference },
		},
		{ onProblem: (problem) => problems.push(problem), onChanged: () => changeCount++ },
	);
	await clock.advance(0);
	const hls = FakeHls.latest;
	const fail = (data: object): void => hls.fire('error', data);
	return { clock, hls, source, problems, fail, changes: () => changeCount };
}

describe('HlsVideoSource', () => {
	it('loads the playlist, and lists its qualities from the best down', async () => {
		const { hls, source, changes } = await setUp();
		expect(hls.log).toEqual(['load /vod/x/index.m3u8', 'attach']);
		// Also where hls.js takes the video for a live stream.
		expect(hls.config).toMatchObject({ startPosition: 0, lowLatencyMode: false });
		hls.fire('manifest', { levels: LEVELS });
		expect(source.qualities.map(({ id, heightPixels, isSource }) => [id, heightPixels, isSource])).toEqual([
			['1', 1080, true],
			['0', 360, false],
		]);
		expect(source.shownQuality).toBeUndefined();
		hls.currentLevel = 0;
		expect(source.shownQuality?.heightPixels).toBe(360);
		expect(changes()).toBe(1);
	});

	it('begins with the quality that the viewer has chosen, and changes it at the next segment', async () => {
		const { hls, source } = await setUp({ heightPixels: 480 });
		hls.fire('manifest', { levels: LEVELS });
		source.prefer(undefined);
		expect(hls.log.slice(2)).toEqual(['start level 0', 'next level 0', 'next level -1']);
	});

	it('knows the gaps', async () => {
		const { hls, source } = await setUp();
		const fragments = [
			{ start: 0, duration: 2 },
			{ start: 2, duration: 3, gap: true },
			{ start: 5, duration: 2 },
		];
		hls.fire('level', { details: { fragments } });
		expect(source.gaps).toEqual([{ startSeconds: 2, endSeconds: 5 }]);
	});

	it.each([
		['a segment that is gone, at once', { fatal: false, response: { code: 410 } }, 'gone'],
		['a playlist that is not found', { fatal: true, response: { code: 404 } }, 'gone'],
		['a server that does not answer', { fatal: true, type: 'networkError', response: { code: 0 } }, 'unreachable'],
		['a server that fails', { fatal: true, type: 'networkError', response: { code: 503 } }, 'unreachable'],
		['unknown codecs', { fatal: true, type: 'mediaError', details: 'manifestIncompatibleCodecsError' }, 'undecodable'],
	])('reports %s, once', async (_what, data, kind) => {
		const { problems, fail, hls } = await setUp();
		fail(data);
		fail(data);
		expect(problems.map((problem) => problem.kind)).toEqual([kind]);
		expect(hls.log.at(-1)).toBe('stop');
	});

	it('leaves to hls.js what it can repair', async () => {
		const { problems, fail } = await setUp();
		fail({ fatal: false, response: { code: 404 } });
		fail({ fatal: false, type: 'mediaError', details: 'bufferStalledError' });
		expect(problems).toEqual([]);
	});

	it('resets a decoder, but not without end', async () => {
		const { clock, problems, fail, hls } = await setUp();
		const broken = { fatal: true, type: 'mediaError', details: 'bufferAppendError' };
		fail(broken);
		await clock.advance(6000);
		fail(broken);
		expect(hls.log.filter((line) => line === 'recover')).toHaveLength(2);
		await clock.advance(1000);
		fail(broken);
		expect(problems.map(({ kind }) => kind)).toEqual(['undecodable']);
	});

	it('reports nothing after it was closed', async () => {
		const { problems, fail, hls, source } = await setUp();
		source.close();
		fail({ fatal: true, response: { code: 410 } });
		expect(problems).toEqual([]);
		expect(hls.log.at(-1)).toBe('destroy');
	});
});
