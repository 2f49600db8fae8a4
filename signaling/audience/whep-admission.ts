/** Admits WHEP sessions by the channel's mode and seats, with or without a socket. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelPolicy } from '../../core/protocol/api/channel-description.ts';
import type { WhepChannel, WhepDependencies } from '../../sfu/whep/whep-routes.ts';
import type { ChannelLocator } from '../channels/channel-locator.ts';
import type { Audience } from './create-audience.ts';
import type { SfuCapacity } from './tiers/sfu-budget.ts';

/** Retry-After for a channel that is not shown by WebRTC. */
const MASS_ONLY_RETRY_SECONDS = 10;
/** Sessions beyond a channel's seats: viewers who are leaving while others enter. */
const MAX_SPARE_SEATS = 2;

type WhepAdmissionDependencies = {
	locator: Pick<ChannelLocator, 'find' | 'policyOf'>;
	audience: Pick<Audience, 'isViewer' | 'addWhepSession'>;
	capacity: Pick<SfuCapacity, 'maxSessions'>;
};

/** The dependencies of the WHEP routes. Every channel is public. */
export function createWhepAdmission(
	{ locator, audience, capacity }: WhepAdmissionDependencies,
	{ maxPendingSessions }: { maxPendingSessions: number },
): Omit<WhepDependencies, 'clock' | 'logger'> {
	return {
		findChannel: async (name): Promise<WhepChannel> => {
			const found = await locator.find(name);
			if (found.state !== 'live') {
				return found;
			}
			const { router } = found.broadcast;
			return router === undefined ? { state: 'starting' } : { state: 'live', broadcastRouter: router };
		},
		authorizePlayback: async (channel) => admit(await locator.policyOf(channel)),
		isViewer: audience.isViewer,
		onConnected: audience.addWhepSession,
		limits: { maxPending: maxPendingSessions, maxConnected: capacity.maxSessions },
	};
}

function admit(policy: ChannelPolicy | undefined): { maxViewers?: number } {
	if (policy?.mode === 'mass-only') {
		throw new SpillwayError('SFU_UNAVAILABLE', ['this channel is shown over LL-HLS only'], {
			retryAfterSeconds: MASS_ONLY_RETRY_SECONDS,
		});
	}
	const seats = policy?.interactiveSeats ?? undefined;
	return seats === undefined ? {} : { maxViewers: seats + MAX_SPARE_SEATS };
}
