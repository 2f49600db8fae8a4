/** Tests of an RTMP session's states: every pair of state and event, and that its end is reachable and final. */
import { expect, it } from 'vitest';
import { describeTransitions } from '../testing/describe-transitions.ts';
import { RTMP_SESSION_TRANSITIONS } from './rtmp-session-state.ts';

const STEPS = ['handshake-completed', 'connect-accepted', 'publish-requested', 'publish-accepted', 'publish-ended'];
const ENDS_ANYWHERE = ['connection-lost', 'internal-error', 'protocol-error', 'server-shutdown', 'timed-out'];
const PUBLISHER_ENDS = ['bitrate-too-high', 'key-revoked', 'media-unusable', 'replaced', 'unpublished', 'worker-died'];

const ends = 'closed closed closed closed closed';
const stays = '- - - - - -';

describeTransitions('RTMP_SESSION_TRANSITIONS', RTMP_SESSION_TRANSITIONS, {
	events: [...STEPS, 'refused', ...ENDS_ANYWHERE, ...PUBLISHER_ENDS],
	expected: {
		handshaking: `connecting - - - - - ${ends} ${stays}`,
		connecting: `- connected - - - closed ${ends} ${stays}`,
		connected: `- - authorizing - - closed ${ends} ${stays}`,
		authorizing: `- - - publishing - closed ${ends} ${stays}`,
		publishing: `- - - - connected - ${ends} closed ${ends}`,
		closed: `- - - - - - - - - - - ${stays}`,
	},
	last: 'closed',
});

it('publishes only after the key check', () => {
	const before = Object.entries(RTMP_SESSION_TRANSITIONS).filter(([, row]) =>
		Object.values(row).includes('publishing'),
	);
	expect(before.map(([state]) => state)).toEqual(['authorizing']);
});
