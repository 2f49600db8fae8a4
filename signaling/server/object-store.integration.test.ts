/** Tests which store of recordings a configuration opens, and what it shows when S3 cannot be reached. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readConfig } from '../../core/config/config-schema.ts';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { openDataFolder, type DataFolder } from '../platform/folder/data-folder.ts';
import { WriteBehindStore } from '../platform/objects/write-behind-store.ts';
import { until } from '../testing/until.ts';
import { openObjectStore } from './backing-services.ts';
import { SERVER_CONFIG_SCHEMA } from './server-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'spillway-object-store-'));
let dataFolder: DataFolder;
let logger: RecordingLogger;

beforeEach(async () => {
	logger = new RecordingLogger();
	dataFolder = await openDataFolder({ path: folder, clock: systemClock, logger });
});
afterEach(async () => {
	await dataFolder.close();
	rmSync(folder, { recursive: true, force: true });
});

it('is a folder of the data folder by default', async () => {
	const config = readConfig(SERVER_CONFIG_SCHEMA, { environment: {} });
	const store = await openObjectStore(config, dataFolder, { clock: systemClock, logger });
	await store.put('v/1/1.m4s', Buffer.from('x'));
	await store.close();
	expect(store).not.toBeInstanceOf(WriteBehindStore);
	expect(readdirSync(join(folder, 'media', 'objects', 'v', '1'))).toEqual(['1.m4s']);
});

it('is a spool before S3, which may be away, and reports recordings that are left in the folder', async () => {
	mkdirSync(join(folder, 'media', 'objects', 'v'), { recursive: true });
	writeFileSync(join(folder, 'media', 'objects', 'v', '0'), 'earlier');
	const environment = {
		// Nothing listens there.
		SPILLWAY_RECORDING_S3_ENDPOINT: 'http://127.0.0.1:1',
		SPILLWAY_RECORDING_S3_BUCKET: 'recordings',
		SPILLWAY_RECORDING_S3_ACCESS_KEY_ID: 'key',
		SPILLWAY_RECORDING_S3_SECRET_ACCESS_KEY: 'hush',
	};
	const config = readConfig(SERVER_CONFIG_SCHEMA, { environment });
	const store = (await openObjectStore(config, dataFolder, { clock: systemClock, logger })) as WriteBehindStore;
	expect(store).toBeInstanceOf(WriteBehindStore);
	await until(() => store.uploadState.lastError !== undefined, 'the failure is shown');
	expect(store.uploadState.lastError).toBe('The S3 service 127.0.0.1:1 cannot be reached (ECONNREFUSED).');
	await store.put('v/1/1.m4s', Buffer.from('x'));
	await store.close();
	expect(readdirSync(join(folder, 'media', 'spool', 'v', '1'))).toEqual(['1.m4s']);
	expect(logger.lines.map(({ message }) => message)).toContain(
		'videos in this folder cannot be played; move them into ../spool to upload them to S3',
	);
	expect(JSON.stringify(logger.lines)).not.toContain('hush');
});
