/** Tests of a broadcast's states: every pair of state and event, and that its end is reachable and final. */
import { describeTransitions } from '../testing/describe-transitions.ts';
import { BROADCAST_TRANSITIONS } from './broadcast-state.ts';

describeTransitions('BROADCAST_TRANSITIONS', BROADCAST_TRANSITIONS, {
	events: ['media-began', 'media-stopped', 'unpublished', 'grace-window-expired', 'start-failed', 'server-stopped'],
	expected: {
		starting: 'live starting ended ended ended ended',
		live: 'live interrupted ended ended - ended',
		interrupted: 'live interrupted ended ended - ended',
		ended: '- - - - - -',
	},
	last: 'ended',
});
