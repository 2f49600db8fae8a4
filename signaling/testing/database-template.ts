/** An embedded database that is made and migrated once and copied for each test: making one takes seconds. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { migrateDatabase, readMigrations } from '../platform/database/migrate.ts';
import { openPgliteDatabase } from '../platform/database/pglite-database.ts';

const ROOT = new URL('../../', import.meta.url);
const CACHE_FOLDER = fileURLToPath(new URL('node_modules/.cache/test-databases/', ROOT));
/** What a database is made by, besides its migrations. */
const MADE_BY = ['node_modules/@electric-sql/pglite/package.json', 'signaling/platform/database/pglite-start.ts'];

/** Makes the folder, with an embedded database that has all migrations and no rows. It must not exist. */
export async function copyDatabaseTemplate(folder: string): Promise<void> {
	const migrations = await readMigrations();
	const hash = createHash('sha256');
	for (const file of MADE_BY) {
		hash.update(readFileSync(new URL(file, ROOT)));
	}
	migrations.forEach(({ checksum }) => hash.update(checksum));
	const template = join(CACHE_FOLDER, hash.digest('hex').slice(0, 16));
	if (!existsSync(template)) {
		const draft = `${template}-${process.pid}`;
		await mkdir(draft, { recursive: true });
		const common = { clock: systemClock, logger: silentLogger };
		const database = await openPgliteDatabase(common, { folder: join(draft, 'database') });
		await migrateDatabase(database, migrations, common);
		await database.close();
		// Another process may have been faster.
		await rename(draft, template).catch(() => rm(draft, { recursive: true }));
	}
	await cp(join(template, 'database'), folder, { recursive: true });
}
