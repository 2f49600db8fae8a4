/** The states of a playback, in either tier, and what moves them. Knows nothing about WebRTC or HLS. */
import type { TransitionTable } from '../../../../core/lifecycle/state-machine.ts';

/**
 * `idle`: not started. `connecting`: no picture yet. `playing`: frames are shown. `stalled`: the channel is live, but
 * no frames arrive; the last picture stands. `interrupted`: the publisher was lost and may return; the last picture
 * stands. `offline`: there is no broadcast. `ended`: the broadcast that was watched is over. `error`: see {@link
 * PlaybackError}. `stopped`: for good.
 */
export type PlaybackState =
	'idle' | 'connecting' | 'playing' | 'stalled' | 'interrupted' | 'offline' | 'ended' | 'error' | 'stopped';

/** What happens to a playback, from the picture, the channel and the viewer. */
export type PlaybackEvent =
	| 'started'
	| 'frame-shown'
	| 'frames-missed'
	| 'channel-live'
	| 'channel-interrupted'
	| 'channel-offline'
	| 'broadcast-ended'
	| 'failed'
	| 'retried'
	| 'stopped';

/**
 * A shown frame is believed before anything that the channel says: it wins in every state but `idle` and `stopped`.
 * `error` is not left because the channel is live, which it mostly is all along, but by a frame, a retry by hand, or
 * when the channel explains why there is no picture.
 */
export const PLAYBACK_TRANSITIONS = {
	idle: { started: 'connecting', stopped: 'stopped' },
	connecting: {
		'frame-shown': 'playing',
		'channel-interrupted': 'interrupted',
		'channel-offline': 'offline',
		'broadcast-ended': 'ended',
		failed: 'error',
		stopped: 'stopped',
	},
	playing: { 'frames-missed': 'stalled', 'broadcast-ended': 'ended', failed: 'error', stopped: 'stopped' },
	stalled: {
		'frame-shown': 'playing',
		'channel-interrupted': 'interrupted',
		'broadcast-ended': 'ended',
		failed: 'error',
		stopped: 'stopped',
	},
	interrupted: {
		'frame-shown': 'playing',
		'channel-live': 'connecting',
		'broadcast-ended': 'ended',
		'channel-offline': 'offline',
		failed: 'error',
		stopped: 'stopped',
	},
	offline: {
		'frame-shown': 'playing',
		'channel-live': 'connecting',
		'channel-interrupted': 'interrupted',
		failed: 'error',
		stopped: 'stopped',
	},
	ended: {
		'frame-shown': 'playing',
		'channel-live': 'connecting',
		'channel-interrupted': 'interrupted',
		failed: 'error',
		stopped: 'stopped',
	},
	error: {
		'frame-shown': 'playing',
		retried: 'connecting',
		'channel-interrupted': 'interrupted',
		'channel-offline': 'offline',
		'broadcast-ended': 'ended',
		stopped: 'stopped',
	},
	stopped: {},
} as const satisfies TransitionTable<PlaybackState, PlaybackEvent>;

/** What kind of thing went wrong; the page has words and advice for each. */
export type PlaybackErrorKind =
	/** The browser cannot do this tier at all. */
	| 'unsupported'
	/** The server could not be reached. */
	| 'unreachable'
	/** The server answered, but would not give this tier. */
	| 'refused'
	/** The media connection could not be made, or broke: a firewall without UDP, most often. */
	| 'connection-lost'
	/** The media could not be decoded. */
	| 'undecodable';

/** Why a playback does not play. `fatal`: this tier will not be retried; another may play. */
export type PlaybackError = { kind: PlaybackErrorKind; detail: string; fatal: boolean };

/** True when the event means something in the state; others need not be sent. */
export function canHandle(state: PlaybackState, event: PlaybackEvent): boolean {
	return event in PLAYBACK_TRANSITIONS[state];
}
