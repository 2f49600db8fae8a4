/** Finds the channel that a request names, and checks that the user may do what the request asks. */
import type { FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelParams } from '../../core/protocol/api/channel-description.ts';
import type { TokenAuthenticator } from '../accounts/authenticator.ts';
import type { User } from '../accounts/user.ts';
import { isAllowed, type ChannelAction } from './channel-permissions.ts';
import type { Channel, ChannelStore } from './channel-store.ts';
import type { ModeratorStore } from './moderator-store.ts';

/** True for the form of the ids of createId(): longer than any name, and safe in a query. */
export function isId(text: string): boolean {
	return /^[0-9a-z]{26}$/.test(text);
}

type ChannelAccessDependencies = {
	channels: Pick<ChannelStore, 'findById' | 'findByName'>;
	moderators: Pick<ModeratorStore, 'isModerator'>;
	authenticator: Pick<TokenAuthenticator, 'userOf'>;
};

export class ChannelAccess {
	readonly #deps: ChannelAccessDependencies;

	constructor(deps: ChannelAccessDependencies) {
		this.#deps = deps;
	}

	/** `text`: an id or a name. Throws CHANNEL_NOT_FOUND. */
	async find(text: string): Promise<Channel> {
		const { channels } = this.#deps;
		const channel = await (isId(text) ? channels.findById(text) : channels.findByName(text));
		if (channel === undefined) {
			throw new SpillwayError('CHANNEL_NOT_FOUND', [text.replace(/[^\x20-\x7e]/g, '?').slice(0, 40)]);
		}
		return channel;
	}

	/** Throws SIGN_IN_REQUIRED, then CHANNEL_NOT_FOUND, then FORBIDDEN. */
	async require(request: FastifyRequest, action: ChannelAction): Promise<{ channel: Channel; user: User }> {
		const user = await this.#deps.authenticator.userOf(request);
		const channel = await this.find((request.params as ChannelParams).channel);
		if (isAllowed(action, channel.ownerId === user.id ? 'owner' : 'other', user.role)) {
			return { channel, user };
		}
		const isModerator = await this.#deps.moderators.isModerator(channel.id, user.id);
		if (!isAllowed(action, isModerator ? 'moderator' : 'other', user.role)) {
			throw new SpillwayError('FORBIDDEN', [`you cannot ${action}`]);
		}
		return { channel, user };
	}
}
