/**
 * The measuring bench: `npm run bench -- <command> [options]`; without a command it lists them. Starts the server itself, or measures one
 * that runs already (`--server`, `--rtmp`, `--key`). Writes JSON and prints a table; ends everything it has started.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '../core/lifecycle/clock.ts';
import { formatSelfTest, runSelfTest } from './bench/load-tester.ts';
import { formatChurn, runChurn } from './bench/churn.ts';
import {
	measureDirectReference,
	measureHarness,
	REFERENCE_DEFAULTS,
	type ReferenceOptions,
} from './bench/measure/direct-reference.ts';
import { measureEncoderDelay } from './bench/measure/encoder-delay.ts';
import { formatEmergencies, runEmergencies } from './bench/emergencies.ts';
import type { Spread } from './bench/measure/frame-log.ts';
import { formatHandOvers, runHandOvers } from './bench/hand-overs.ts';
import { runJoins } from './bench/joins.ts';
import { formatPoorLine, POOR_LINE_KINDS, type PoorLineKind, runPoorLine } from './bench/poor-line.ts';
import { type PathRun, runPath, type ViewerChoice } from './bench/paths.ts';
import { formatReconnects, runReconnect } from './bench/reconnect.ts';
import { watchSelf } from './bench/measure/self-watch.ts';
import { measureSoundTap } from './bench/measure/sound-tap.ts';
import { ATTACKS } from './bench/strangers/attack-list.ts';
import { formatStrangers, formatStretch } from './bench/strangers/strangers-report.ts';
import { runStrangers } from './bench/strangers.ts';
import { formatPlayersRun, runPlayers } from './bench/players.ts';
import {
	createPublisher,
	encoderSettings,
	isPublisherKind,
	PUBLISHER_KINDS,
	type PublisherKind,
} from './clients/create-publisher.ts';
import { aacDelayMs, BENCH_SETTINGS, type EncoderSettings } from './source/encoder-settings.ts';
import { formatRows, pathRows, type ReferenceRun } from './bench/paths-report.ts';
import { ServerUnderTest, waitUntilLive } from './bench/measure/server-under-test.ts';
import type { DeliveryTier } from './clients/chromium/chromium-viewer.ts';

const USAGE = `npm run bench -- <command> [options]

  paths        latency, smoothness and lip sync of each path, WebRTC alternated with the direct connection
  joins        time to the first picture for viewers who join at random moments
  reconnect    a publisher that is killed and comes back, over the same and over another protocol
  players      FFmpeg, ffprobe, hls.js and shaka-player on the LL-HLS address, m3u8-parser on every playlist
  hand-overs   a viewer's moves between the tiers, read picture by picture
  emergencies  the WebRTC tier lost, cut off or blocked: how long without a picture (needs root; starts its own server)
  poor-line    a viewer on a line that is too poor for the picture (needs root; starts its own server)
  churn        --viewers n who come and go: what the server keeps of them
  strangers    attacks on a server that somebody streams and --viewers n of each tier watch on
  load-tester  the load tester's own report, with proxies that add 500 ms, and starved
  direct       only the direct Chromium-to-Chromium connection, the bench's own delay and the encoder's

  --publishers a,b   of: ${Object.keys(PUBLISHER_KINDS).join(', ')}
  --tiers a,b        of: webrtc, ll-hls
  --runs n  --seconds n  --settle n  --reference-seconds n (of the direct connection; default: the same)
  --joins n  --away n  --rounds n (of each emergency)
  --line bits/s  --kinds a,b (of the poor line: ${Object.keys(POOR_LINE_KINDS).join(', ')})
  --attacks a,b   of: ${Object.keys(ATTACKS).join(', ')}
  --hand-overs n (each way, of each of --viewers n)  --film-strips path (begin of the files' names)
  --size 1280x720  --bitrate 2500000  --gop 2  --sample-rate 48000
  --page bench|product      a plain player of our own, or the product's page
  --video-selector css      product page: its video elements
  --click-webrtc css  --click-ll-hls css  --query-webrtc ?…  --query-ll-hls ?…   product page: how a tier is chosen
  --server http://…  --rtmp rtmp://…/live  --key …  --channel demo   measure a running server
  --out file.json  --markdown file.md
`;

const OPTIONS = {
	publishers: { type: 'string', default: 'whip-chromium,rtmp' },
	tiers: { type: 'string', default: 'webrtc,ll-hls' },
	runs: { type: 'string', default: '5' },
	seconds: { type: 'string', default: '30' },
	'reference-seconds': { type: 'string' },
	settle: { type: 'string', default: '8' },
	joins: { type: 'string', default: '50' },
	'hand-overs': { type: 'string', default: '50' },
	viewers: { type: 'string', default: '1' },
	attacks: { type: 'string' },
	'film-strips': { type: 'string' },
	rounds: { type: 'string', default: '10' },
	line: { type: 'string', default: '1500000' },
	kinds: { type: 'string', default: Object.keys(POOR_LINE_KINDS).join(',') },
	away: { type: 'string', default: '10' },
	size: { type: 'string', default: '1280x720' },
	bitrate: { type: 'string', default: '2500000' },
	gop: { type: 'string', default: '2' },
	'sample-rate': { type: 'string', default: '48000' },
	page: { type: 'string', default: 'bench' },
	'video-selector': { type: 'string' },
	'click-webrtc': { type: 'string' },
	'click-ll-hls': { type: 'string' },
	'query-webrtc': { type: 'string' },
	'query-ll-hls': { type: 'string' },
	server: { type: 'string' },
	rtmp: { type: 'string' },
	key: { type: 'string' },
	channel: { type: 'string', default: 'demo' },
	out: { type: 'string' },
	markdown: { type: 'string' },
} as const;

type Values = ReturnType<typeof readArguments>['values'];

function readArguments() {
	return parseArgs({ options: OPTIONS, allowPositionals: true });
}

function readSettings(values: Values): EncoderSettings {
	const [widthPixels, heightPixels] = values.size.split('x').map(Number);
	const sampleRate = positive(values['sample-rate'], '--sample-rate');
	return {
		...BENCH_SETTINGS,
		widthPixels: positive(String(widthPixels), '--size'),
		heightPixels: positive(String(heightPixels), '--size'),
		videoBitrateBps: positive(values.bitrate, '--bitrate'),
		gopSeconds: positive(values.gop, '--gop'),
		sampleRate,
		soundLeadMs: aacDelayMs(sampleRate),
	};
}

function readViewer(values: Values): ViewerChoice {
	if (values.page !== 'bench' && values.page !== 'product') {
		throw new TypeError(`--page must be bench or product, but is "${values.page}".`);
	}
	const clicks = { webrtc: values['click-webrtc'], 'll-hls': values['click-ll-hls'] };
	const queries = { webrtc: values['query-webrtc'], 'll-hls': values['query-ll-hls'] };
	return {
		page: values.page,
		...(values['video-selector'] === undefined ? {} : { videoSelector: values['video-selector'] }),
		clickSelectors: {
			...(clicks.webrtc === undefined ? {} : { webrtc: [clicks.webrtc] }),
			...(clicks['ll-hls'] === undefined ? {} : { 'll-hls': [clicks['ll-hls']] }),
		},
		queries: {
			...(queries.webrtc === undefined ? {} : { webrtc: queries.webrtc }),
			...(queries['ll-hls'] === undefined ? {} : { 'll-hls': queries['ll-hls'] }),
		},
	};
}

function readPublishers(text: string): PublisherKind[] {
	return text.split(',').map((name) => {
		if (!isPublisherKind(name)) {
			throw new TypeError(`There is no publisher "${name}". There are: ${Object.keys(PUBLISHER_KINDS).join(', ')}.`);
		}
		return name;
	});
}

function readTiers(text: string): DeliveryTier[] {
	return text.split(',').map((name) => {
		if (name !== 'webrtc' && name !== 'll-hls') {
			throw new TypeError(`There is no tier "${name}". There are: webrtc, ll-hls.`);
		}
		return name;
	});
}

function readPoorLineKinds(text: string): PoorLineKind[] {
	return text.split(',').map((name) => {
		if (!Object.hasOwn(POOR_LINE_KINDS, name)) {
			throw new TypeError(`There is no kind "${name}". There are: ${Object.keys(POOR_LINE_KINDS).join(', ')}.`);
		}
		return name as PoorLineKind;
	});
}

function readAttacks(text: string | undefined): string[] {
	const attacks = text?.split(',') ?? Object.keys(ATTACKS);
	const unknown = attacks.find((name) => !Object.hasOwn(ATTACKS, name));
	if (unknown !== undefined) {
		throw new TypeError(`There is no attack "${unknown}". There are: ${Object.keys(ATTACKS).join(', ')}.`);
	}
	return attacks;
}

function positive(text: string, name: string): number {
	const value = Number(text);
	if (!(value > 0)) {
		throw new TypeError(`${name} must be a number above 0, but is "${text}".`);
	}
	return value;
}

function referenceOptions(values: Values, settings: EncoderSettings): ReferenceOptions {
	return {
		...REFERENCE_DEFAULTS,
		widthPixels: settings.widthPixels,
		heightPixels: settings.heightPixels,
		videoBitrateBps: settings.videoBitrateBps,
		settleMs: positive(values.settle, '--settle') * 1000,
		durationMs: positive(values['reference-seconds'] ?? values.seconds, '--reference-seconds') * 1000,
	};
}

async function startServer(values: Values): Promise<ServerUnderTest> {
	if (values.server === undefined) {
		return ServerUnderTest.start();
	}
	if (values.rtmp === undefined || values.key === undefined) {
		throw new TypeError('--server needs --rtmp and --key as well.');
	}
	return ServerUnderTest.running({
		httpUrl: values.server,
		rtmpUrl: values.rtmp,
		streamKey: values.key,
		channel: values.channel,
	});
}

async function runReference(options: ReferenceOptions): Promise<ReferenceRun> {
	const endWatch = watchSelf();
	const { summary } = await measureDirectReference(options);
	return { summary, selfWatch: endWatch() };
}

async function benchPaths(values: Values): Promise<{ result: unknown; markdown: string }> {
	const settings = readSettings(values);
	const [publishers, tiers, viewer] = [readPublishers(values.publishers), readTiers(values.tiers), readViewer(values)];
	const reference = referenceOptions(values, settings);
	const references: ReferenceRun[] = [];
	const runs: PathRun[] = [];
	const failures: string[] = [];
	const soundTapOffsetMs = await measureSoundTap();
	const server = await startServer(values);
	try {
		for (let run = 1; run <= positive(values.runs, '--runs'); run++) {
			for (const tier of tiers) {
				for (const publisher of publishers) {
					if (tier === 'webrtc') {
						references.push(await runReference(reference));
						say(`run ${run}: direct ${oneLine(references.at(-1)!)}`);
					}
					try {
						const settleMs = reference.settleMs;
						const durationMs = positive(values.seconds, '--seconds') * 1000;
						const timing = { settleMs, durationMs, soundTapOffsetMs };
						runs.push(await runPath(server, { publisher, tier, settings, viewer, ...timing }));
						say(`run ${run}: ${publisher} → ${tier} ${oneLine(runs.at(-1)!)}`);
					} catch (error) {
						failures.push(`run ${run}: ${publisher} → ${tier}: ${(error as Error).message}`);
						say(failures.at(-1)!);
					}
				}
			}
		}
	} finally {
		await server.stop();
	}
	const encoderDelays: Array<{ publisher: PublisherKind; delayMs: Spread }> = [];
	for (const publisher of publishers.filter((kind) => kind.startsWith('rtmp'))) {
		const delayMs = await measureEncoderDelay(encoderSettings(publisher, settings), 10_000);
		encoderDelays.push({ publisher, delayMs });
	}
	const rows = pathRows(references, runs);
	const delays = encoderDelays.map(
		({ publisher, delayMs }) =>
			`Encoder and muxer of ${publisher} itself: p50 ${delayMs.p50.toFixed(0)} ms, p95 ${delayMs.p95.toFixed(0)} ms (contained above).`,
	);
	return {
		result: { settings, encoderDelays, soundTapOffsetMs, rows, references, runs, failures },
		markdown: `${[formatRows(rows), ...delays, ...failures].join('\n')}\n`,
	};
}

async function benchJoins(values: Values): Promise<{ result: unknown; markdown: string }> {
	const [settings, viewer] = [readSettings(values), readViewer(values)];
	const runs = [];
	const server = await startServer(values);
	try {
		for (const publisher of readPublishers(values.publishers)) {
			for (const tier of readTiers(values.tiers)) {
				const joinCount = positive(values.joins, '--joins');
				runs.push(await runJoins(server, { publisher, tier, settings, viewer, joinCount }));
				const { firstFrameMs, failures } = runs.at(-1)!;
				say(`${publisher} → ${tier}: ${JSON.stringify(firstFrameMs)}, ${failures.length} failed`);
			}
		}
	} finally {
		await server.stop();
	}
	const lines = runs.map(({ publisher, tier, firstFrameMs, failures, selfWatch }) => {
		const times =
			firstFrameMs === undefined ? '– | –' : `${firstFrameMs.p50.toFixed(0)} | ${firstFrameMs.p95.toFixed(0)}`;
		return `| ${publisher} → ${tier} | ${times} | ${firstFrameMs?.count ?? 0} | ${failures.length} | ${selfWatch.voidReasons.join('; ') || 'no'} |`;
	});
	const head =
		'| path | first frame p50 ms | p95 ms | joins | failed | void |\n| --- | --- | --- | --- | --- | --- |\n';
	return { result: { settings, runs }, markdown: `${head}${lines.join('\n')}\n` };
}

async function benchReconnect(values: Values): Promise<{ result: unknown; markdown: string }> {
	const [settings, viewer] = [readSettings(values), readViewer(values)];
	const kinds = readPublishers(values.publishers);
	const awayMs = positive(values.away, '--away') * 1000;
	const runs = [];
	const server = await startServer(values);
	try {
		for (const first of kinds) {
			for (const second of kinds) {
				runs.push(await runReconnect(server, { first, second, settings, viewer, awayMs }));
				say(
					`${first}, then ${second}: ${JSON.stringify(runs.at(-1)!.views.map(({ tier, liveAgainMs }) => ({ tier, liveAgainMs })))}`,
				);
			}
		}
	} finally {
		await server.stop();
	}
	return { result: { settings, runs }, markdown: formatReconnects(runs) };
}

async function benchPlayers(values: Values): Promise<{ result: unknown; markdown: string }> {
	const settings = readSettings(values);
	const durationMs = positive(values.seconds, '--seconds') * 1000;
	const runs = [];
	const server = await startServer(values);
	try {
		for (const publisher of readPublishers(values.publishers)) {
			runs.push(await runPlayers(server, { publisher, settings, durationMs }));
			say(formatPlayersRun(runs.at(-1)!));
		}
	} finally {
		await server.stop();
	}
	return { result: { settings, runs }, markdown: runs.map(formatPlayersRun).join('\n') };
}

async function benchHandOvers(values: Values): Promise<{ result: unknown; markdown: string }> {
	const settings = readSettings(values);
	const settleMs = positive(values.settle, '--settle') * 1000;
	const runs = [];
	const server = await startServer(values);
	try {
		for (const publisher of readPublishers(values.publishers)) {
			const count = positive(values['hand-overs'], '--hand-overs');
			const withFilmStrips = values['film-strips'] !== undefined;
			const viewerCount = positive(values.viewers, '--viewers');
			const options = { publisher, settings, count, viewerCount, settleMs, withFilmStrips };
			const { filmStrips, ...run } = await runHandOvers(server, options);
			for (const [tier, jpeg] of Object.entries(filmStrips)) {
				await writeFile(`${values['film-strips']}-to-${tier}.jpg`, jpeg);
			}
			runs.push(run);
			say(formatHandOvers(run));
		}
	} finally {
		await server.stop();
	}
	return { result: { settings, runs }, markdown: runs.map(formatHandOvers).join('\n') };
}

async function benchEmergencies(values: Values): Promise<{ result: unknown; markdown: string }> {
	const settings = readSettings(values);
	const settleMs = positive(values.settle, '--settle') * 1000;
	const count = positive(values.rounds, '--rounds');
	const runs = [];
	for (const publisher of readPublishers(values.publishers)) {
		runs.push(await runEmergencies({ publisher, settings, count, settleMs }));
		say(formatEmergencies(runs.at(-1)!));
	}
	return { result: { settings, runs }, markdown: runs.map(formatEmergencies).join('\n') };
}

async function benchPoorLine(values: Values): Promise<{ result: unknown; markdown: string }> {
	const settings = readSettings(values);
	const lineBps = positive(values.line, '--line');
	const kinds = readPoorLineKinds(values.kinds);
	const durationMs = positive(values.seconds, '--seconds') * 1000;
	const settleMs = positive(values.settle, '--settle') * 1000;
	const runs = [];
	for (const publisher of readPublishers(values.publishers)) {
		runs.push(await runPoorLine({ kinds, publisher, settings, lineBps, settleMs, durationMs }));
		say(formatPoorLine(runs.at(-1)!));
	}
	return { result: { settings, runs }, markdown: runs.map(formatPoorLine).join('\n') };
}

async function benchChurn(values: Values): Promise<{ result: unknown; markdown: string }> {
	const viewerCount = positive(values.viewers, '--viewers');
	const options = { atOnce: 50, whepEvery: 50, settleMs: positive(values.settle, '--settle') * 1000 };
	const server = await startServer(values);
	const publisher = createPublisher('rtmp', readSettings(values), server.addresses);
	try {
		await publisher.start();
		await waitUntilLive(server.addresses);
		// The first thousand warm it up: what grows with them is the program's, not the viewers'.
		await runChurn(server, { ...options, viewerCount: 1000 });
		const run = await runChurn(server, { ...options, viewerCount });
		return { result: run, markdown: formatChurn(run) };
	} finally {
		await publisher.stop();
		await server.stop();
	}
}

async function benchStrangers(values: Values): Promise<{ result: unknown; markdown: string }> {
	const { widthPixels, heightPixels, videoBitrateBps, gopSeconds } = readSettings(values);
	const server = await startServer(values);
	try {
		const options = {
			picture: { widthPixels, heightPixels, videoBitrateBps, gopSeconds: gopSeconds! },
			viewerCount: positive(values.viewers, '--viewers'),
			settleMs: positive(values.settle, '--settle') * 1000,
			durationMs: positive(values.seconds, '--seconds') * 1000,
			attacks: readAttacks(values.attacks),
		};
		const run = await runStrangers(server, options, (stretch) => say(formatStretch(stretch)));
		return { result: run, markdown: formatStrangers(run) };
	} finally {
		await server.stop();
	}
}

async function benchLoadTester(): Promise<{ result: unknown; markdown: string }> {
	const result = await runSelfTest();
	return { result, markdown: formatSelfTest(result) };
}

async function benchDirect(values: Values): Promise<{ result: unknown; markdown: string }> {
	const settings = readSettings(values);
	const options = referenceOptions(values, settings);
	const references: ReferenceRun[] = [];
	for (let run = 1; run <= positive(values.runs, '--runs'); run++) {
		references.push(await runReference(options));
		say(`run ${run}: direct ${oneLine(references.at(-1)!)}`);
	}
	const { summary: harness } = await measureHarness(options);
	const encoderDelayMs = await measureEncoderDelay(settings, 10_000);
	const rows = pathRows(references, []);
	return { result: { settings, rows, harness, encoderDelayMs, references }, markdown: formatRows(rows) };
}

function oneLine({ summary, selfWatch }: ReferenceRun): string {
	const { glassToGlassMs: latency, audioVideoSkewMs: skew } = summary;
	const isVoid = selfWatch.voidReasons.length > 0 ? ` VOID: ${selfWatch.voidReasons.join('; ')}` : '';
	return (
		`p50 ${latency?.p50.toFixed(1)} p95 ${latency?.p95.toFixed(1)} ms, shown ${summary.shownCount} of ${summary.sentCount}, ` +
		`skipped ${summary.skippedCount}, freeze ${summary.longestFreezeMs.toFixed(0)} ms, skew ${skew?.p50.toFixed(0)} ms${isVoid}`
	);
}

function say(text: string): void {
	console.error(text);
}

async function main(): Promise<number> {
	const { values, positionals } = readArguments();
	const commands = {
		paths: benchPaths,
		joins: benchJoins,
		reconnect: benchReconnect,
		players: benchPlayers,
		'hand-overs': benchHandOvers,
		emergencies: benchEmergencies,
		'poor-line': benchPoorLine,
		churn: benchChurn,
		strangers: benchStrangers,
		'load-tester': benchLoadTester,
		direct: benchDirect,
	};
	const command = Object.hasOwn(commands, positionals[0] ?? '')
		? commands[positionals[0] as keyof typeof commands]
		: undefined;
	if (command === undefined) {
		console.error(USAGE);
		return 2;
	}
	const { result, markdown } = await command(values);
	const measuredAt = new Date(systemClock.nowMs()).toISOString();
	if (values.out !== undefined) {
		await writeFile(
			values.out,
			`${JSON.stringify({ command: positionals[0], measuredAt, ...(result as object) }, undefined, '\t')}\n`,
		);
	}
	if (values.markdown !== undefined) {
		await writeFile(values.markdown, markdown);
	}
	console.log(markdown);
	return 0;
}

// The browser's library takes SIGTERM for its own and would let the bench go on; what we started ends with the process.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
	process.on(name, () => process.exit(1));
}
// Timers of core/lifecycle/clock.ts do not keep the process alive; this does, until main() is done.
const keepAlive = setInterval(() => undefined, 60_000);
try {
	process.exitCode = await main();
} catch (error) {
	console.error(`The bench failed: ${(error as Error).message}`);
	process.exitCode = 1;
}
clearInterval(keepAlive);
