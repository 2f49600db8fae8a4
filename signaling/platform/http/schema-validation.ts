/** Checks requests against TypeBox schemas: nothing is converted, nothing unknown is dropped in silence. */
import type { FastifyInstance } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { problemSchema } from '../../../core/protocol/api/problem.ts';

/**
 * Makes the routes of a plugin check their requests by their TypeBox schemas and send what they return as it is;
 * schemas of answers are documentation, and tests compare. Call it before the routes.
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

// Place and rule, never the value, which may be a password.
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
	// A name that the sender chose is shown when it is an ordinary one.
	return extra !== undefined && /^\w{1,40}$/.test(extra)
		? `${place} must not have "${extra}"`
		: `${place} ${problem.message}`.slice(0, 200);
}

/** Entries of a route's `response` for the statuses that it refuses with. */
export function refusals<Status extends number>(...statuses: readonly Status[]): Record<Status, typeof problemSchema> {
	return Object.fromEntries(statuses.map((status) => [status, problemSchema])) as Record<Status, typeof problemSchema>;
}
