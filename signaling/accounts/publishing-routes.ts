/** `/api/v1/users/{user}/publishing`: administrators approve accounts for publishing or withdraw the approval. */
import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import { SpillwayError } from '../../core/errors/errors.ts';
import { userParamsSchema, type UserParams } from '../../core/protocol/api/account.ts';
import type { Logger } from '../../core/logger.ts';
import { refusals } from '../platform/http/schema-validation.ts';
import { prepareApiRoutes, userRoutes } from './route-options.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import type { RequestOrigin } from './request-origin.ts';
import { parseUserName } from './user.ts';
import type { UserStore } from './user-store.ts';

type PublishingRoutesDependencies = {
	authenticator: TokenAuthenticator;
	origin: RequestOrigin;
	users: Pick<UserStore, 'setPublishingApproved'>;
	logger: Logger;
};

/** PUT approves, DELETE withdraws. Both apply to encoders that connect five seconds later or more. */
export function createPublishingRoutes(deps: PublishingRoutesDependencies): FastifyPluginAsync {
	const { authenticator, origin, users, logger } = deps;
	return async (app) => {
		await prepareApiRoutes(app, origin);
		const options = userRoutes('accounts', authenticator);
		const addChange = (method: 'PUT' | 'DELETE', isApproved: boolean, summary: string, description: string): void => {
			app.route<{ Params: UserParams }>({
				method,
				url: '/api/v1/users/:user/publishing',
				...options({
					summary,
					description,
					params: userParamsSchema,
					response: { 204: Type.Null(), ...refusals(400, 401, 403, 404, 429, 503) },
				}),
				handler: async (request, reply) => {
					const administrator = await authenticator.userOf(request);
					if (administrator.role !== 'admin') {
						throw new SpillwayError('FORBIDDEN', ['only administrators decide who may publish']);
					}
					const name = parseUserName(request.params.user);
					if (name === undefined || !(await users.setPublishingApproved(name, isApproved))) {
						throw new SpillwayError('USER_NOT_FOUND', [request.params.user.replace(/[^\x20-\x7e]/g, '?').slice(0, 40)]);
					}
					logger.info({ name, isApproved, by: administrator.id }, 'an approval for publishing was changed');
					return reply.code(204).send();
				},
			});
		};
		addChange(
			'PUT',
			true,
			'Approve an account for publishing',
			'Applies where accounts.whoMayPublish is "approved"; also opens the room that other accounts cannot fill. For administrators.',
		);
		addChange('DELETE', false, 'Take the approval back', 'A broadcast on air continues; end it by its own route.');
	};
}
