/**
 * Viewers through a cache: what the server is asked for each object, for 20 and for all; the lag that the cache adds to
 * parts, by a few viewers in a process of their own, beside as many who watch directly; and the count of viewers.
 */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { runLoad } from '../load/load-run.ts';
import { type LoadOptions, parseLoadOptions } from '../load/options.ts';
import type { RunReport } from '../load/run-report.ts';
import { type Cache, startNginx, startVarnish } from './measure/cache-programs.ts';
import { type CountingProxy, startCountingProxy } from './measure/counting-proxy.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';
import { type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { type BenchCommand, namesOf, say, withServer } from './bench-options.ts';

/** What viewers load media from. */
export const CACHE_KINDS = ['varnish', 'nginx', 'none'] as const;
type CacheKind = (typeof CACHE_KINDS)[number];

/** Requests of one kind that reached the server. */
type Asked = { kind: string; objectCount: number; requestCount: number; mostPerObject: number };

type Stage = {
	viewerCount: number;
	asked: Asked[];
	/** Requests of the viewers, without multivariant playlists. */
	requestCount: number;
	/** Of the crowd's requests, which are for the sound. Absent without a cache. */
	hitRatio: number | undefined;
	/** From the end of a part until it and its playlist are read; milliseconds. */
	throughMs: { p50: number; p95: number };
	directMs: { p50: number; p95: number };
	crowdMs: { p50: number; p95: number };
	/** What the server's API said in the steady state, and what is true. */
	counted: { least: number; most: number; expected: number };
	stalls: number;
	failedRequests: number;
	invalidReasons: string[];
};

type CacheRun = { through: CacheKind; stages: Stage[] };

/** Viewers of the first stage. */
const FEW = 20;
/** Viewers of picture and sound whose parts are timed, through the cache and directly. */
const PROBE_COUNT = 5;
/**
 * The others take the sound alone: ten requests a second instead of twenty, so that two cores carry hundreds of them
 * beside all else. A process of them carries some 2000 requests a second.
 */
const CROWD = '--hls-variant lowest --processes 2';
const RAMP_MS_PER_VIEWER = 50;
const SPARE_MS = 60_000;
/** The API's answers have a rate limit. */
const COUNT_INTERVAL_MS = 2000;
/** Viewers are counted by leases, which are seen a little later. */
const COUNT_SETTLE_MS = 3000;
/** 0.3 Mbit/s with the sound. */
const SOURCE = { widthPixels: 320, heightPixels: 180, videoBitrateBps: 236_000, audioBitrateBps: 64_000 };

/** The crowd, those who are timed through the cache, and those who are timed directly. */
const WATCHING_GROUPS = 3;
const SOUND = /\/audio\d+\//;

const KINDS: ReadonlyArray<readonly [kind: string, pattern: RegExp]> = [
	['parts', /\/part\d+\.m4s$/],
	['segments and init segments', /\.(m4s|mp4)$/],
	['playlists, blocking', /_HLS_msn=/],
	['playlists as they are now (1 s)', /\.m3u8/],
];

export const cache: BenchCommand = {
	summary: '--viewers n through a cache (--through): requests at the server per object, lag of parts, viewers counted',
	run: async (options) => {
		const kinds = namesOf(options.through, CACHE_KINDS, 'cache');
		const { durationMs, viewerCount } = options;
		const runs: CacheRun[] = [];
		await withServer(options, (server) =>
			withPublisher(server, { publisher: 'rtmp', settings: { ...options.settings, ...SOURCE } }, async () => {
				for (const through of kinds) {
					runs.push(await runThrough(server, { through, durationMs, viewerCount }));
					say(formatRun(runs.at(-1)!));
				}
			}),
		);
		return { result: { runs }, markdown: runs.map(formatRun).join('\n') };
	},
};

async function runThrough(
	server: ServerUnderTest,
	{ through, durationMs, viewerCount }: { through: CacheKind; durationMs: number; viewerCount: number },
): Promise<CacheRun> {
	const serverPort = Number(new URL(server.addresses.httpUrl).port);
	const proxy = await startCountingProxy(() => serverPort);
	let program: Cache | undefined;
	try {
		const ports = [proxy.port, proxy.port] as const;
		program = through === 'none' ? undefined : await (through === 'varnish' ? startVarnish(ports) : startNginx(ports));
		const stages: Stage[] = [];
		for (const count of [...new Set([FEW, Math.max(FEW, viewerCount)])]) {
			stages.push(await runStage(server, { proxy, cacheUrl: program?.url, viewerCount: count, durationMs }));
		}
		return { through, stages };
	} finally {
		await program?.stop();
		await proxy.close();
	}
}

async function runStage(
	server: ServerUnderTest,
	options: { proxy: CountingProxy; cacheUrl: string | undefined; viewerCount: number; durationMs: number },
): Promise<Stage> {
	const { proxy, cacheUrl, viewerCount, durationMs } = options;
	const { httpUrl } = server.addresses;
	proxy.reset();
	const rampMs = viewerCount * RAMP_MS_PER_VIEWER;
	const steadyAtMs: number[] = [];
	const watch = (count: number, mediaUrl: string, how = '--processes 1'): Promise<RunReport> =>
		load(server, {
			count,
			mediaUrl,
			how,
			rampMs,
			durationMs,
			onSteady: () => steadyAtMs.push(systemClock.monotonicMs()),
		});
	const isOver = (): boolean => systemClock.monotonicMs() > Math.min(...steadyAtMs) + durationMs - COUNT_INTERVAL_MS;
	const [seen, crowd, probes, direct] = await Promise.all([
		countViewers(server, () => steadyAtMs.length === WATCHING_GROUPS, isOver),
		watch(viewerCount - PROBE_COUNT, cacheUrl ?? httpUrl, CROWD),
		watch(PROBE_COUNT, cacheUrl ?? httpUrl),
		watch(PROBE_COUNT, httpUrl),
	]);
	const asked = KINDS.map(([kind]) => askedOf(kind, proxy.counts));
	const throughReports = [crowd, probes];
	const sum = (name: string): number => throughReports.reduce((total, { numbers }) => total + (numbers[name] ?? 0), 0);
	const soundCount = [...proxy.counts].reduce((total, [path, count]) => total + (SOUND.test(path) ? count : 0), 0);
	return {
		viewerCount,
		asked,
		requestCount: sum('hls.requests'),
		hitRatio: cacheUrl === undefined ? undefined : 1 - soundCount / (crowd.numbers['hls.requests'] ?? 0),
		throughMs: lagOf(probes),
		directMs: lagOf(direct),
		crowdMs: lagOf(crowd),
		counted: { least: Math.min(...seen), most: Math.max(...seen), expected: viewerCount + PROBE_COUNT },
		stalls: sum('hls.stalls'),
		failedRequests: sum('hls.requestErrors'),
		invalidReasons: [crowd, probes, direct].flatMap(({ invalidReasons }) => invalidReasons),
	};
}

function load(
	server: ServerUnderTest,
	plan: {
		count: number;
		mediaUrl: string;
		how: string;
		rampMs: number;
		durationMs: number;
		/** All viewers have arrived. */
		onSteady: () => void;
	},
): Promise<RunReport> {
	const { count, mediaUrl, how, rampMs, durationMs } = plan;
	let isSteady = false;
	const { httpUrl, channel } = server.addresses;
	const line =
		`--server ${httpUrl} --hls-url ${mediaUrl}/hls/${channel}/index.m3u8 --audience ${count} --audience-hls ` +
		`${how} --ramp ${rampMs}ms --duration ${durationMs}ms`;
	const deadline = AbortSignal.timeout(rampMs + durationMs + SPARE_MS);
	return runLoad(systemClock, parseLoadOptions(line.split(' ')) as LoadOptions, deadline, {
		tick: () => undefined,
		note: (text) => say(`  ${text}`),
		isEnough: () => {
			if (!isSteady) {
				isSteady = true;
				plan.onSteady();
			}
			return false;
		},
	});
}

/** What the API says while all groups are complete. */
async function countViewers(
	server: ServerUnderTest,
	isComplete: () => boolean,
	isOver: () => boolean,
): Promise<number[]> {
	const { httpUrl, channel } = server.addresses;
	const counts: number[] = [];
	while (!isComplete()) {
		await sleep(systemClock, COUNT_INTERVAL_MS);
	}
	await sleep(systemClock, COUNT_SETTLE_MS);
	while (!isOver()) {
		const answer = await fetch(new URL(`/api/v1/channels/${channel}`, httpUrl));
		counts.push(((await answer.json()) as { viewerCount: number }).viewerCount);
		await sleep(systemClock, COUNT_INTERVAL_MS);
	}
	return counts;
}

function askedOf(kind: string, counts: ReadonlyMap<string, number>): Asked {
	const kindOf = (address: string): string | undefined => KINDS.find(([, pattern]) => pattern.test(address))?.[0];
	const found = [...counts].filter(([address]) => address.startsWith('/hls/') && kindOf(address) === kind);
	const requests = found.map(([, count]) => count);
	return {
		kind,
		objectCount: found.length,
		requestCount: requests.reduce((sum, count) => sum + count, 0),
		mostPerObject: Math.max(0, ...requests),
	};
}

function lagOf({ spreads }: RunReport): { p50: number; p95: number } {
	const { p50 = NaN, p95 = NaN } = spreads['hls.partLate'] ?? {};
	return { p50, p95 };
}

function formatRun({ through, stages }: CacheRun): string {
	const rows = stages.map((stage) => {
		const { throughMs, directMs, crowdMs, counted } = stage;
		return [
			through,
			stage.viewerCount,
			stage.requestCount,
			stage.hitRatio === undefined ? '–' : `${(stage.hitRatio * 100).toFixed(2)} %`,
			`${figure(directMs.p50)} / ${figure(directMs.p95)}`,
			`${figure(throughMs.p50)} / ${figure(throughMs.p95)}`,
			`${figure(throughMs.p50 - directMs.p50)} / ${figure(throughMs.p95 - directMs.p95)}`,
			`${figure(crowdMs.p50)} / ${figure(crowdMs.p95)}`,
			`${counted.least}–${counted.most} of ${counted.expected}`,
			`${stage.stalls} / ${stage.failedRequests}`,
			stage.invalidReasons.join('; ') || 'no',
		];
	});
	const head = [
		...[
			'through',
			'viewers',
			'requests',
			'hit ratio of the crowd',
			'parts late p50 / p95 ms: direct',
			'through',
			'added',
		],
		...['of the crowd', 'counted', 'stalls / failed', 'void'],
	];
	const objects = (stages[0]?.asked ?? [])
		.filter(() => through !== 'none')
		.map(({ kind }, index) => [
			kind,
			...stages.map(({ asked }) => {
				const { objectCount, requestCount, mostPerObject } = asked[index]!;
				return `${objectCount} · ${(requestCount / Math.max(1, objectCount)).toFixed(3)} · ${mostPerObject}`;
			}),
		]);
	const objectHead = [
		'objects · requests for each at the server · most',
		...stages.map((s) => `${s.viewerCount} viewers`),
	];
	return `${markdownTable(head, rows)}\n${objects.length > 0 ? markdownTable(objectHead, objects) : ''}`;
}
