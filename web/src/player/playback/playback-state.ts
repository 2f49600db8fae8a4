/** The states of a playback, in either tier, and what moves them. Knows nothing about WebRTC or HLS. */
import type { TransitionTable } from '../../../../core/lifecycle/state-machine.ts';

/**
 * `idle`: not started. `connecting`: no picture yet. `playing`: frames are shown. `stalled`: the channel is live, but
 * no frames arrive; the last picture stays. `interrupted`: the publisher was lost and may return; the last picture
 * stays. `offline`: there is no broadcast. `ended`: the broadcast that was watched is over. `error`: see
 * {@link PlaybackError}. `stopped`: for good.
 */
export type PlaybackState =
	'idle' | 'connecting' | 'playing' | 'stalled' | 'interrupted' | 'offline' | 'ended' | 'error' | 'stopped';

export type PlaybackEvent =
	| 'started'
	| 'frame-shown'
	| 'frames-missed'
	| 'channel-live'
	| 'channel-interrupted'
	| 'channel-offline'
	| 'broadcast-ended'
	/** Another one has begun, and is loaded. */
	| 'broadcast-changed'
	| 'failed'
	| 'retried'
	| 'stopped';

/**
 * A shown frame leads to `playing` from every state but `idle` and `stopped`, whatever the channel's state is.
 * `channel-live` does not leave `error`, because the channel is mostly live all along. A frame, a retry by hand, or a
 * channel that is not live leaves it.
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
	playing: {
		'frames-missed': 'stalled',
		'broadcast-ended': 'ended',
		'broadcast-changed': 'connecting',
		failed: 'error',
		stopped: 'stopped',
	},
	stalled: {
		'frame-shown': 'playing',
		'channel-interrupted': 'interrupted',
		'broadcast-ended': 'ended',
		'broadcast-changed': 'connecting',
		failed: 'error',
		stopped: 'stopped',
	},
	interrupted: {
		'frame-shown': 'playing',
		'channel-live': 'connecting',
		'broadcast-ended': 'ended',
		'broadcast-changed': 'connecting',
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
		'broadcast-changed': 'connecting',
		stopped: 'stopped',
	},
	stopped: {},
} as const satisfies TransitionTable<PlaybackState, PlaybackEvent>;

/** What went wrong; the page has a text and advice for each. */
export type PlaybackErrorKind =
	| 'unsupported'
	| 'unreachable'
	/** The server answered, and refused this tier. */
	| 'refused'
	/** The media connection could not be made, or broke; most often a firewall blocks UDP. */
	| 'connection-lost'
	| 'undecodable';

/** Why a playback does not play. `fatal`: this tier is not retried; another may play. */
export type PlaybackError = { kind: PlaybackErrorKind; detail: string; fatal: boolean };

/** True when the table has a transition for the event in this state. */
export function canHandle(state: PlaybackState, event: PlaybackEvent): boolean {
	return event in PLAYBACK_TRANSITIONS[state];
}
