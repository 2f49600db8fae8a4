/** Opens what is configured: database, bus and store of recordings. Clients of servers are loaded when needed. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { InProcessBus } from '../platform/bus/in-process-bus.ts';
import type { MessageBus } from '../platform/bus/message-bus.ts';
import type { DataFolder } from '../platform/folder/data-folder.ts';
import type { Database } from '../platform/database/database.ts';
import { migrateDatabase, readMigrations } from '../platform/database/migrate.ts';
import { openPgliteDatabase } from '../platform/database/pglite-database.ts';
import { openDiskStore, type DiskStore } from '../platform/objects/disk-store.ts';
import type { WriteBehindStore } from '../platform/objects/write-behind-store.ts';
import type { ServerConfig } from './server-config.ts';

type BackingServicesDependencies = { clock: Clock; logger: Logger };

/** Opens the database and applies its migrations. */
export async function openDatabase(
	config: ServerConfig,
	dataFolder: DataFolder,
	deps: BackingServicesDependencies,
): Promise<Database> {
	const database =
		config.databaseUrl === undefined
			? await openPgliteDatabase(deps, { folder: dataFolder.databaseFolder })
			: (await import('../platform/database/pg-database.ts')).createPgDatabase(deps, { url: config.databaseUrl });
	try {
		await migrateDatabase(database, await readMigrations(), deps);
		return database;
	} catch (error) {
		await database.close();
		throw error;
	}
}

/** Opens a bus that is ready for use. */
export async function openBus(config: ServerConfig, deps: BackingServicesDependencies): Promise<MessageBus> {
	if (config.redisUrl === undefined) {
		return new InProcessBus(deps);
	}
	const { RedisBus } = await import('../platform/bus/redis-bus.ts');
	const bus = new RedisBus(deps, { url: config.redisUrl, keyPrefix: config.redisKeyPrefix });
	try {
		await bus.start();
		return bus;
	} catch (error) {
		await bus.close();
		throw error;
	}
}

/** Opens the store of recordings: a folder, or an S3 service behind a spool, which also works while that is away. */
export async function openObjectStore(
	config: ServerConfig,
	dataFolder: DataFolder,
	deps: BackingServicesDependencies,
): Promise<DiskStore | WriteBehindStore> {
	const { endpoint, bucket, accessKeyId, secretAccessKey, ...s3 } = config.recording.s3;
	const folder = join(dataFolder.mediaFolder, 'objects');
	if (endpoint === undefined || bucket === undefined || accessKeyId === undefined || secretAccessKey === undefined) {
		return openDiskStore(deps, { folder });
	}
	if (existsSync(folder) && readdirSync(folder).some((name) => !name.startsWith('.'))) {
		deps.logger.warn(
			{ folder },
			'videos in this folder cannot be played; move them into ../spool to upload them to S3',
		);
	}
	const [{ S3Store }, { openWriteBehindStore }] = await Promise.all([
		import('../platform/objects/s3-store.ts'),
		import('../platform/objects/write-behind-store.ts'),
	]);
	const spool = await openDiskStore(deps, { folder: join(dataFolder.mediaFolder, 'spool') });
	const remote = new S3Store(deps, { ...s3, endpoint, bucket, accessKeyId, secretAccessKey });
	const { maxSpoolBytes, maxUploadBitrateBps } = config.recording;
	const checkRemote = (): Promise<void> => remote.checkAccess();
	return openWriteBehindStore(deps, { spool, remote, maxSpoolBytes, maxUploadBitrateBps, checkRemote });
}
