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
			return {
				error: new SpillwayError('REQUEST_INVALID', [explain(httpPart ?? 'request', validator.Errors(value), schema)]),
			};
		};
	});
	app.setSerializerCompiler(() => (value) => JSON.stringify(value));
}

// Names the place and the rule, never the value, which may be a password.
function explain(
	part: string,
	problems: readonly { keyword: string; schemaPath: string; instancePath: string; message: string; params: object }[],
	schema: TSchema,
): string {
	const forms = problems.map(({ keyword, schemaPath }) => (keyword === 'anyOf' ? schemaAt(schema, schemaPath) : {}));
	const choice = forms.findIndex(({ anyOf }) => (anyOf?.length ?? 0) > 2);
	if (choice !== -1 && forms[choice]!.description !== undefined) {
		// The rules of the single forms would mislead: each asks for one of them.
		return `${placeOf(part, problems[choice]!.instancePath)} must be ${forms[choice]!.description}`.slice(0, 200);
	}
	const problem = problems.find(({ keyword }) => keyword !== 'boolean') ?? problems[0];
	if (problem === undefined) {
		return `${part} is malformed`;
	}
	const extra = (problem.params as { additionalProperties?: readonly string[] }).additionalProperties?.[0];
	const place = placeOf(part, problem.instancePath);
	// A field name of the sender is shown only when it is harmless.
	return extra !== undefined && /^\w{1,40}$/.test(extra)
		? `${place} must not have "${extra}"`
		: `${place} ${problem.message}`.slice(0, 200);
}

function placeOf(part: string, instancePath: string): string {
	return `${part}${instancePath}`.replace(/[^\w/.-]/g, '?').slice(0, 60);
}

/** The part of a schema at a JSON pointer, such as `#/properties/name`. */
function schemaAt(schema: TSchema, schemaPath: string): { anyOf?: readonly TSchema[]; description?: string } {
	const steps = schemaPath.split('/').slice(1);
	return steps.reduce<unknown>((part, step) => (part as Record<string, unknown> | undefined)?.[step], schema) ?? {};
}

/** Entries of a route's `response` for its error statuses. */
export function refusals<Status extends number>(...statuses: readonly Status[]): Record<Status, typeof problemSchema> {
	return Object.fromEntries(statuses.map((status) => [status, problemSchema])) as Record<Status, typeof problemSchema>;
}
