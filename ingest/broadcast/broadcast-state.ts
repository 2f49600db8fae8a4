/** The states of a broadcast and their transitions. */
import type { TransitionTable } from '../../core/lifecycle/state-machine.ts';

/**
 * starting: a publisher is accepted, without media so far. live: media flows. interrupted: the publisher is gone or
 * silent, and may return within the grace window. ended: final.
 */
export type BroadcastState = 'starting' | 'live' | 'interrupted' | 'ended';

export type BroadcastEvent =
	'media-began' | 'media-stopped' | 'unpublished' | 'grace-window-expired' | 'start-failed' | 'server-stopped';

export const BROADCAST_TRANSITIONS = {
	starting: {
		'media-began': 'live',
		'media-stopped': 'starting',
		unpublished: 'ended',
		'start-failed': 'ended',
		'grace-window-expired': 'ended',
		'server-stopped': 'ended',
	},
	live: {
		'media-began': 'live',
		'media-stopped': 'interrupted',
		unpublished: 'ended',
		'grace-window-expired': 'ended',
		'server-stopped': 'ended',
	},
	interrupted: {
		'media-began': 'live',
		'media-stopped': 'interrupted',
		unpublished: 'ended',
		'grace-window-expired': 'ended',
		'server-stopped': 'ended',
	},
	ended: {},
} as const satisfies TransitionTable<BroadcastState, BroadcastEvent>;
