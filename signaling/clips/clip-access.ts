/** Who may see, change and delete a clip. */
import type { FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { VideoVisibility } from '../../core/protocol/api/video.ts';
import type { TokenAuthenticator } from '../accounts/authenticator.ts';
import { isId } from '../channels/channel-access.ts';
import { isAllowed, type ChannelAction } from '../channels/channel-permissions.ts';
import type { ModeratorStore } from '../channels/moderator-store.ts';
import type { ClipRights } from './clip-description.ts';
import type { ClipRecord } from './clip-row.ts';
import type { ClipStore } from './clip-store.ts';

type ClipAccessDependencies = {
	clips: Pick<ClipStore, 'find'>;
	moderators: Pick<ModeratorStore, 'isModerator'>;
	authenticator: Pick<TokenAuthenticator, 'authenticate' | 'userOf'>;
};

type Owned = { ownerId: string | undefined };

export class ClipAccess {
	readonly #deps: ClipAccessDependencies;

	constructor(deps: ClipAccessDependencies) {
		this.#deps = deps;
	}

	/** Throws CLIP_NOT_FOUND, also for who may not see it. */
	async find(request: FastifyRequest, id: string): Promise<{ clip: ClipRecord; rights: ClipRights }> {
		const clip = isId(id) ? await this.#deps.clips.find(id) : undefined;
		if (clip === undefined) {
			throw new SpillwayError('CLIP_NOT_FOUND');
		}
		await this.authorize(request, clip);
		return { clip, rights: await this.rights(request, clip) };
	}

	/** Throws SIGN_IN_REQUIRED, CLIP_NOT_FOUND, then FORBIDDEN. */
	async require(
		request: FastifyRequest,
		id: string,
		action: 'change' | 'delete',
	): Promise<{ clip: ClipRecord; rights: ClipRights }> {
		const user = await this.#deps.authenticator.userOf(request);
		const found = await this.find(request, id);
		const { clip, rights } = found;
		const mayDelete = async (): Promise<boolean> =>
			(await this.#mayDo(request, 'delete its clips', clip)) ||
			isAllowed(
				'delete its clips',
				(await this.#deps.moderators.isModerator(clip.channelId, user.id)) ? 'moderator' : 'other',
				user.role,
			);
		if (!rights.mayChange && (action === 'change' || !(await mayDelete()))) {
			throw new SpillwayError('FORBIDDEN', [`you cannot ${action} this clip`]);
		}
		return found;
	}

	/** Throws CLIP_NOT_FOUND for who may not see it. */
	async authorize(request: FastifyRequest, clip: ClipRecord): Promise<void> {
		if (!(await this.sees(request, clip))) {
			throw new SpillwayError('CLIP_NOT_FOUND');
		}
	}

	/** Whether they may see a video, or a clip of it. */
	async sees(request: FastifyRequest, video: Owned & { visibility: VideoVisibility }): Promise<boolean> {
		return video.visibility !== 'private' || this.seesAll(request, video);
	}

	/** Whether they see what is not public on a channel. */
	seesAll(request: FastifyRequest, channel: Owned): Promise<boolean> {
		return this.#mayDo(request, 'see its private videos', channel);
	}

	async rights(request: FastifyRequest, clip: ClipRecord): Promise<ClipRights> {
		const user = await this.#deps.authenticator.authenticate(request);
		const isCreator = user !== undefined && user.id === clip.creatorId;
		return {
			mayChange: isCreator || (await this.#mayDo(request, 'change its clips', clip)),
			seesReports: await this.#mayDo(request, 'see reports about its clips', clip),
			seesVideo: clip.visibility === 'public' || (await this.seesAll(request, clip)),
		};
	}

	async #mayDo(request: FastifyRequest, action: ChannelAction, { ownerId }: Owned): Promise<boolean> {
		const user = await this.#deps.authenticator.authenticate(request);
		return user !== undefined && isAllowed(action, user.id === ownerId ? 'owner' : 'other', user.role);
	}
}
