/** Opens the configured database and bus: embedded, or PostgreSQL and Redis, whose clients are loaded when needed. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { InProcessBus } from '../platform/bus/in-process-bus.ts';
import type { MessageBus } from '../platform/bus/message-bus.ts';
import type { DataFolder } from '../platform/folder/data-folder.ts';
import type { Database } from '../platform/database/database.ts';
import { migrateDatabase, readMigrations } from '../platform/database/migrate.ts';
import { openPgliteDatabase } from '../platform/database/pglite-database.ts';
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
