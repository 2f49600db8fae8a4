/** Declares, reads, masks and lists configuration. The file and the environment are passed in as data. */
import { Value } from 'typebox/value';
import type { Static, TObject, TSchema } from 'typebox';
import { SpillwayError } from '../errors/errors.ts';

/** TypeBox options of each field, besides its limits. `default` is missing only where absence has a meaning. */
export type ConfigFieldOptions = {
	/** What it is and why an operator changes it. A full sentence; becomes the row in docs/configuration.md. */
	description: string;
	/** What a text with a pattern must be, in words, to follow "must be". */
	expected?: string;
	/** Unit of a number, such as `s` or `UDP port`. */
	unit?: string;
	/** `true` hides the value in logs and messages; `url` hides user, password and query of a URL. */
	secret?: true | 'url';
	/** Only for names that other tools define (`DATABASE_URL`); all others are derived from the path. */
	environmentName?: string;
};

/** The TypeBox options that are read here. */
type FieldSchemaOptions = Partial<ConfigFieldOptions> & {
	default?: unknown;
	type?: string;
	enum?: readonly string[];
	minimum?: number;
	maximum?: number;
	maxItems?: number;
	pattern?: string;
	items?: { pattern?: string };
};

/** Kinds of value; the kind decides how the environment variable is parsed. */
type ConfigFieldKind = 'integer' | 'number' | 'boolean' | 'string' | 'list';

/** One leaf of a configuration schema. @internal for tests */
export type ConfigField = {
	/** Place in the file: `['http', 'port']`. */
	path: readonly string[];
	environmentName: string;
	kind: ConfigFieldKind;
	description: string;
	expected: string | undefined;
	unit: string | undefined;
	defaultValue: unknown;
	/** Limits as people read them, such as `0–65535` or `json, text`; empty when there are none. */
	limits: string;
	secret: false | true | 'url';
	schema: TSchema;
};

/** Where a configuration comes from. The environment wins over the file, the file over the defaults. */
type ConfigSources = {
	/** Environment variables. An empty one counts as not set, because container tools pass empty ones. */
	environment: Readonly<Record<string, string | undefined>>;
	/** The parsed configuration file; undefined when there is none. */
	file?: unknown;
	/** What the file is called in messages. */
	fileName?: string;
};

const ENVIRONMENT_PREFIX = 'SPILLWAY_';
/** Variables with this prefix are read by the set-up program, not by this schema. */
const SETUP_ENVIRONMENT_PREFIX = 'SPILLWAY_SETUP_';

/** Environment name of a path: `['http', 'tlsKeyFile']` → `SPILLWAY_HTTP_TLS_KEY_FILE`. @internal for tests */
export function pathToEnvironmentName(path: readonly string[]): string {
	const words = path.map((part) => part.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase());
	return ENVIRONMENT_PREFIX + words.join('_');
}

/**
 * Every leaf of the schema, in declaration order. Throws a TypeError when the declaration itself is wrong.
 * @internal for tests
 */
export function listConfigFields(schema: TObject): ConfigField[] {
	const fields = collectFields(schema, []);
	const seen = new Map<string, ConfigField>();
	for (const field of fields) {
		const other = seen.get(field.environmentName);
		if (other !== undefined) {
			throw new TypeError(
				`${field.path.join('.')} and ${other.path.join('.')} are both read from ${field.environmentName}.`,
			);
		}
		seen.set(field.environmentName, field);
	}
	return fields;
}

function collectFields(schema: TObject, parent: readonly string[]): ConfigField[] {
	return Object.entries(schema.properties).flatMap(([name, child]) => {
		const path = [...parent, name];
		return isObjectSchema(child) ? collectFields(child, path) : [toField(child, path)];
	});
}

function isObjectSchema(schema: TSchema): schema is TObject {
	return 'properties' in schema;
}

function toField(schema: TSchema, path: readonly string[]): ConfigField {
	const options: FieldSchemaOptions = schema;
	if (options.description === undefined || !options.description.endsWith('.')) {
		throw new TypeError(`${path.join('.')} needs a description that is a full sentence.`);
	}
	if ((options.pattern ?? options.items?.pattern) !== undefined && options.expected === undefined) {
		throw new TypeError(`${path.join('.')} has a pattern and needs its meaning in words.`);
	}
	if (options.default !== undefined && Value.Errors(schema, options.default).length > 0) {
		throw new TypeError(`The default of ${path.join('.')} is outside its own limits.`);
	}
	return {
		path,
		environmentName: options.environmentName ?? pathToEnvironmentName(path),
		kind: toKind(options, path),
		description: options.description,
		expected: options.expected,
		unit: options.unit,
		defaultValue: options.default,
		limits: describeLimits(options),
		secret: options.secret ?? false,
		schema,
	};
}

function toKind(options: FieldSchemaOptions, path: readonly string[]): ConfigFieldKind {
	if (options.enum !== undefined || options.type === 'string') {
		return 'string';
	}
	if (options.type === 'array') {
		return 'list';
	}
	if (options.type === 'integer' || options.type === 'number' || options.type === 'boolean') {
		return options.type;
	}
	throw new TypeError(`${path.join('.')} has a type that configuration does not know: ${options.type}.`);
}

function describeLimits(limits: FieldSchemaOptions): string {
	if (limits.enum !== undefined) {
		return limits.enum.join(', ');
	}
	if (limits.type === 'boolean') {
		return 'true, false';
	}
	if (limits.type === 'array') {
		return limits.maxItems === undefined ? 'list' : `list of at most ${limits.maxItems}`;
	}
	if (limits.minimum !== undefined && limits.maximum !== undefined) {
		return `${limits.minimum}–${limits.maximum}`;
	}
	return limits.minimum === undefined ? '' : `at least ${limits.minimum}`;
}

/**
 * Joins defaults, file and environment, checks each value and then the rules between fields, and freezes the result.
 *
 * Throws CONFIG_INVALID that names all problems, so that an operator does not fix them one start at a time. Values of
 * secret fields are never part of the message.
 *
 * @param findConflicts Rules between fields; returns one sentence for each conflict, with the names of the keys. Runs
 * only when every value is valid.
 */
export function readConfig<Schema extends TObject>(
	schema: Schema,
	sources: ConfigSources,
	findConflicts: (config: Static<Schema>) => readonly string[] = () => [],
): Readonly<Static<Schema>> {
	const fields = listConfigFields(schema);
	const fileName = sources.fileName ?? 'the configuration file';
	const problems = [
		...findUnknownFileKeys(schema, sources.file, fileName, fields),
		...findUnknownVariables(sources.environment, fields),
	];
	const config = emptySections(schema);
	for (const field of fields) {
		const found = readField(field, sources, fileName);
		if ('problem' in found) {
			problems.push(found.problem);
		} else if (found.value !== undefined) {
			setAt(config, field.path, found.value);
		} else if (!('~optional' in field.schema)) {
			problems.push(`${field.path.join('.')} (${field.environmentName}) must be given.`);
		}
	}
	if (problems.length === 0) {
		problems.push(...findConflicts(config as Static<Schema>));
	}
	if (problems.length > 0) {
		throw new SpillwayError('CONFIG_INVALID', [problems.join(' ')]);
	}
	return freezeDeep(config) as Readonly<Static<Schema>>;
}

function readField(
	field: ConfigField,
	sources: ConfigSources,
	fileName: string,
): { value: unknown } | { problem: string } {
	const text = sources.environment[field.environmentName];
	let value: unknown;
	let origin = field.environmentName;
	if (text !== undefined && text !== '') {
		value = parseVariable(field, text);
	} else {
		value = getAt(sources.file, field.path);
		origin = `${field.path.join('.')} in ${fileName}`;
		if (value === undefined) {
			return { value: structuredClone(field.defaultValue) };
		}
	}
	const error = Value.Errors(field.schema, value)[0];
	if (error === undefined) {
		return { value };
	}
	const got = field.secret === false ? `, but is ${JSON.stringify(value)}` : '';
	return { problem: `${origin} ${describeExpectation(field, error)}${got}.` };
}

function describeExpectation(field: ConfigField, error: { keyword: string; message: string }): string {
	if (error.keyword === 'pattern' && field.expected !== undefined) {
		return `must be ${field.expected}`;
	}
	switch (field.kind) {
		case 'integer':
			return `must be a whole number${field.limits === '' ? '' : ` (${field.limits})`}`;
		case 'number':
			return `must be a number${field.limits === '' ? '' : ` (${field.limits})`}`;
		case 'boolean':
			return 'must be true or false';
		default:
			return field.limits !== '' && field.kind === 'string' ? `must be one of ${field.limits}` : error.message;
	}
}

// A text that does not parse as the field's kind stays text, so that the schema refuses it and the message shows it.
function parseVariable(field: ConfigField, text: string): unknown {
	const trimmed = text.trim();
	switch (field.kind) {
		case 'integer':
		case 'number':
			return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : text;
		case 'boolean':
			return trimmed === 'true' || trimmed === '1' ? true : trimmed === 'false' || trimmed === '0' ? false : text;
		case 'list':
			return parseList(trimmed);
		case 'string':
			return trimmed;
	}
}

/** Texts with commas between, or JSON, which a list of objects needs. Text that is no JSON is no list either. */
function parseList(text: string): unknown {
	if (!text.startsWith('[')) {
		return text.split(',').map((item) => item.trim()).filter((item) => item !== ''); // prettier-ignore
	}
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

function findUnknownFileKeys(
	schema: TObject,
	file: unknown,
	fileName: string,
	fields: readonly ConfigField[],
	parent: readonly string[] = [],
): string[] {
	if (file === undefined) {
		return [];
	}
	if (typeof file !== 'object' || file === null || Array.isArray(file)) {
		return [`${parent.length === 0 ? fileName : `${parent.join('.')} in ${fileName}`} must be a JSON object.`];
	}
	const problems: string[] = [];
	for (const [key, value] of Object.entries(file)) {
		const path = [...parent, key];
		const child = Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
		if (child === undefined) {
			// "$schema" lets editors complete the file; it has no meaning here.
			if (path.join('.') !== '$schema') {
				const known = fields.map((field) => field.path.join('.'));
				problems.push(`${path.join('.')} in ${fileName} is not known; did you mean ${nearest(path.join('.'), known)}?`);
			}
		} else if (isObjectSchema(child)) {
			problems.push(...findUnknownFileKeys(child, value, fileName, fields, path));
		}
	}
	return problems;
}

function findUnknownVariables(environment: ConfigSources['environment'], fields: readonly ConfigField[]): string[] {
	const known = fields.map((field) => field.environmentName);
	return Object.keys(environment)
		.filter((name) => name.startsWith(ENVIRONMENT_PREFIX) && !name.startsWith(SETUP_ENVIRONMENT_PREFIX))
		.filter((name) => !known.includes(name))
		.map((name) => `${name} is not known; did you mean ${nearest(name, known)}?`);
}

/**
 * The entry of `known` that takes the fewest single-character changes to reach from `text`, ignoring case.
 * @internal for tests
 */
export function nearest(text: string, known: readonly string[]): string {
	let best = '';
	let bestDistance = Infinity;
	for (const candidate of known) {
		const distance = editDistance(text.toLowerCase().slice(0, 100), candidate.toLowerCase());
		if (distance < bestDistance) {
			best = candidate;
			bestDistance = distance;
		}
	}
	return best;
}

function editDistance(one: string, other: string): number {
	let row = Array.from({ length: other.length + 1 }, (_, index) => index);
	for (let i = 1; i <= one.length; i++) {
		const next = [i];
		for (let j = 1; j <= other.length; j++) {
			const substitution = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
			next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
		}
		row = next;
	}
	return row[other.length]!;
}

/** A copy with every secret hidden, for the log line at start. */
export function maskConfig(schema: TObject, config: object): object {
	const masked = structuredClone(config) as Record<string, unknown>;
	for (const field of listConfigFields(schema)) {
		const value = getAt(masked, field.path);
		if (field.secret !== false && value !== undefined) {
			setAt(masked, field.path, field.secret === 'url' ? maskUrl(String(value)) : '***');
		}
	}
	return masked;
}

/** A URL, or a comma-separated list of them, without password and query; `***` when it is none. @internal for tests */
export function maskUrl(text: string): string {
	return text
		.split(',')
		.map((part) => {
			const url = URL.parse(part.trim());
			if (url === null || url.host === '') {
				return '***';
			}
			const credentials = url.username === '' && url.password === '' ? '' : '***@';
			return `${url.protocol}//${credentials}${url.host}${url.pathname === '/' ? '' : url.pathname}`;
		})
		.join(',');
}

function emptySections(schema: TObject): Record<string, unknown> {
	const sections = Object.entries(schema.properties).filter(([, child]) => isObjectSchema(child));
	return Object.fromEntries(sections.map(([name, child]) => [name, emptySections(child as TObject)]));
}

function getAt(root: unknown, path: readonly string[]): unknown {
	let value = root;
	for (const name of path) {
		if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) {
			return undefined;
		}
		value = (value as Record<string, unknown>)[name];
	}
	return value;
}

// The path comes from the schema, never from a file, so "__proto__" cannot be in it. Its section exists.
function setAt(root: Record<string, unknown>, path: readonly string[], value: unknown): void {
	const section = getAt(root, path.slice(0, -1)) as Record<string, unknown>;
	section[path.at(-1)!] = value;
}

function freezeDeep<T>(value: T): T {
	if (typeof value === 'object' && value !== null) {
		Object.values(value).forEach(freezeDeep);
		Object.freeze(value);
	}
	return value;
}
