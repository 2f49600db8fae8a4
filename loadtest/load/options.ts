/** Reads the load tester's command line. Pure. */
import { parseArgs } from 'node:util';
import { VARIANT_CHOICES, type VariantChoice } from '../clients/hls/media-playlist.ts';
import type { Endpoints, RoleConfig } from './figures/messages.ts';
import { parseThreshold, type Threshold } from './thresholds.ts';

/** Text of `--help`. */
export const LOAD_TEST_USAGE = `npm run loadtest -- [options]

Audience
  --webrtc n         WebRTC viewers (real ICE, DTLS and SRTP)
  --hls n            LL-HLS viewers (blocking playlists, parts, a buffer); --hls-variant highest|lowest|spread
  --audience n       viewers with a signaling socket, who play the tier that the server decides, or with --audience-hls
                     LL-HLS by their own choice
  --chat n           chatters; --chat-rate n messages/s together (default 5), from --chat-senders n of them
                     (default: as many as it takes for each to write every second second)
  --pixel-sample n   viewers in headless Chromium, read from their pixels, as a cross-check (needs --publish)
Time
  --ramp 10s         over which viewers arrive; --duration 30s of steady state follow
  --leave n          this many of the audience leave then, within --leave-over 5s; the rest is watched for --after 30s more
Source and server
  --publish rtmp|whip   publish the bench's test picture; --size 1280x720 --bitrate 2500000 --gop 2
  --server http://…     a server that runs already (default: one is started), with --key … --channel demo --rtmp rtmp://…/live
  --whip url  --whep url  --hls-url url  --signaling ws://…   single addresses, also of other makes of server
  --server-pid n        local process whose CPU and memory (with all children) are measured
  --server-env A=b      environment for the server that is started; may be repeated
  --webrtc-port-map 44444:50000   ports of the WHEP answer's candidates are replaced: a proxy in between; may be repeated
Judgement
  --threshold 'webrtc.latency.p95<500'   may be repeated; not kept: exit code 1
  --json file  --html file               reports
  --processes n         processes for each kind of viewer (default 1)
  --starve ratio        burns this share of each viewer process's time: shows that a starved tester is detected

Exit codes: 0 kept, 1 a threshold was not kept or the run failed, 2 wrong command line, 3 INVALID: the tester was the bottleneck.
`;

export type LoadOptions = {
	counts: { webrtc: number; hls: number; audience: number; chat: number; pixel: number };
	hlsVariant: VariantChoice;
	/** The audience chooses LL-HLS. */
	isAudiencePinnedToHls: boolean;
	chatSenderCount: number;
	/** Messages per second, all senders together. */
	chatRate: number;
	rampMs: number;
	durationMs: number;
	leaveCount: number;
	leaveOverMs: number;
	afterMs: number;
	publish: RoleConfig['publish'];
	picture: RoleConfig['picture'];
	server: string | undefined;
	serverPid: number | undefined;
	serverEnvironment: Record<string, string>;
	streamKey: string | undefined;
	channel: string;
	addresses: Omit<Endpoints, 'httpUrl' | 'webRtcPortMap'>;
	webRtcPortMap: Record<number, number>;
	thresholds: Threshold[];
	jsonFile: string | undefined;
	htmlFile: string | undefined;
	processCount: number;
	/** 0–0.95. */
	starveRatio: number;
};

const MAX_COUNT = 100_000;
const MAX_TIME_MS = 24 * 3_600_000;
const MAX_PIXEL_VIEWERS = 10;
const MAX_SENDERS = 20_000;
/** Chat rooms reject users who write faster than people do. */
const SECONDS_BETWEEN_MESSAGES = 2;

const OPTIONS = {
	webrtc: { type: 'string', default: '0' },
	hls: { type: 'string', multiple: true },
	'hls-variant': { type: 'string', default: 'highest' },
	audience: { type: 'string', default: '0' },
	'audience-hls': { type: 'boolean', default: false },
	chat: { type: 'string', default: '0' },
	'chat-senders': { type: 'string' },
	'chat-rate': { type: 'string', default: '5' },
	'pixel-sample': { type: 'string', default: '0' },
	ramp: { type: 'string', default: '10s' },
	duration: { type: 'string', default: '30s' },
	leave: { type: 'string', default: '0' },
	'leave-over': { type: 'string', default: '5s' },
	after: { type: 'string', default: '30s' },
	publish: { type: 'string' },
	size: { type: 'string', default: '1280x720' },
	bitrate: { type: 'string', default: '2500000' },
	gop: { type: 'string', default: '2' },
	server: { type: 'string' },
	'server-pid': { type: 'string' },
	'server-env': { type: 'string', multiple: true },
	key: { type: 'string' },
	channel: { type: 'string', default: 'demo' },
	whip: { type: 'string' },
	rtmp: { type: 'string' },
	whep: { type: 'string' },
	'hls-url': { type: 'string' },
	signaling: { type: 'string' },
	'webrtc-port-map': { type: 'string', multiple: true },
	threshold: { type: 'string', multiple: true },
	json: { type: 'string' },
	html: { type: 'string' },
	processes: { type: 'string', default: '1' },
	starve: { type: 'string', default: '0' },
	help: { type: 'boolean', default: false },
} as const;

/** Reads the arguments. Throws TypeError, naming the option, for anything wrong. */
export function parseLoadOptions(commandLine: readonly string[]): LoadOptions | 'help' {
	const { values } = parseArgs({ args: [...commandLine], options: OPTIONS, strict: true });
	if (values.help) {
		return 'help';
	}
	const chatRate = number(values['chat-rate'], '--chat-rate', 0, 10_000);
	const enoughSenders = String(Math.min(MAX_SENDERS, Math.max(1, Math.ceil(chatRate * SECONDS_BETWEEN_MESSAGES))));
	// `--hls` is a count of viewers or an address.
	const isAddress = (value: string): boolean => value.includes('://');
	const hlsCount = values.hls?.find((value) => !isAddress(value)) ?? '0';
	const hlsAddress = values['hls-url'] ?? values.hls?.find(isAddress);
	const [width, height] = /^(\d+)x(\d+)$/.exec(values.size)?.slice(1) ?? [];
	const options: LoadOptions = {
		counts: {
			webrtc: count(values.webrtc, '--webrtc'),
			hls: count(hlsCount, '--hls'),
			audience: count(values.audience, '--audience'),
			chat: count(values.chat, '--chat'),
			pixel: number(values['pixel-sample'], '--pixel-sample', 0, MAX_PIXEL_VIEWERS),
		},
		hlsVariant: variantChoice(values['hls-variant']),
		isAudiencePinnedToHls: values['audience-hls'],
		chatSenderCount: number(values['chat-senders'] ?? enoughSenders, '--chat-senders', 1, MAX_SENDERS),
		chatRate,
		rampMs: duration(values.ramp, '--ramp'),
		durationMs: duration(values.duration, '--duration'),
		leaveCount: count(values.leave, '--leave'),
		leaveOverMs: duration(values['leave-over'], '--leave-over'),
		afterMs: duration(values.after, '--after'),
		publish: publishKind(values.publish),
		picture: {
			widthPixels: number(width, '--size', 160, 7680),
			heightPixels: number(height, '--size', 90, 4320),
			videoBitrateBps: number(values.bitrate, '--bitrate', 10_000, 100_000_000),
			gopSeconds: number(values.gop, '--gop', 0.1, 20),
		},
		server: values.server,
		serverPid: values['server-pid'] === undefined ? undefined : count(values['server-pid'], '--server-pid'),
		serverEnvironment: Object.fromEntries((values['server-env'] ?? []).map(environmentPair)),
		streamKey: values.key,
		channel: values.channel,
		addresses: {
			...(values.whip === undefined ? {} : { whip: values.whip }),
			...(values.rtmp === undefined ? {} : { rtmp: values.rtmp }),
			...(values.whep === undefined ? {} : { whep: values.whep }),
			...(hlsAddress === undefined ? {} : { hls: hlsAddress }),
			...(values.signaling === undefined ? {} : { signaling: values.signaling }),
		},
		webRtcPortMap: Object.fromEntries((values['webrtc-port-map'] ?? []).map(portPair)),
		thresholds: (values.threshold ?? []).map(parseThreshold),
		jsonFile: values.json,
		htmlFile: values.html,
		processCount: number(values.processes, '--processes', 1, 64),
		starveRatio: number(values.starve, '--starve', 0, 0.95),
	};
	validateTogether(options);
	return options;
}

/**
 * `500ms`, `30s`, `2m`, `1h`; a bare number is seconds. In milliseconds. Throws TypeError naming the option.
 * @internal for tests
 */
export function parseDurationMs(text: string, name: string): number {
	const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
	if (match === null) {
		throw new TypeError(`${name} must be a time such as 500ms, 30s or 2m, but is "${text}".`);
	}
	const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[(match[2] ?? 's') as 'ms' | 's' | 'm' | 'h'];
	return Number(match[1]) * factor;
}

function duration(text: string, name: string): number {
	const value = parseDurationMs(text, name);
	if (value > MAX_TIME_MS) {
		throw new TypeError(`${name} must be at most 24h, but is "${text}".`);
	}
	return value;
}

function number(text: string | undefined, name: string, min: number, max: number): number {
	const value = text === undefined || text === '' ? NaN : Number(text);
	if (!(value >= min && value <= max)) {
		throw new TypeError(`${name} must be a number from ${min} to ${max}, but is "${text}".`);
	}
	return value;
}

function count(text: string, name: string): number {
	const value = number(text, name, 0, name === '--server-pid' ? 2 ** 31 : MAX_COUNT);
	if (!Number.isInteger(value)) {
		throw new TypeError(`${name} must be a whole number, but is "${text}".`);
	}
	return value;
}

function publishKind(text: string | undefined): LoadOptions['publish'] {
	if (text !== undefined && text !== 'rtmp' && text !== 'whip') {
		throw new TypeError(`--publish must be rtmp or whip, but is "${text}".`);
	}
	return text;
}

function variantChoice(text: string): VariantChoice {
	const choice = VARIANT_CHOICES.find((known) => known === text);
	if (choice === undefined) {
		throw new TypeError(`--hls-variant must be one of ${VARIANT_CHOICES.join(', ')}, but is "${text}".`);
	}
	return choice;
}

function environmentPair(text: string): [string, string] {
	const at = text.indexOf('=');
	if (at < 1) {
		throw new TypeError(`--server-env must be NAME=value, but is "${text}".`);
	}
	return [text.slice(0, at), text.slice(at + 1)];
}

function portPair(text: string): [number, number] {
	const [from, to] = text.split(':');
	return [number(from, '--webrtc-port-map', 1, 65_535), number(to, '--webrtc-port-map', 1, 65_535)];
}

function validateTogether(options: LoadOptions): void {
	const { counts, addresses } = options;
	if (Object.values(counts).every((value) => value === 0)) {
		throw new TypeError('There is nobody to play: give --webrtc, --hls, --audience, --chat or --pixel-sample.');
	}
	if (counts.pixel > 0 && options.publish === undefined) {
		throw new TypeError('--pixel-sample reads capture times out of the test picture, and so needs --publish.');
	}
	if (options.leaveCount > counts.audience) {
		throw new TypeError(`--leave ${options.leaveCount} is more than --audience ${counts.audience}.`);
	}
	const isForeign = options.server !== undefined || Object.keys(addresses).length > 0;
	if (isForeign && options.publish !== undefined && options.streamKey === undefined) {
		throw new TypeError('--publish to a server that runs already needs --key.');
	}
	if (isForeign && options.server === undefined) {
		const needed = [
			...(counts.webrtc > 0 && addresses.whep === undefined ? ['--whep'] : []),
			...(counts.hls > 0 && addresses.hls === undefined ? ['--hls-url'] : []),
			...(counts.audience + counts.chat + counts.pixel > 0 ? ['--server'] : []),
			...(options.publish !== undefined && addresses[options.publish] === undefined ? [`--${options.publish}`] : []),
		];
		if (needed.length > 0) {
			throw new TypeError(`Without --server these are needed as well: ${needed.join(', ')}.`);
		}
	}
}
