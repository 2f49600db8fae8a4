/**
 * The two kinds of database for tests that must hold on both: embedded and real PostgreSQL, migrated, removed in the
 * end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Database } from '../platform/database/database.ts';
import { migrateDatabase, readMigrations } from '../platform/database/migrate.ts';
import { PgDatabase } from '../platform/database/pg-database.ts';
import { openPgliteDatabase } from '../platform/database/pglite-database.ts';
import { startPostgres } from './real-servers.ts';

/** For `describe.each`. */
export const DATABASE_KINDS = [{ kind: 'embedded' }, { kind: 'PostgreSQL' }] as const;

/** An empty database with all tables; close() removes it. */
export async function openTestDatabase(
	kind: (typeof DATABASE_KINDS)[number]['kind'],
): Promise<{ database: Database; close(): Promise<void> }> {
	const common = { clock: systemClock, logger: silentLogger };
	const folder = mkdtempSync(join(tmpdir(), 'spillway-database-'));
	const server = kind === 'PostgreSQL' ? await startPostgres() : undefined;
	const database =
		server === undefined
			? await openPgliteDatabase({ folder: join(folder, 'database'), ...common })
			: new PgDatabase({ url: server.url, ...common });
	await migrateDatabase(database, await readMigrations(), common);
	return {
		database,
		async close() {
			await database.close();
			await server?.stop();
			rmSync(folder, { recursive: true, force: true });
		},
	};
}
