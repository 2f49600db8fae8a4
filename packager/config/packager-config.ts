/** The packager's configuration schema, and the LL-HLS constants that are deliberately not configuration. */
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';

// Constants for the life of every address, and so not settings: Apple's players stop for good when one of them changes
// while they play (CoreMedia -12642).

/** EXT-X-PART-INF PART-TARGET. Holds the 85 % rule at 15–60 fps and for AAC frames at 44.1 and 48 kHz. */
export const PART_TARGET_SECONDS = 0.21;
/** No part but the excepted ones may be shorter (draft-pantos-hls-rfc8216bis §4.4.4.9: 85 % of PART-TARGET). */
export const PART_MINIMUM_SECONDS = 0.1785;
/** EXT-X-SERVER-CONTROL PART-HOLD-BACK: three times PART-TARGET, the least that Apple's authoring rules allow. */
export const PART_HOLD_BACK_SECONDS = 0.63;
/** EXT-X-TARGETDURATION. */
export const TARGET_DURATION_SECONDS = 3;
/** EXT-X-SERVER-CONTROL HOLD-BACK: three times TARGETDURATION, for players without low latency. */
export const HOLD_BACK_SECONDS = 3 * TARGET_DURATION_SECONDS;
/** EXT-X-SERVER-CONTROL CAN-SKIP-UNTIL: six times TARGETDURATION, the least allowed. */
export const SKIP_BOUNDARY_SECONDS = 6 * TARGET_DURATION_SECONDS;
/**
 * Parts are listed while their segment starts within this distance of the end. The specification asks for at most three
 * times TARGETDURATION (§6.2.2). At two GStreamer 1.22 begins to play from parts, and playlists, sent five times a
 * second, are a third shorter.
 */
export const PART_LISTING_SECONDS = 2 * TARGET_DURATION_SECONDS;
/** What a segment aims at; it is cut at the key frame nearest to this. */
export const SEGMENT_TARGET_SECONDS = 2;
/** A segment is cut without a key frame rather than pass this: EXTINF rounds to 3 up to, not including, 3.5 s. */
export const SEGMENT_MAXIMUM_SECONDS = 3.45;

/** One CDN, or one cache of one's own. */
export const CDN_SCHEMA = Type.Object(
	{
		// §4.4.6.2: a Pathway ID consists of these characters.
		id: Type.String({ pattern: '^[A-Za-z0-9._-]{1,32}$' }),
		baseUrl: Type.String({ pattern: '^https?://[^\\s?#@"]{1,500}$' }),
		/** Share of the players that begin there, relative to the others; 0: only when the others fail. */
		weight: Type.Optional(Type.Number({ minimum: 0, maximum: 1000 })),
	},
	{ additionalProperties: false },
);

export type Cdn = Static<typeof CDN_SCHEMA>;

/** Settings of the packager, with defaults, units and limits. Unknown keys are errors. */
const PACKAGER_CONFIG_SCHEMA = Type.Object(
	{
		windowSeconds: Type.Number({
			default: 60,
			minimum: 18,
			maximum: 900,
			description:
				'Media listed in a live playlist, in seconds. Longer lets viewers rewind further and costs memory twice: ' +
				'what leaves the list stays fetchable as long again.',
		}),
		maxBroadcastBytes: Type.Integer({
			default: 192 * 2 ** 20,
			minimum: 16 * 2 ** 20,
			maximum: 2 ** 34,
			description:
				'Most memory, in bytes, that the media of one broadcast may take; at high bitrates the window shrinks to fit.',
		}),
		startHoldMs: Type.Integer({
			default: 2000,
			minimum: 100,
			maximum: 9500,
			description:
				'How long, in milliseconds, a request for a channel that has no media yet is held before it gets a 503. hls.js 1.7 ' +
				'retries once, a second later. Longer helps players that never retry, and looks like a server that hangs.',
		}),
		reloadHoldMs: Type.Integer({
			default: 2000,
			minimum: 500,
			maximum: 2300,
			description:
				'How long, in milliseconds, a blocking playlist reload is held when no media comes; then the playlist is ' +
				'answered as it stands, so that viewers survive a publisher that is away. hls.js 1.7 gives up a blocking ' +
				'request after 2400 (0.8 target durations) and stops for good after three of those.',
		}),
		maxHeldRequests: Type.Integer({
			default: 24_000,
			minimum: 1,
			maximum: 1_000_000,
			description:
				'Requests of one broadcast that are held at once; a viewer has two, picture and sound. More get a 503. The last ' +
				'quarter is kept for addresses that hold few.',
		}),
		maxHeldRequestsPerAddress: Type.Integer({
			default: 4000,
			minimum: 1,
			maximum: 1_000_000,
			description: 'Requests of one address that are held at once, over all broadcasts. More get a 503.',
		}),
		cdns: Type.Array(CDN_SCHEMA, {
			default: [],
			maxItems: 8,
			description: 'CDNs that playlists name; none: media has addresses relative to the playlist.',
		}),
	},
	{ additionalProperties: false },
);

export type PackagerConfig = Static<typeof PACKAGER_CONFIG_SCHEMA>;

/** All defaults, with what differs; for tests and for a server without settings. */
export function defaultPackagerConfig(overrides: Partial<PackagerConfig> = {}): PackagerConfig {
	return { ...Value.Create(PACKAGER_CONFIG_SCHEMA), ...overrides };
}
