/** Whom the WHEP door lets in. Modes and seats hold for all; viewers with a socket are told before. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelPolicy } from '../../core/protocol/api/channel-description.ts';
import type { WhepChannel, WhepDependencies } from '../../sfu/whep/whep-routes.ts';
import type { ChannelLocator } from '../channels/channel-locator.ts';
import type { Audience } from './create-audience.ts';
import type { SfuCapacity } from './tiers/sfu-budget.ts';

/** After a refusal to show a channel by WebRTC. */
const MASS_ONLY_RETRY_SECONDS = 10;
/** Sessions beyond a channel's seats: viewers who are on their way out, while others come. */
const MAX_SPARE_SEATS = 2;

type WhepAdmissionDependencies = {
	locator: Pick<ChannelLocator, 'find' | 'policyOf'>;
	audience: Pick<Audience, 'isViewer' | 'addWhepSession'>;
	capacity: Pick<SfuCapacity, 'maxSessions'>;
};

/** What the WHEP routes ask. Every channel is public until channels can be otherwise. */
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
