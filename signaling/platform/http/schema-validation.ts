/** Validates requests against TypeBox schemas, without conversions and without dropping unknown fields. */
import type { FastifyInstance } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { problemSchema } from '../../../core/protocol/api/problem.ts';

/**
 * Validates the requests of a plugin's routes and sends their answers unchanged: schemas of answers are documentation,
 * which tests compare. Call it before the routes.
 */
export function validateWithTypeBox(app: FastifyInstance): void {
	app.setValidatorCompiler<TSchema>(({ schema, httpPart }) => {
		const validator = Compile(schema);
		return (value: unknown) => {
			if (validator.Check(value)) {
				return { value };
			}
			return { error: new SpillwayError('REQUEST_INVALID', [explain(httpPart ?? 'request', validator.Errors(value))]) };
		};
	});
	app.setSerializerCompiler(() => (value) => JSON.stringify(value));
}

// Names the place and the rule, never the value, which may be a password.
function explain(
	part: string,
	problems: readonly { keyword: string; instancePath: string; message: string; params: object }[],
): string {
	const problem = problems.find(({ keyword }) => keyword !== 'boolean') ?? problems[0];
	if (problem === undefined) {
		return `${part} is malformed`;
	}
	const extra = (problem.params as { additionalProperties?: readonly string[] }).additionalProperties?.[0];
	const place = `${part}${problem.instancePath}`.replace(/[^\w/.-]/g, '?').slice(0, 60);
	// A field name of the sender is shown only when it is harmless.
	return extra !== undefined && /^\w{1,40}$/.test(extra)
		? `${place} must not have "${extra}"`
		: `${place} ${problem.message}`.slice(0, 200);
}

/** Entries of a route's `response` for its error statuses. */
export function refusals<Status extends number>(...statuses: readonly Status[]): Record<Status, typeof problemSchema> {
	return Object.fromEntries(statuses.map((status) => [status, problemSchema])) as Record<Status, typeof problemSchema>;
}
