/** Answers failed HTTP requests with a problem document from the error table. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { systemClock, type Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError, type ErrorCode } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { PROBLEM_CONTENT_TYPE, type Problem } from '../../../core/protocol/api/problem.ts';
import { FailureLog } from './failure-log.ts';
import { redactUrl } from './redact-url.ts';

/** Longest explanation of an invalid request. */
const MAX_DETAIL_LENGTH = 300;

/**
 * Answers every failure: a {@link SpillwayError} by its row, errors of fastify (validation, size, content type) by the
 * matching row. Any other error is a bug and gets INTERNAL_ERROR. Call it before any route is registered.
 */
export function registerErrorHandler(server: FastifyInstance, logger: Logger, clock: Clock = systemClock): void {
	const log = new FailureLog({ clock, logger });
	server.setErrorHandler((error: FastifyError | SpillwayError, request, reply) => {
		void sendProblem(reply, toSpillwayError(error, request), request, log);
	});
	server.setNotFoundHandler((request, reply) => {
		void sendProblem(reply, new SpillwayError('ROUTE_NOT_FOUND', [pathOf(request)]), request, log);
	});
}

const failureCodes = new WeakMap<FastifyRequest, ErrorCode>();

/** The error code of an answered request; undefined for a served one. For the metrics. */
export function failureCodeOf(request: FastifyRequest): ErrorCode | undefined {
	return failureCodes.get(request);
}

/** For fastify's option `frameworkErrors`: answers errors before routing, such as a malformed address. */
export function createFrameworkErrorHandler(
	logger: Logger,
	clock: Clock = systemClock,
): (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => void {
	const log = new FailureLog({ clock, logger });
	return (error, request, reply) => void sendProblem(reply, toSpillwayError(error, request), request, log);
}

async function sendProblem(
	reply: FastifyReply,
	error: SpillwayError,
	request: FastifyRequest,
	log: FailureLog,
): Promise<void> {
	const { id: requestId, method } = request;
	log.record(error, { requestId, method, url: redactUrl(request.url), code: error.code });
	failureCodes.set(request, error.code);
	if (error.httpStatus === 401) {
		// RFC 9110 §15.5.2: a 401 "MUST" name the scheme.
		void reply.header('www-authenticate', 'Bearer');
	}
	if (error.retryAfterSeconds !== undefined) {
		void reply.header('retry-after', String(Math.ceil(error.retryAfterSeconds)));
	}
	// A request that fails now may succeed in a second, so a cache must not store the answer.
	if (!reply.hasHeader('cache-control')) {
		void reply.header('cache-control', 'no-store');
	}
	const body = JSON.stringify(errorToProblem(error, request.id));
	await reply.code(error.httpStatus).type(PROBLEM_CONTENT_TYPE).serializer(String).send(body);
}

// Without the cause, which is for the log only.
function errorToProblem(error: SpillwayError, requestId: string): Problem {
	const words = error.code.toLowerCase().replaceAll('_', ' ');
	return {
		type: `urn:spillway:error:${words.replaceAll(' ', '-')}`,
		title: words[0]!.toUpperCase() + words.slice(1),
		status: error.httpStatus,
		detail: error.message,
		instance: `urn:spillway:request:${requestId}`,
		code: error.code,
		requestId,
	};
}

function toSpillwayError(error: FastifyError | SpillwayError, request: FastifyRequest): SpillwayError {
	if (error instanceof SpillwayError) {
		return error;
	}
	const { code, statusCode } = error as Partial<FastifyError>;
	if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
		return new SpillwayError('BODY_TOO_LARGE', [request.routeOptions.bodyLimit], { cause: error });
	}
	if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
		return new SpillwayError('CONTENT_TYPE_UNSUPPORTED', ['application/json', contentTypeOf(request)], {
			cause: error,
		});
	}
	if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
		return new SpillwayError('REQUEST_INVALID', [explain(error)], { cause: error });
	}
	return new SpillwayError('INTERNAL_ERROR', [request.id], { cause: error });
}

// Validation messages name the place and the rule ("body/bitrate must be integer"), never the value.
function explain(error: FastifyError): string {
	const text = error.validation === undefined ? withoutQuotes(error.message) : error.message;
	return text.replace(/[.\s]+$/, '').slice(0, MAX_DETAIL_LENGTH);
}

// The JSON parser quotes the text around a mistake, which could be a secret.
function withoutQuotes(message: string): string {
	return message.replace(/,? ?"[^]*"/, '').replace(/\s+/g, ' ');
}

function contentTypeOf(request: FastifyRequest): string {
	const text = request.headers['content-type'] ?? '';
	return text.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');
}

function pathOf(request: FastifyRequest): string {
	return redactUrl(request.url.split('?')[0]!);
}
