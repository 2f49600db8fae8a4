/** Creates the pictures part: the maker of all still pictures, and the live still of each channel with its route. */
import type { FastifyPluginAsync } from 'fastify';
import type { BroadcastId } from '../../core/ids.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Packager } from '../../packager/create-packager.ts';
import { LiveStills } from '../../packager/pictures/live-stills.ts';
import { PictureMaker } from '../../packager/pictures/picture-maker.ts';
import { createStillRoutes, type StillRoutesDependencies } from './still-routes.ts';

type PicturesDependencies = Pick<StillRoutesDependencies, 'locator'> & {
	clock: Clock;
	logger: Logger;
	registry: Pick<BroadcastRegistry, 'on'>;
	packager: Pick<Packager, 'broadcast'>;
	/** False while media needs the machine. */
	mayRun: () => boolean;
};

type Pictures = {
	/** For videos as well, so that this server makes one picture at a time. */
	maker: PictureMaker;
	/** Another one for each still; undefined while there is none. */
	stillVersion(broadcastId: BroadcastId): string | undefined;
	routes: FastifyPluginAsync;
	close(): Promise<void>;
};

/** Watches all broadcasts that begin. */
export function createPictures(deps: PicturesDependencies): Pictures {
	const { clock, registry, packager, mayRun, locator } = deps;
	const logger = deps.logger.child({ part: 'pictures' });
	const scope = new CloseScope<'server-shutdown'>(logger);
	const maker = new PictureMaker({ clock });
	const stills = new LiveStills({ maker, clock, logger, mayRun });
	scope.onClose(() => stills.close());
	scope.onClose(
		registry.on('broadcastStarted', ({ id }) => {
			const broadcast = packager.broadcast(id);
			if (broadcast !== undefined) {
				stills.watch(broadcast);
			}
		}),
	);
	return {
		maker,
		stillVersion: (broadcastId) => stills.still(broadcastId)?.etag.slice(1, 9),
		routes: createStillRoutes({ stills, locator }),
		close: () => scope.close('server-shutdown'),
	};
}
