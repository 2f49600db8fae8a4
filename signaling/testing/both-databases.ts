/** Opens an empty, migrated database of either kind for tests: embedded, or real PostgreSQL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Database } from '../platform/database/database.ts';
import { migrateDatabase, readMigrations } from '../platform/database/migrate.ts';
import { createPgDatabase } from '../platform/database/pg-database.ts';
import { openPgliteDatabase } from '../platform/database/pglite-database.ts';
import { copyDatabaseTemplate } from './database-template.ts';
import { startPostgres } from './real-servers.ts';

/** For `describe.each`. */
export const DATABASE_KINDS = [{ kind: 'embedded' }, { kind: 'PostgreSQL' }] as const;

/** close() removes the database. */
export async function openTestDatabase(
	kind: (typeof DATABASE_KINDS)[number]['kind'],
): Promise<{ database: Database; close(): Promise<void> }> {
	const common = { clock: systemClock, logger: silentLogger };
	const folder = mkdtempSync(join(tmpdir(), 'spillway-database-'));
	const server = kind === 'PostgreSQL' ? await startPostgres() : undefined;
	let database: Database;
	if (server === undefined) {
		await copyDatabaseTemplate(join(folder, 'database'));
		database = await openPgliteDatabase(common, { folder: join(folder, 'database') });
	} else {
		database = createPgDatabase(common, { url: server.url });
		await migrateDatabase(database, await readMigrations(), common);
	}
	return {
		database,
		async close() {
			await database.close();
			await server?.stop();
			rmSync(folder, { recursive: true, force: true });
		},
	};
}
