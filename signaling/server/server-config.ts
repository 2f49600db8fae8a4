/** The server's configuration schema, and the rules between its fields. */
import { Type, type Static } from 'typebox';
import { readConfig } from '../../core/config/config-schema.ts';
import { H264_ENCODER_NAMES } from '../../core/media/transcoder.ts';
import { LADDER_CHOICE_IN_WORDS, LADDER_CHOICE_PATTERN } from '../../core/protocol/ladder-choice.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import { boolean, field, integer, number, optionalText, port, text } from './config-fields.ts';
import { readConfigFile } from './config-file.ts';
import { CLIPS_CONFIG_SCHEMA, findRecordingConflicts, RECORDING_CONFIG_SCHEMA } from './recording-config.ts';
import { createProxyTrust } from '../platform/http/trusted-proxies.ts';
import { WHO_MAY_PUBLISH } from '../publishing/publish-policy.ts';
import { DEFAULT_MAX_WORKER_CPU } from '../audience/tiers/sfu-budget.ts';

/** Read from the working folder when it exists. */
const CONFIG_FILE_NAME = 'spillway.config.json';

// Addresses and networks of both families; findConfigConflicts() rejects invalid ones.
const TRUSTED_PROXY_PATTERN = '^(loopback|linklocal|uniquelocal|[0-9a-fA-F:.]+(/[0-9]{1,3})?)$';

/** API, WHIP, WHEP, HLS, WebSocket and pages. */
const HTTP_CONFIG_SCHEMA = Type.Object({
	port: port(8080, 'Port of the API, WHIP, WHEP, HLS, WebSocket and web pages. 0 takes any free port.'),
	host: text({
		default: '0.0.0.0',
		minLength: 1,
		maxLength: 255,
		description: 'Address that HTTP and RTMP listen on. Use 127.0.0.1 behind a reverse proxy on the same machine.',
	}),
	tlsCertificateFile: optionalText({
		minLength: 1,
		description: 'PEM file with the certificate chain. With it HTTP becomes HTTPS with HTTP/2. Needs http.tlsKeyFile.',
	}),
	tlsKeyFile: optionalText({
		minLength: 1,
		description: 'PEM file with the key of the certificate. Needs http.tlsCertificateFile.',
	}),
	publicUrl: optionalText({
		pattern: '^https?://[^/?#\\s]+/?$',
		expected: 'an address with http:// or https:// and without a path',
		description:
			'Address under which people reach the server, such as https://live.example.org. Needed when it is not the one it listens on. Used in what is printed and in links.',
	}),
	allowedOrigins: Type.Array(Type.String({ pattern: '^https?://[^/?#\\s]+$', maxLength: 255 }), {
		...field({
			expected: 'a list of origins with http:// or https://, without a path or a slash at the end',
			description:
				'Origins of other sites, such as https://example.org. Their pages may open sockets here with the cookies of their visitors. The origins of the server and of http.publicUrl always may.',
		}),
		default: [],
		maxItems: 64,
	}),
	trustedProxies: Type.Array(Type.String({ pattern: TRUSTED_PROXY_PATTERN, maxLength: 64 }), {
		...field({
			expected: 'a list of addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal',
			description:
				'Reverse proxies whose X-Forwarded-For is trusted, and over RTMP whose PROXY header. Addresses, networks such as 10.0.0.0/8, or loopback, linklocal, uniquelocal. Limits for each address then count the viewers instead of the proxy.',
		}),
		default: ['loopback'],
		maxItems: 64,
	}),
	maxSockets: integer({
		default: 20_000,
		minimum: 1,
		maximum: 1_000_000,
		description:
			'WebSockets that may be open at once, of viewers and IRC clients. A tenth is kept for people who are signed in. More are refused and reconnect a little later.',
	}),
	maxSocketsPerAddress: integer({
		default: 500,
		minimum: 1,
		maximum: 1_000_000,
		description:
			'WebSockets that may be open from one address or one IPv6 /64; schools and mobile networks share one. Loopback addresses are exempt, because all clients of a proxy on this machine share one.',
	}),
});

const RTMP_CONFIG_SCHEMA = Type.Object({
	port: port(1935, 'Port of the RTMP server. 0 takes any free port.'),
	maxConnections: integer({
		default: 1000,
		minimum: 1,
		maximum: 10_000,
		description:
			'RTMP connections that may be open at once, publishers and those on their way to be one. When all places are taken, one without an accepted key is closed for the new one.',
	}),
	reservedConnections: integer({
		default: 200,
		minimum: 0,
		maximum: 9999,
		description:
			'Part of rtmp.maxConnections that is kept for publishers, and for networks from which a stream was published within 30 days.',
	}),
	maxConnectionsPerAddress: integer({
		default: 100,
		minimum: 1,
		maximum: 10_000,
		description:
			'RTMP connections of one address, or one IPv6 /64, that have not shown an accepted key. Raise it when many encoders behind one address start together.',
	}),
	proxyProtocol: boolean({
		default: false,
		description:
			'Whether the TCP proxies named by http.trustedProxies begin each RTMP connection with a PROXY protocol header (version 1 or 2). Encoders are then counted instead of the proxy. Such a proxy must always send it; encoders on other addresses connect as before.',
	}),
});

const RTC_CONFIG_SCHEMA = Type.Object({
	port: port(
		44_444,
		'First UDP and TCP port of WebRTC; each SFU worker takes the next one. 0 takes any free ports. Open all of them in the firewall.',
	),
	announcedAddresses: Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
		...field({
			description:
				'Addresses or host names by which viewers and publishers reach this machine. Empty announces the addresses of its network interfaces; behind NAT give the public one.',
		}),
		default: [],
		maxItems: 16,
	}),
	workerCount: integer({
		default: 0,
		minimum: 0,
		maximum: 64,
		description: 'SFU worker processes. 0 starts one for each processor core.',
	}),
	plainPortMin: port(
		40_000,
		'First loopback port for RTP between the processes of the server. No firewall rule is needed.',
	),
	plainPortMax: port(43_999, 'Last loopback port for RTP between the processes of the server.'),
});

/** For publishers of both protocols. */
const INGEST_CONFIG_SCHEMA = Type.Object({
	graceWindowSeconds: integer({
		default: 60,
		minimum: 0,
		maximum: 1800,
		unit: 's',
		description:
			'How long a broadcast waits for a publisher that was lost before it ends. A longer window helps encoders on poor networks, but viewers of a stream that has ended wait as long.',
	}),
	maxBroadcasts: integer({
		default: 0,
		minimum: 0,
		maximum: 10_000,
		description:
			'Broadcasts at once. Administrators and approved accounts have room for two more. 0: four for each processor core.',
	}),
	maxBroadcastsPerOwner: integer({
		default: 1,
		minimum: 1,
		maximum: 10_000,
		description: 'Broadcasts at once on the channels of one account. Administrators are exempt.',
	}),
	maxEncoderPixelsPerSecond: integer({
		default: 0,
		minimum: 0,
		maximum: 100_000_000_000,
		unit: 'px/s',
		description:
			'Picture that is re-encoded, over all broadcasts: width × height × pictures a second. Beyond it a stream that cannot pass through has no picture in the tier that needs it, and its streamer is informed. Administrators and approved accounts have half as much more. 0: half of 1080p60 for each processor core.',
	}),
	encoder: Type.Enum(['auto', ...H264_ENCODER_NAMES], {
		default: 'auto',
		description:
			'Encoder of pictures. auto: the fastest that works; each that FFmpeg has encodes ten pictures at start. A name: that one where it works, else libx264.',
	}),
	ladder: text({
		default: 'automatic',
		pattern: LADDER_CHOICE_PATTERN,
		expected: LADDER_CHOICE_IN_WORDS,
		description:
			'Smaller pictures (rungs) of each broadcast for viewers on poorer lines. automatic: as many as the source is worth and the machine carries. off: none. Or names with commas between, of 1080p60, 720p60, 480p30, 360p30 and 160p30: those of them that are smaller than the source. They use what maxEncoderPixelsPerSecond leaves.',
	}),
	maxPublisherBitrateBps: integer({
		default: 50_000_000,
		minimum: 100_000,
		maximum: 10_000_000_000,
		unit: 'bit/s',
		description:
			'What one publisher may send, sound and picture together. One that stays above it for some seconds is disconnected. Every viewer of a stream that passes through gets as much.',
	}),
});

const HLS_CONFIG_SCHEMA = Type.Object({
	windowSeconds: integer({
		default: 60,
		minimum: 18,
		maximum: 900,
		unit: 's',
		description:
			'How much of a live broadcast the playlists list and viewers can go back. Longer costs memory for each broadcast.',
	}),
	maxHeldRequests: integer({
		default: 24_000,
		minimum: 1,
		maximum: 1_000_000,
		description:
			'Playlist requests of one broadcast that wait for its next part at once; a viewer has two, picture and sound. More are answered 503 and retry. The last quarter is kept for addresses that hold few.',
	}),
	maxHeldRequestsPerAddress: integer({
		default: 4000,
		minimum: 1,
		maximum: 1_000_000,
		description:
			'Held playlist requests of one address, over all broadcasts. Loopback addresses are exempt, because all clients of a proxy on this machine share one; name other proxies in http.trustedProxies.',
	}),
});

/** Limits of the WebRTC tier; beyond them viewers get LL-HLS. */
const SFU_CONFIG_SCHEMA = Type.Object({
	maxConsumers: integer({
		default: 0,
		minimum: 0,
		maximum: 1_000_000,
		description: 'Streams to viewers at once; a viewer has two, picture and sound. 0: 500 for each SFU worker.',
	}),
	maxBitrateBps: integer({
		default: 0,
		minimum: 0,
		maximum: 1_000_000_000_000,
		unit: 'bit/s',
		description:
			'Bits per second towards WebRTC viewers. 0: no limit. Where a broadcast has rungs, viewers get smaller pictures down to 360p30 before any of them is moved to LL-HLS.',
	}),
	maxPendingSessions: integer({
		default: 300,
		minimum: 3,
		maximum: 10_000,
		description:
			'WebRTC viewers that have asked for a session and are not connected yet. One address or IPv6 /64 gets a third of it at most. Another third is kept for viewers with a signaling socket. When it is full, the oldest is closed.',
	}),
	maxWorkerCpu: number({
		default: DEFAULT_MAX_WORKER_CPU,
		minimum: 0.05,
		maximum: 1,
		description: 'CPU of the busiest SFU worker above which viewers are handed over to LL-HLS; 1 is a whole core.',
	}),
});

const ACCOUNTS_CONFIG_SCHEMA = Type.Object({
	isSignUpOpen: boolean({
		default: true,
		description: 'Whether new accounts can be created. False keeps the existing accounts.',
	}),
	whoMayPublish: Type.Enum([...WHO_MAY_PUBLISH], {
		...field({
			description:
				'Whose channels may publish. approved: accounts that an administrator has approved (PUT /api/v1/users/{user}/publishing). Watching and writing in chat need no approval.',
		}),
		default: 'everybody',
	}),
	channelsPerUser: integer({
		default: 1,
		minimum: 0,
		maximum: 5,
		description: 'Channels that one account may open. Administrators may always open five.',
	}),
});

const OPERATION_CONFIG_SCHEMA = Type.Object({
	drainSeconds: number({
		default: 1,
		minimum: 0,
		maximum: 6,
		unit: 's',
		description:
			'How long /readyz answers 503 after a signal to stop, before broadcasts end and ports close. Give load balancers as long as they need to notice; a second signal cuts it short.',
	}),
	minFreeBytes: integer({
		default: 268_435_456,
		minimum: 0,
		maximum: 1_000_000_000_000_000,
		unit: 'bytes',
		description: 'Below this much room on the disk of the data folder /readyz says "degraded".',
	}),
});

const METRICS_CONFIG_SCHEMA = Type.Object({
	token: optionalText({
		secret: true,
		pattern: '^[^\\s]{16,256}$',
		expected: '16 to 256 characters without spaces',
		description:
			'Bearer token that /metrics asks for, of 16 to 256 characters without spaces. Without it every client can read the figures; they contain no names.',
	}),
});

const LOG_CONFIG_SCHEMA = Type.Object({
	level: Type.Enum(['debug', 'info', 'warn', 'error'], {
		...field({ description: 'Least severe kind of line that is logged. debug adds details of each session.' }),
		default: 'info',
	}),
	format: Type.Enum(['auto', 'json', 'text'], {
		...field({ description: 'json for collectors, text for people; auto is text on a terminal and json elsewhere.' }),
		default: 'auto',
	}),
});

/** All settings of the server. */
export const SERVER_CONFIG_SCHEMA = Type.Object({
	http: HTTP_CONFIG_SCHEMA,
	rtmp: RTMP_CONFIG_SCHEMA,
	rtc: RTC_CONFIG_SCHEMA,
	ingest: INGEST_CONFIG_SCHEMA,
	hls: HLS_CONFIG_SCHEMA,
	sfu: SFU_CONFIG_SCHEMA,
	recording: RECORDING_CONFIG_SCHEMA,
	clips: CLIPS_CONFIG_SCHEMA,
	accounts: ACCOUNTS_CONFIG_SCHEMA,
	operation: OPERATION_CONFIG_SCHEMA,
	metrics: METRICS_CONFIG_SCHEMA,
	dataFolder: text({
		default: './data',
		minLength: 1,
		description: 'Folder for the embedded database, media and secrets. One running server owns it.',
	}),
	demoStreamKey: optionalText({
		secret: true,
		// What would end the key early inside an RTMP address or a header must not be part of it.
		pattern: '^[^\\s/?#&]{1,256}$',
		expected: '1 to 256 characters without spaces and without / ? # &',
		description:
			'Stream key of channel "demo" instead of a generated one. Changing it between starts changes the key. Everyone who knows it can publish.',
	}),
	databaseUrl: optionalText({
		secret: 'url',
		environmentName: 'DATABASE_URL',
		pattern: '^postgres(ql)?://',
		expected: 'an address that begins with postgres://',
		description:
			'PostgreSQL (15 or newer) to use, as postgres://user:password@host/database. Without it the database is embedded.',
	}),
	redisUrl: optionalText({
		secret: 'url',
		environmentName: 'REDIS_URL',
		pattern: '^rediss?://',
		expected: 'an address that begins with redis:// or rediss://',
		description:
			'Redis (7 or newer) that joins several servers; several comma-separated addresses make a cluster. Needs DATABASE_URL. Without it the bus is inside the process.',
	}),
	redisKeyPrefix: text({
		default: 'spillway',
		pattern: '^[A-Za-z0-9._-]{1,64}$',
		expected: '1 to 64 letters, digits, points, hyphens or underscores',
		description: 'First part of every Redis key and topic, so that several installations can share one Redis.',
	}),
	mediasoupWorkerBin: optionalText({
		minLength: 1,
		environmentName: 'MEDIASOUP_WORKER_BIN',
		description: 'Path of the mediasoup worker program. Set-up finds or builds one and sets this.',
	}),
	log: LOG_CONFIG_SCHEMA,
});

/** The effective configuration, frozen; main.ts passes it down. */
export type ServerConfig = Readonly<Static<typeof SERVER_CONFIG_SCHEMA>>;

/** True when users reach the server by TLS, its own or a proxy's. */
export function isReachedByTls({ http }: ServerConfig): boolean {
	return http.tlsCertificateFile !== undefined || http.publicUrl?.startsWith('https:') === true;
}

/** A sentence for each broken rule between fields. @internal for tests */
export function findConfigConflicts(config: ServerConfig): string[] {
	const conflicts: string[] = [];
	if (config.redisUrl !== undefined && config.databaseUrl === undefined) {
		conflicts.push(
			'REDIS_URL is given without DATABASE_URL: several servers on one bus need one database. Give DATABASE_URL, or leave REDIS_URL out.',
		);
	}
	if ((config.http.tlsCertificateFile === undefined) !== (config.http.tlsKeyFile === undefined)) {
		conflicts.push('http.tlsCertificateFile and http.tlsKeyFile belong together: give both or neither.');
	}
	const { port: rtcPort, plainPortMin, plainPortMax } = config.rtc;
	if (plainPortMax - plainPortMin < 99) {
		conflicts.push(
			`rtc.plainPortMin–rtc.plainPortMax must hold at least 100 ports, but is ${plainPortMin}–${plainPortMax}.`,
		);
	}
	if (rtcPort !== 0 && rtcPort >= plainPortMin && rtcPort <= plainPortMax) {
		conflicts.push(`rtc.port (${rtcPort}) lies inside rtc.plainPortMin–rtc.plainPortMax; choose another.`);
	}
	if (config.rtmp.reservedConnections >= config.rtmp.maxConnections) {
		conflicts.push(
			`rtmp.reservedConnections (${config.rtmp.reservedConnections}) must be less than rtmp.maxConnections (${config.rtmp.maxConnections}), or nobody new can publish.`,
		);
	}
	try {
		createProxyTrust(config.http.trustedProxies);
	} catch (error) {
		conflicts.push(`http.trustedProxies: ${errorMessage(error)}`);
	}
	if (config.http.port !== 0 && config.http.port === config.rtmp.port) {
		conflicts.push(`http.port and rtmp.port are both ${config.http.port}; give each its own.`);
	}
	conflicts.push(...findRecordingConflicts(config.recording));
	return conflicts;
}

/** Merges the configuration file, if it exists, with the environment. Throws CONFIG_INVALID with all errors. */
export async function loadServerConfig(
	environment: Readonly<Record<string, string | undefined>>,
	filePath: string = CONFIG_FILE_NAME,
): Promise<ServerConfig> {
	const file = await readConfigFile(filePath);
	return readConfig(SERVER_CONFIG_SCHEMA, { environment, file, fileName: filePath }, findConfigConflicts);
}
