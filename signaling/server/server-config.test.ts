/** Tests of the configuration schema: environment names, rules between fields, and the example file. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { listConfigFields, maskConfig, readConfig } from '../../core/config/config-schema.ts';
import { findConfigConflicts, loadServerConfig, SERVER_CONFIG_SCHEMA, type ServerConfig } from './server-config.ts';

function read(environment: Record<string, string>): ServerConfig {
	return readConfig(SERVER_CONFIG_SCHEMA, { environment }, findConfigConflicts);
}

const S3_ENVIRONMENT = {
	SPILLWAY_RECORDING_S3_ENDPOINT: 'https://s3.example',
	SPILLWAY_RECORDING_S3_BUCKET: 'recordings',
	SPILLWAY_RECORDING_S3_ACCESS_KEY_ID: 'key',
	SPILLWAY_RECORDING_S3_SECRET_ACCESS_KEY: 'hush',
};

describe('SERVER_CONFIG_SCHEMA', () => {
	it('has the environment names that tests and operators rely on', () => {
		const names = listConfigFields(SERVER_CONFIG_SCHEMA).map((field) => field.environmentName);
		expect(names).toEqual(
			expect.arrayContaining([
				'SPILLWAY_HTTP_PORT',
				'SPILLWAY_RTMP_PORT',
				'SPILLWAY_RTC_PORT',
				'SPILLWAY_DATA_FOLDER',
				'SPILLWAY_DEMO_STREAM_KEY',
				'DATABASE_URL',
				'REDIS_URL',
				'MEDIASOUP_WORKER_BIN',
			]),
		);
	});

	it('has the documented defaults', () => {
		expect(read({})).toMatchObject({
			http: { port: 8080 },
			rtmp: { port: 1935 },
			rtc: { port: 44_444 },
			ingest: { graceWindowSeconds: 60 },
			dataFolder: './data',
		});
	});

	it('reads CDNs as JSON, each with an id of its own and an address without secrets', () => {
		const cdns = [
			{ id: 'a', baseUrl: 'https://a.example/x', weight: 2 },
			{ id: 'b', baseUrl: 'http://b.example' },
		];
		expect(read({ SPILLWAY_HLS_CDNS: JSON.stringify(cdns) }).hls.cdns).toEqual(cdns);
		for (const wrong of [
			[cdns[0], cdns[0]],
			[{ id: 'a/b', baseUrl: 'https://a.example' }],
			[{ id: 'a', baseUrl: 'https://user:hush@a.example' }],
			[{ id: 'a', baseUrl: 'https://a.example', weight: -1 }],
			[{ id: 'a', baseUrl: 'https://a.example', wieght: 1 }],
			'no JSON',
			'[no JSON',
		]) {
			expect(() => read({ SPILLWAY_HLS_CDNS: typeof wrong === 'string' ? wrong : JSON.stringify(wrong) })).toThrow(
				/HLS_CDNS|hls\.cdns/,
			);
		}
	});

	it('accepts the example file, which changes no default', () => {
		const file = JSON.parse(readFileSync('spillway.config.example.json', 'utf8')) as unknown;
		expect(readConfig(SERVER_CONFIG_SCHEMA, { environment: {}, file }, findConfigConflicts)).toEqual(read({}));
	});

	it('masks the stream key, the passwords and the secret of S3', () => {
		const config = read({
			SPILLWAY_DEMO_STREAM_KEY: 'hush-key',
			DATABASE_URL: 'postgres://u:hush@h/d',
			REDIS_URL: 'redis://:hush@h',
			...S3_ENVIRONMENT,
		});
		expect(JSON.stringify(maskConfig(SERVER_CONFIG_SCHEMA, config))).not.toContain('hush');
	});
});

describe('recording.s3', () => {
	it('is complete with four fields, and off without them', () => {
		expect(read(S3_ENVIRONMENT).recording.s3).toEqual({
			endpoint: 'https://s3.example',
			bucket: 'recordings',
			accessKeyId: 'key',
			secretAccessKey: 'hush',
			region: 'us-east-1',
			prefix: '',
			storageClassAfterDays: 30,
		});
		expect(read({}).recording.s3).toEqual({ region: 'us-east-1', prefix: '', storageClassAfterDays: 30 });
	});
});

describe('findConfigConflicts', () => {
	it.each([
		[{ REDIS_URL: 'redis://h' }, /REDIS_URL is given without DATABASE_URL/],
		[{ SPILLWAY_HTTP_TLS_CERTIFICATE_FILE: 'a' }, /belong together/],
		[{ SPILLWAY_HTTP_TLS_KEY_FILE: 'a' }, /belong together/],
		[{ SPILLWAY_RTC_PLAIN_PORT_MIN: '5000', SPILLWAY_RTC_PLAIN_PORT_MAX: '5001' }, /at least 100 ports/],
		[{ SPILLWAY_RTC_PORT: '40001' }, /lies inside/],
		[{ SPILLWAY_HTTP_PORT: '1935' }, /are both 1935/],
		[{ SPILLWAY_RTMP_MAX_CONNECTIONS: '200' }, /must be less than rtmp.maxConnections/],
		[{ SPILLWAY_HTTP_TRUSTED_PROXIES: '10.0.0.0/33' }, /"10.0.0.0\/33" is no address or network/],
		[{ SPILLWAY_HTTP_TRUSTED_PROXIES: 'my proxy' }, /must be a list of addresses, networks such as/],
		[
			{ SPILLWAY_INGEST_LADDER: '480p30,foo' },
			/must be "automatic", "off", or different names of 1080p60, .* is "480p30,foo"/,
		],
		[{ SPILLWAY_INGEST_LADDER: '480p30,480p30' }, /different names of 1080p60/],
		[
			{ ...S3_ENVIRONMENT, SPILLWAY_RECORDING_S3_SECRET_ACCESS_KEY: '' },
			/recording.s3.endpoint, recording.s3.bucket, recording.s3.accessKeyId are given without recording.s3.secretAccessKey\. Give all/,
		],
		[
			{ SPILLWAY_RECORDING_S3_PUBLIC_ENDPOINT: 'https://m.example' },
			/recording.s3.publicEndpoint is given without recording.s3.endpoint, .*, or none to keep recordings in the data folder/,
		],
		[{ ...S3_ENVIRONMENT, SPILLWAY_RECORDING_S3_ENDPOINT: 'https://s3.example/bucket' }, /without a path/],
		[{ ...S3_ENVIRONMENT, SPILLWAY_RECORDING_S3_ENDPOINT: 'https://key:secret@s3.example' }, /must be an address/],
		[{ ...S3_ENVIRONMENT, SPILLWAY_RECORDING_S3_PREFIX: '../other' }, /must be up to four steps/],
		[{ ...S3_ENVIRONMENT, SPILLWAY_RECORDING_S3_BUCKET: 'a/b' }, /must be 3 to 63 letters/],
	])('refuses %j', (environment, message) => {
		expect(() => read(environment)).toThrow(message);
	});

	it('accepts port 0 for every protocol', () => {
		expect(read({ SPILLWAY_HTTP_PORT: '0', SPILLWAY_RTMP_PORT: '0', SPILLWAY_RTC_PORT: '0' }).http.port).toBe(0);
	});
});

describe('loadServerConfig', () => {
	it('works without a file', async () => {
		await expect(loadServerConfig({}, 'no-such-folder/spillway.config.json')).resolves.toMatchObject({
			http: { port: 8080 },
		});
	});

	it('rejects a file that is not JSON without quoting it', async () => {
		await expect(loadServerConfig({}, 'tsconfig.json')).rejects.toThrow(/compilerOptions/);
		await expect(loadServerConfig({}, '.editorconfig')).rejects.toThrow(/is not valid JSON( \(.*\))?\.$/);
	});
});
