/** The bench's options, read once for all commands, and what the commands share. */
import { parseArgs } from 'node:util';
import { DELIVERY_TIERS } from '../../core/protocol/tiers.ts';
import { PUBLISHER_KINDS, type PublisherKind } from '../clients/create-publisher.ts';
import { aacDelayMs, BENCH_SETTINGS, type EncoderSettings } from '../source/encoder-settings.ts';
import { CONGESTION_CONTROLS } from './line/shaped-line.ts';
import type { ViewerChoice } from './measure/path-viewer.ts';
import { ServerUnderTest } from './measure/server-under-test.ts';

/** `summary` is a line of the usage. The result is written as JSON, the Markdown is printed. */
export type BenchCommand = {
	summary: string;
	run(options: BenchOptions): Promise<{ result: object; markdown: string }>;
};

const OPTIONS = {
	publishers: { type: 'string', default: 'whip-chromium,rtmp' },
	tiers: { type: 'string', default: DELIVERY_TIERS.join(',') },
	runs: { type: 'string', default: '5' },
	seconds: { type: 'string' },
	'reference-seconds': { type: 'string' },
	'key-frames': { type: 'string' },
	settle: { type: 'string', default: '8' },
	joins: { type: 'string', default: '50' },
	crowd: { type: 'string' },
	ramp: { type: 'string', default: '1' },
	'hand-overs': { type: 'string', default: '50' },
	viewers: { type: 'string', default: '1' },
	attacks: { type: 'string' },
	through: { type: 'string', default: 'varnish' },
	'film-strips': { type: 'string' },
	rounds: { type: 'string', default: '10' },
	lines: { type: 'string', default: '8,2,1.2,0.6,0.35' },
	losses: { type: 'string', default: '0,2,5,10' },
	'loss-burst': { type: 'string', default: '1' },
	reorder: { type: 'string', default: '0' },
	'round-trip': { type: 'string', default: '40' },
	congestion: { type: 'string', default: 'cubic' },
	ladder: { type: 'string', default: 'off' },
	svg: { type: 'string' },
	kinds: { type: 'string' },
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

const MAX_LIST = 20;

type Values = ReturnType<typeof readArguments>['values'];

function readArguments() {
	return parseArgs({ options: OPTIONS, allowPositionals: true });
}

/** The command line in our units. */
export type BenchOptions = ReturnType<typeof readBenchOptions>;

/** Reads the command line. Throws TypeError, naming the option that is wrong. */
export function readBenchOptions() {
	const { values, positionals } = readArguments();
	const number = (name: keyof typeof values): number => positive(values[name]!, `--${name}`);
	const durationMs = (values.seconds === undefined ? 30 : number('seconds')) * 1000;
	return {
		command: positionals[0],
		publishers: namesOf(values.publishers, Object.keys(PUBLISHER_KINDS) as PublisherKind[], 'publisher'),
		tiers: namesOf(values.tiers, DELIVERY_TIERS, 'tier'),
		settings: readSettings(values),
		viewer: readViewer(values),
		runCount: number('runs'),
		durationMs,
		/** On air before the first clip: by default longer than a clip, and what the playlist does not have yet. */
		beforeClipMs: values.seconds === undefined ? 66_000 : durationMs,
		referenceMs: values['reference-seconds'] === undefined ? durationMs : number('reference-seconds') * 1000,
		/** Of the direct connection, which has none otherwise. */
		keyFrameIntervalMs: values['key-frames'] === undefined ? undefined : number('key-frames') * 1000,
		settleMs: number('settle') * 1000,
		joinCount: number('joins'),
		/** Viewers who join over WebRTC at once, within the ramp. */
		crowdCount: values.crowd === undefined ? undefined : number('crowd'),
		rampMs: number('ramp') * 1000,
		handOverCount: number('hand-overs'),
		viewerCount: number('viewers'),
		roundCount: number('rounds'),
		lineRates: list(values.lines, '--lines').map((mbps) => positive(mbps, '--lines') * 1e6),
		losses: list(values.losses, '--losses').map((percent) => percentage(percent, '--losses')),
		lossBurst: number('loss-burst'),
		reorderRatio: percentage(values.reorder, '--reorder'),
		roundTripMs: number('round-trip'),
		congestionControl: namesOf(values.congestion, CONGESTION_CONTROLS, 'congestion control')[0]!,
		/** For a server of ours. */
		serverEnvironment: { SPILLWAY_INGEST_LADDER: values.ladder },
		svg: values.svg,
		awayMs: number('away') * 1000,
		/** Read by their commands. */
		attacks: values.attacks,
		through: values.through,
		kinds: values.kinds,
		filmStrips: values['film-strips'],
		server: readServer(values),
		out: values.out,
		markdown: values.markdown,
	};
}

/** The names in a list with commas; all of the known ones when there is no list. */
export function namesOf<Name extends string>(text: string | undefined, known: readonly Name[], what: string): Name[] {
	return (text?.split(',') ?? known).map((name) => {
		const found = known.find((entry) => entry === name);
		if (found === undefined) {
			throw new TypeError(`There is no ${what} "${name}". There are: ${known.join(', ')}.`);
		}
		return found;
	});
}

/** Starts a server and ends it afterwards, or uses the running one. */
export async function withServer<Result>(
	{ server: addresses, serverEnvironment }: BenchOptions,
	use: (server: ServerUnderTest) => Promise<Result>,
): Promise<Result> {
	const server =
		addresses === undefined ? await ServerUnderTest.start(serverEnvironment) : ServerUnderTest.running(addresses);
	try {
		return await use(server);
	} finally {
		await server.stop();
	}
}

/** One run for each publisher. Each result is printed at once. */
export async function runEach<Run>(
	publishers: readonly PublisherKind[],
	run: (publisher: PublisherKind) => Promise<Run>,
	format: (run: Run) => string,
): Promise<{ runs: Run[]; markdown: string }> {
	const runs: Run[] = [];
	for (const publisher of publishers) {
		runs.push(await run(publisher));
		say(format(runs.at(-1)!));
	}
	return { runs, markdown: runs.map(format).join('\n') };
}

/** Prints progress; standard output is for the result. */
export function say(text: string): void {
	console.error(text);
}

function readSettings(values: Values): EncoderSettings {
	const [widthPixels, heightPixels] = values.size.split('x');
	const sampleRate = positive(values['sample-rate'], '--sample-rate');
	return {
		...BENCH_SETTINGS,
		widthPixels: positive(widthPixels!, '--size'),
		heightPixels: positive(heightPixels ?? '', '--size'),
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
	return {
		page: values.page,
		videoSelector: values['video-selector'],
		clickSelectors: { webrtc: values['click-webrtc'], 'll-hls': values['click-ll-hls'] },
		queries: { webrtc: values['query-webrtc'], 'll-hls': values['query-ll-hls'] },
	};
}

function readServer({ server, rtmp, key, channel }: Values) {
	if (server === undefined) {
		return undefined;
	}
	if (rtmp === undefined || key === undefined) {
		throw new TypeError('--server needs --rtmp and --key as well.');
	}
	return { httpUrl: server, rtmpUrl: rtmp, streamKey: key, channel };
}

function list(text: string, name: string): string[] {
	const entries = text.split(',');
	if (entries.length > MAX_LIST) {
		throw new TypeError(`${name} has ${entries.length} entries; at most ${MAX_LIST}.`);
	}
	return entries;
}

/** In percent → a ratio. */
function percentage(text: string, name: string): number {
	const value = text === '' ? NaN : Number(text);
	if (!(value >= 0 && value < 100)) {
		throw new TypeError(`${name} must be a number from 0 to below 100, but is "${text}".`);
	}
	return value / 100;
}

function positive(text: string, name: string): number {
	const value = Number(text);
	if (!(value > 0)) {
		throw new TypeError(`${name} must be a number above 0, but is "${text}".`);
	}
	return value;
}
