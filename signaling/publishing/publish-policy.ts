/** Decides whose channels may publish with a valid stream key. Pure. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { BroadcastOwner } from '../../ingest/media-plan/work-budget.ts';

/** `approved`: accounts that an administrator has approved, and administrators. */
export const WHO_MAY_PUBLISH = ['everybody', 'approved', 'administrators'] as const;
export type WhoMayPublish = (typeof WHO_MAY_PUBLISH)[number];

const REFUSALS = {
	approved: 'an administrator has to approve its owner first',
	administrators: 'only channels of administrators may, says accounts.whoMayPublish',
} as const;

/** Throws PUBLISHING_NOT_ALLOWED with the reason. The operator made a channel without an owner, so it may publish. */
export function assertMayPublish(whoMayPublish: WhoMayPublish, owner: BroadcastOwner): void {
	if (whoMayPublish === 'everybody' || owner.id === undefined || owner.isAdministrator) {
		return;
	}
	if (whoMayPublish === 'administrators' || !owner.isKnown) {
		throw new SpillwayError('PUBLISHING_NOT_ALLOWED', [REFUSALS[whoMayPublish]]);
	}
}
