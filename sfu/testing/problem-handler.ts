/** Error handling for routes in tests: status and code of a SpillwayError, Fastify's own refusals unchanged. */
import type { FastifyError, FastifyInstance } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';

export function answerProblems(app: FastifyInstance): void {
	app.setErrorHandler((error: FastifyError | SpillwayError, _request, reply) => {
		if (error instanceof SpillwayError) {
			if (error.retryAfterSeconds !== undefined) {
				void reply.header('retry-after', String(error.retryAfterSeconds));
			}
			return reply.code(error.httpStatus).send({ code: error.code });
		}
		return reply.code(error.statusCode ?? 500).send({ code: error.code, message: error.message });
	});
}
