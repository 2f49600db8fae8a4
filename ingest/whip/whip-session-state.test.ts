/** Tests of a WHIP session's states: every pair of state and event, and that its end is reachable and final. */
import { describeTransitions } from '../testing/describe-transitions.ts';
import { WHIP_SESSION_TRANSITIONS } from './whip-session-state.ts';

describeTransitions('WHIP_SESSION_TRANSITIONS', WHIP_SESSION_TRANSITIONS, {
	events: ['dtls-connected', 'deleted', 'timed-out', 'publisher-ended'],
	expected: {
		answered: 'connected closed closed closed',
		connected: 'connected closed - closed',
		closed: '- - - -',
	},
	last: 'closed',
});
