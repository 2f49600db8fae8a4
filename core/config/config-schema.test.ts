/** Tests of the configuration schema: names, sources, errors, masking. */
import fc from 'fast-check';
import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { listConfigFields, maskConfig, maskUrl, nearest, pathToEnvironmentName, readConfig } from './config-schema.ts';
import { SpillwayError } from '../errors/errors.ts';

const SCHEMA = Type.Object({
	http: Type.Object({
		port: Type.Integer({ default: 8080, minimum: 0, maximum: 65_535, unit: 'port', description: 'Port.' }),
		tlsKeyFile: Type.Optional(Type.String({ minLength: 1, description: 'Key.' })),
	}),
	gain: Type.Number({ default: 0.5, minimum: 0, description: 'Gain.' }),
	isPublic: Type.Boolean({ default: false, description: 'Public.' }),
	addresses: Type.Array(Type.String({ minLength: 1 }), { default: [], maxItems: 2, description: 'Addresses.' }),
	level: Type.Enum(['low', 'high'], { default: 'low', description: 'Level.' }),
	password: Type.Optional(Type.String({ secret: true, minLength: 4, description: 'Password.' })),
	databaseUrl: Type.Optional(
		Type.String({
			secret: 'url',
			environmentName: 'DATABASE_URL',
			pattern: '^postgres://',
			expected: 'a postgres:// address',
			description: 'Database.',
		}),
	),
});

const DEFAULTS = { http: { port: 8080 }, gain: 0.5, isPublic: false, addresses: [], level: 'low' };

function refusal(action: () => unknown): string {
	try {
		action();
	} catch (error) {
		expect(error).toBeInstanceOf(SpillwayError);
		expect((error as SpillwayError).code).toBe('CONFIG_INVALID');
		return (error as SpillwayError).message;
	}
	throw new Error('It did not throw.');
}

describe('pathToEnvironmentName', () => {
	it.each([
		[['http', 'port'], 'SPILLWAY_HTTP_PORT'],
		[['dataFolder'], 'SPILLWAY_DATA_FOLDER'],
		[['demoStreamKey'], 'SPILLWAY_DEMO_STREAM_KEY'],
		[['rtc', 'announcedAddresses'], 'SPILLWAY_RTC_ANNOUNCED_ADDRESSES'],
	])('turns %j into %s', (path, name) => {
		expect(pathToEnvironmentName(path)).toBe(name);
	});
});

describe('listConfigFields', () => {
	it('lists every leaf with its name, limits and default', () => {
		expect(
			listConfigFields(SCHEMA).map((field) => [field.path.join('.'), field.environmentName, field.limits]),
		).toEqual([
			['http.port', 'SPILLWAY_HTTP_PORT', '0–65535'],
			['http.tlsKeyFile', 'SPILLWAY_HTTP_TLS_KEY_FILE', ''],
			['gain', 'SPILLWAY_GAIN', 'at least 0'],
			['isPublic', 'SPILLWAY_IS_PUBLIC', 'true, false'],
			['addresses', 'SPILLWAY_ADDRESSES', 'list of at most 2'],
			['level', 'SPILLWAY_LEVEL', 'low, high'],
			['password', 'SPILLWAY_PASSWORD', ''],
			['databaseUrl', 'DATABASE_URL', ''],
		]);
	});

	it('refuses a declaration in which two fields share a variable', () => {
		const text = Type.Optional(Type.String({ description: 'Text.' }));
		expect(() => listConfigFields(Type.Object({ httpPort: text, http: Type.Object({ port: text }) }))).toThrow(
			TypeError,
		);
	});

	it('refuses a field without words, with a bad default, or of an unknown type', () => {
		expect(() => listConfigFields(Type.Object({ a: Type.String() }))).toThrow(/full sentence/);
		expect(() =>
			listConfigFields(Type.Object({ a: Type.Integer({ default: 9, maximum: 3, description: 'A.' }) })),
		).toThrow(/outside its own limits/);
		expect(() => listConfigFields(Type.Object({ a: Type.Null({ description: 'A.' }) }))).toThrow(/does not know/);
		const text = Type.String({ pattern: '^a', description: 'A.' });
		expect(() => listConfigFields(Type.Object({ a: text }))).toThrow(/in words/);
		expect(() => listConfigFields(Type.Object({ a: Type.Array(text, { description: 'A.' }) }))).toThrow(/in words/);
	});
});

describe('readConfig', () => {
	it('returns the frozen defaults when nothing is set', () => {
		const config = readConfig(SCHEMA, { environment: {} });
		expect(config).toEqual(DEFAULTS);
		expect(Object.isFrozen(config) && Object.isFrozen(config.http) && Object.isFrozen(config.addresses)).toBe(true);
	});

	it('prefers the environment to the file, and the file to the defaults', () => {
		const config = readConfig(SCHEMA, {
			environment: { SPILLWAY_HTTP_PORT: '0', SPILLWAY_ADDRESSES: ' a , b,', SPILLWAY_IS_PUBLIC: '1', PATH: '/bin' },
			file: { $schema: 'x', http: { port: 1, tlsKeyFile: 'key.pem' }, level: 'high' },
		});
		expect(config).toEqual({
			...DEFAULTS,
			http: { port: 0, tlsKeyFile: 'key.pem' },
			isPublic: true,
			addresses: ['a', 'b'],
			level: 'high',
		});
	});

	it('treats an empty variable as not set', () => {
		expect(readConfig(SCHEMA, { environment: { SPILLWAY_HTTP_PORT: '', DATABASE_URL: '' } })).toEqual(DEFAULTS);
	});

	it.each([
		['SPILLWAY_HTTP_PROT', '1', 'is not known; did you mean SPILLWAY_HTTP_PORT?'],
		['SPILLWAY_HTTP_PORT', '70000', 'must be a whole number (0–65535), but is 70000.'],
		['SPILLWAY_HTTP_PORT', '1e3', 'must be a whole number (0–65535), but is "1e3".'],
		['SPILLWAY_LEVEL', 'middle', 'must be one of low, high, but is "middle".'],
		['SPILLWAY_IS_PUBLIC', 'yes', 'must be true or false, but is "yes".'],
		['SPILLWAY_GAIN', 'loud', 'must be a number (at least 0), but is "loud".'],
		['SPILLWAY_ADDRESSES', 'a,b,c', 'must not have more than 2 items'],
		['DATABASE_URL', 'mysql://h/d', 'must be a postgres:// address.'],
	])('refuses the variable %s=%s', (name, value, problem) => {
		expect(refusal(() => readConfig(SCHEMA, { environment: { [name]: value } }))).toContain(`${name} ${problem}`);
	});

	it.each([
		['{"http":{"prt":1}}', 'http.prt in the configuration file is not known; did you mean http.port?'],
		['{"databaseURL":"x"}', 'did you mean databaseUrl?'],
		['{"http":{"port":"8080"}}', 'http.port in the configuration file must be a whole number'],
		['{"http":5}', 'http in the configuration file must be a JSON object.'],
		['[]', 'the configuration file must be a JSON object.'],
		['{"__proto__":{"port":1}}', '__proto__ in the configuration file is not known'],
		['{"constructor":1}', 'constructor in the configuration file is not known'],
	])('refuses the file %s', (file, message) => {
		expect(refusal(() => readConfig(SCHEMA, { environment: {}, file: JSON.parse(file) }))).toContain(message);
	});

	it('ignores the variables of set-up', () => {
		expect(readConfig(SCHEMA, { environment: { SPILLWAY_SETUP_CACHE: '/x' } })).toEqual(DEFAULTS);
	});

	it('names every problem at once', () => {
		const message = refusal(() =>
			readConfig(SCHEMA, { environment: { SPILLWAY_GAIN: '-1', SPILLWAY_X: '' }, file: { y: 1 } }),
		);
		expect(message).toContain('SPILLWAY_GAIN');
		expect(message).toContain('SPILLWAY_X');
		expect(message).toContain('y in the configuration file');
	});

	it('never shows the value of a secret field', () => {
		const message = refusal(() =>
			readConfig(SCHEMA, { environment: { SPILLWAY_PASSWORD: 'abc', DATABASE_URL: 'mysql://u:hunter2@h/d' } }),
		);
		expect(message).toContain('SPILLWAY_PASSWORD');
		expect(message).toContain('DATABASE_URL');
		expect(message).not.toMatch(/abc|hunter2/);
	});

	it('names a required field that is missing', () => {
		const schema = Type.Object({ name: Type.String({ description: 'Name.' }) });
		expect(refusal(() => readConfig(schema, { environment: {} }))).toContain('name (SPILLWAY_NAME) must be given.');
	});

	it('looks for conflicts only when every value is valid', () => {
		const findConflicts = (config: { gain: number }): string[] => (config.gain > 1 ? ['gain is too high.'] : []);
		expect(refusal(() => readConfig(SCHEMA, { environment: { SPILLWAY_GAIN: '2' } }, findConflicts))).toContain(
			'gain is too high.',
		);
		expect(
			refusal(() => readConfig(SCHEMA, { environment: { SPILLWAY_GAIN: '2', SPILLWAY_LEVEL: 'x' } }, findConflicts)),
		).not.toContain('gain is too high.');
	});

	it('throws nothing but CONFIG_INVALID for any content of the file', () => {
		fc.assert(
			fc.property(fc.jsonValue(), (file) => {
				try {
					readConfig(SCHEMA, { environment: {}, file });
				} catch (error) {
					return error instanceof SpillwayError && error.code === 'CONFIG_INVALID';
				}
				return true;
			}),
		);
	});
});

describe('maskConfig', () => {
	it('hides secrets and keeps the rest', () => {
		const config = readConfig(SCHEMA, {
			environment: { SPILLWAY_PASSWORD: 'abcd', DATABASE_URL: 'postgres://u:p@host:5/d?password=q' },
		});
		expect(maskConfig(SCHEMA, config)).toEqual({
			...DEFAULTS,
			password: '***',
			databaseUrl: 'postgres://***@host:5/d',
		});
		expect(config.password).toBe('abcd');
	});
});

describe('maskUrl', () => {
	it.each([
		['redis://:pw@one:1,rediss://two:2/0?x=pw', 'redis://***@one:1,rediss://two:2/0'],
		['not a url pw', '***'],
		['postgres:pw', '***'],
	])('masks %s', (text, masked) => {
		expect(maskUrl(text)).toBe(masked);
	});
});

describe('nearest', () => {
	it('ignores case and finds the entry with the fewest changes', () => {
		expect(nearest('HTTP.PROT', ['rtmp.port', 'http.port', 'http.host'])).toBe('http.port');
	});
});
