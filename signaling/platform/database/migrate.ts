/** Migrates a database to the newest schema. The steps are the numbered files in `migrations/`. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Database, Queryable } from './database.ts';

type Migration = {
	/** 1, 2, 3 …, without gaps. */
	number: number;
	/** `0001-first`. */
	name: string;
	sql: string;
	/** SHA-256 of the text, hexadecimal: an applied step must never change. */
	checksum: string;
};

/** Longest time for all steps together; a table of millions of rows takes long. */
const MIGRATION_DEADLINE_MS = 120_000;
/** Any number that no other program on the same PostgreSQL locks ("Spill" in ASCII). */
const ADVISORY_LOCK_ID = 0x53_70_69_6c_6c;

/** Reads the steps from their folder, in order. Throws TypeError when their numbers have gaps or repeat. */
export async function readMigrations(folder: URL = new URL('./migrations/', import.meta.url)): Promise<Migration[]> {
	const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
	return Promise.all(
		names.map(async (fileName, index) => {
			const number = Number(/^(\d{4})-[a-z0-9-]+\.sql$/.exec(fileName)?.[1]);
			if (number !== index + 1) {
				throw new TypeError(`Migration ${fileName} should have number ${index + 1}.`);
			}
			const sql = (await readFile(new URL(fileName, folder), 'utf8')).replaceAll('\r\n', '\n');
			const checksum = createHash('sha256').update(sql).digest('hex');
			return { number, name: fileName.replace(/\.sql$/, ''), sql, checksum };
		}),
	);
}

/**
 * Applies the missing steps in one transaction, and returns their names. When several servers start at once, one of
 * them applies the steps and the others wait. Throws CONFIG_INVALID when a newer version or other steps made the
 * database.
 */
export async function migrateDatabase(
	database: Database,
	migrations: readonly Migration[],
	deps: { clock: Clock; logger: Logger },
): Promise<string[]> {
	const applied = await database.transaction(
		async (handle) => {
			await handle.query('SELECT pg_advisory_xact_lock($1::bigint)', [ADVISORY_LOCK_ID]);
			await handle.runScript(
				`CREATE TABLE IF NOT EXISTS schema_migrations (
					number integer PRIMARY KEY,
					name text NOT NULL,
					checksum text NOT NULL,
					applied_at timestamptz NOT NULL
				)`,
			);
			const missing = await findMissing(handle, migrations);
			for (const migration of missing) {
				await handle.runScript(migration.sql);
				await handle.query(
					'INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)',
					[migration.number, migration.name, migration.checksum, new Date(deps.clock.nowMs())],
				);
			}
			return missing.map((migration) => migration.name);
		},
		{ deadlineMs: MIGRATION_DEADLINE_MS },
	);
	if (applied.length > 0) {
		deps.logger.info({ applied }, 'the database was brought up to date');
	}
	return applied;
}

async function findMissing(handle: Queryable, migrations: readonly Migration[]): Promise<Migration[]> {
	const rows = await handle.query<{ number: number; name: string; checksum: string }>(
		'SELECT number, name, checksum FROM schema_migrations ORDER BY number',
	);
	for (const row of rows) {
		const known = migrations.find((migration) => migration.number === row.number);
		if (known === undefined) {
			throw new SpillwayError('CONFIG_INVALID', [
				`the database was brought up to date by a newer version (it has "${row.name}"). Use that version, or another database.`,
			]);
		}
		if (known.checksum !== row.checksum) {
			throw new SpillwayError('CONFIG_INVALID', [
				`the database was made by other steps than this version's ("${row.name}" differs from "${known.name}"). Use the version that made it, or another database.`,
			]);
		}
	}
	return migrations.filter((migration) => rows.every((row) => row.number !== migration.number));
}
