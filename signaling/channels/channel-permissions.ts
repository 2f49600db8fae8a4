/** Who may do what with a channel: one table. Pure. */
import type { UserRole } from '../../core/protocol/api/account.ts';

/** Actions on a channel other than watching. */
export type ChannelAction =
	| 'edit the channel'
	| 'manage its stream keys'
	| 'see its health'
	| 'end its broadcast'
	| 'see its moderators'
	| 'choose its moderators'
	| 'see its chat settings'
	| 'change its chat settings'
	| 'see who may not write'
	| 'let somebody write again'
	| 'choose whether it is recorded'
	| 'see its private videos'
	| 'change its videos'
	| 'delete its videos'
	| 'change its clips'
	| 'delete its clips'
	| 'see reports about its clips';

/** A user's relation to a channel, apart from their role on the site. */
type ChannelRelation = 'owner' | 'moderator' | 'other';

type Allowed = { relations: readonly ChannelRelation[]; roles: readonly UserRole[] };

/** A matching relation or a matching role is enough. @internal for tests */
export const CHANNEL_PERMISSIONS: Readonly<Record<ChannelAction, Allowed>> = {
	'edit the channel': { relations: ['owner'], roles: ['admin'] },
	'manage its stream keys': { relations: ['owner'], roles: ['admin'] },
	'see its health': { relations: ['owner'], roles: ['admin'] },
	// Site moderators stop what must not be shown.
	'end its broadcast': { relations: ['owner'], roles: ['moderator', 'admin'] },
	'see its moderators': { relations: ['owner', 'moderator'], roles: ['moderator', 'admin'] },
	'choose its moderators': { relations: ['owner'], roles: ['admin'] },
	'see its chat settings': { relations: ['owner', 'moderator'], roles: ['moderator', 'admin'] },
	'change its chat settings': { relations: ['owner', 'moderator'], roles: ['moderator', 'admin'] },
	'see who may not write': { relations: ['owner', 'moderator'], roles: ['moderator', 'admin'] },
	'let somebody write again': { relations: ['owner', 'moderator'], roles: ['moderator', 'admin'] },
	'choose whether it is recorded': { relations: ['owner'], roles: ['admin'] },
	// Site moderators have to see what is reported to them, and remove what must not be shown.
	'see its private videos': { relations: ['owner'], roles: ['moderator', 'admin'] },
	'change its videos': { relations: ['owner'], roles: ['admin'] },
	'delete its videos': { relations: ['owner'], roles: ['moderator', 'admin'] },
	// Who made a clip may change and delete it as well.
	'change its clips': { relations: ['owner'], roles: ['admin'] },
	'delete its clips': { relations: ['owner', 'moderator'], roles: ['moderator', 'admin'] },
	'see reports about its clips': { relations: ['owner'], roles: ['admin'] },
};

export function isAllowed(action: ChannelAction, relation: ChannelRelation, role: UserRole): boolean {
	const { relations, roles } = CHANNEL_PERMISSIONS[action];
	return relations.includes(relation) || roles.includes(role);
}
