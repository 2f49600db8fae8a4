/** Which pictures the viewers of one room get over WebRTC: what they wish, what is sent, and lines that carry none. */
import type { ViewerId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import type { PictureWish, ViewerPicture } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { PictureGroup } from '../tiers/held-pictures.ts';
import { pictureGroup } from '../tiers/tier-input.ts';
import type { Viewer } from './viewer.ts';
import type { WebRtcSession, WebRtcSessions } from './webrtc-sessions.ts';

type ViewerPicturesDependencies = {
	logger: Logger;
	sessions: Pick<WebRtcSessions, 'wish' | 'stopPictures'>;
	find(viewerId: ViewerId): Viewer | undefined;
	/** Their tier has to be decided again. */
	onChanged(viewer: Viewer): void;
};

export class ViewerPictures {
	readonly #deps: ViewerPicturesDependencies;

	constructor(deps: ViewerPicturesDependencies) {
		this.#deps = deps;
	}

	/** A viewer has sent their wish, which later transports get as well. */
	wish(viewer: Viewer, { rung, heightPixels }: PictureWish): void {
		viewer.pictureWish = {
			...(rung === undefined ? {} : { rung }),
			...(heightPixels === undefined ? {} : { heightPixels }),
		};
		this.#deps.sessions.wish(viewer.id, viewer.pictureWish);
		// They may take more bits at once.
		this.#deps.onChanged(viewer);
	}

	/** Whose picture gets smaller last; anyone without a socket is ordinary. */
	groupOf(viewerId: ViewerId | undefined): PictureGroup {
		const viewer = viewerId === undefined ? undefined : this.#deps.find(viewerId);
		return viewer === undefined ? 'ordinary' : pictureGroup(viewer);
	}

	/** A transport has connected. */
	opened({ viewerId, wish, expectPoorLine }: Pick<WebRtcSession, 'viewerId' | 'wish' | 'expectPoorLine'>): void {
		const viewer = this.#deps.find(viewerId as ViewerId);
		if (viewer?.hasPoorLine === true) {
			expectPoorLine();
		}
		if (viewer?.pictureWish !== undefined) {
			wish(viewer.pictureWish);
		}
	}

	/** Another picture is sent to a viewer, or could be. */
	changed(viewerId: ViewerId, picture: ViewerPicture): void {
		const viewer = this.#deps.find(viewerId);
		if (viewer !== undefined) {
			viewer.picture = picture;
			viewer.connection?.send({ type: 'picture', ...picture });
		}
	}

	/** A viewer's line does not carry the lowest picture. The pictures stop at once, to make room for LL-HLS. */
	lineTooPoor(viewerId: ViewerId): void {
		const viewer = this.#deps.find(viewerId);
		if (viewer?.lineTooPoor() === true) {
			this.#deps.logger.info({ viewerId }, "a viewer's line carries no picture over WebRTC");
			this.#deps.sessions.stopPictures(viewerId);
			this.#deps.onChanged(viewer);
		}
	}
}
