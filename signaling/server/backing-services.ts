/** Opens the database and the bus that the configuration asks for: embedded ones, or the real servers. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { InProcessBus } from '../platform/bus/in-process-bus.ts';
import type { MessageBus } from '../platform/bus/message-bus.ts';
import { RedisBus } from '../platform/bus/redis-bus.ts';
import type { DataFolder } from '../platform/folder/data-folder.ts';
import type { Database } from '../platform/database/database.ts';
import { migrateDatabase, readMigrations } from '../platform/database/migrate.ts';
import { PgDatabase } from '../platform/database/pg-database.ts';
import { openPgliteDatabase } from '../platform/database/pglite-database.ts';
import type { ServerConfig } from './server-config.ts';

type Dependencies = { clock: Clock; logger: Logger };

/** A database with all migrations applied. */
export async function openDatabase(
	config: ServerConfig,
	dataFolder: DataFolder,
	dependencies: Dependencies,
): Promise<Database> {
	const database =
		config.databaseUrl === undefined
			? await openPgliteDatabase({ folder: dataFolder.databaseFolder, ...dependencies })
			: new PgDatabase({ url: config.databaseUrl, ...dependencies });
	try {
		await migrateDatabase(database, await readMigrations(), dependencies);
		return database;
	} catch (error) {
		await database.close();
		throw error;
	}
}

/** A bus that is ready for use. */
export async function openBus(config: ServerConfig, dependencies: Dependencies): Promise<MessageBus> {
	if (config.redisUrl === undefined) {
		return new InProcessBus(dependencies);
	}
	const bus = new RedisBus({ url: config.redisUrl, keyPrefix: config.redisKeyPrefix, ...dependencies });
	try {
		await bus.start();
		return bus;
	} catch (error) {
		await bus.close();
		throw error;
	}
}
