/** Tests of both databases, embedded and real PostgreSQL: one contract, then the behaviour of each kind. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { startPostgres, type RealServer } from '../../testing/real-servers.ts';
import { isUniqueViolation, type Database, type Queryable } from './database.ts';
import { migrateDatabase, readMigrations } from './migrate.ts';
import { createPgDatabase } from './pg-database.ts';
import { openPgliteDatabase } from './pglite-database.ts';

const folder = mkdtempSync(join(tmpdir(), 'spillway-database-'));
const common = { clock: systemClock, logger: silentLogger };
let postgres: RealServer;

beforeAll(async () => {
	postgres = await startPostgres();
});

afterAll(async () => {
	await postgres.stop();
	rmSync(folder, { recursive: true, force: true });
});

const KINDS = [
	{ kind: 'embedded', open: () => openPgliteDatabase(common, { folder: join(folder, 'contract') }) },
	{ kind: 'PostgreSQL', open: async () => createPgDatabase(common, { url: postgres.url }) },
];

describe.each(KINDS)('Database ($kind)', ({ open }) => {
	let database: Database;

	beforeAll(async () => {
		database = await open();
		await database.runScript(
			'CREATE TABLE things (id integer PRIMARY KEY, name text CONSTRAINT things_name_key UNIQUE)',
		);
	});

	afterAll(async () => {
		await database.close();
	});

	it('returns the same JavaScript types', async () => {
		const rows = await database.query(
			`SELECT 5::smallint AS small, 7::int AS whole, 9007199254740991::bigint AS big, 9007199254740993::bigint AS huge,
				1.50::numeric AS exact, 0.25::double precision AS half, true AS yes, NULL::text AS nothing, 'ä'::text AS letters,
				'2026-03-01'::date AS day, '2026-03-01 12:00:00.5+02'::timestamptz AS moment,
				'2026-03-01 12:00:00'::timestamp AS local, '1 day 02:00:00'::interval AS span, '\\x00ff'::bytea AS bytes,
				'{"a": [1, null]}'::jsonb AS json, '{"b": 1}'::json AS plain_json, count(*) AS counted, sum(1) AS summed
			FROM things`,
		);
		expect(rows).toEqual([
			{
				small: 5,
				whole: 7,
				big: 9_007_199_254_740_991,
				huge: 9_007_199_254_740_993n,
				exact: '1.50',
				half: 0.25,
				yes: true,
				nothing: null,
				letters: 'ä',
				day: '2026-03-01',
				moment: new Date('2026-03-01T10:00:00.500Z'),
				local: new Date('2026-03-01T12:00:00Z'),
				span: '1 day 02:00:00',
				bytes: new Uint8Array([0, 255]),
				json: { a: [1, null] },
				plain_json: { b: 1 },
				counted: 0,
				summed: null,
			},
		]);
		expect((rows[0] as { bytes: unknown }).bytes?.constructor).toBe(Uint8Array);
	});

	it('accepts parameters of every kind', async () => {
		const moment = new Date('2026-05-06T07:08:09.123Z');
		const rows = await database.query(
			`SELECT $1::text AS text, $2::int AS whole, $3::boolean AS yes, $4::timestamptz AS moment, $5::bytea AS bytes,
				$6::text AS nothing, $7::jsonb AS json, 'b' = ANY($8::text[]) AS found, 3 = ANY($9::int[]) AS missing, $10::bigint AS big`,
			['x', 1, true, moment, new Uint8Array([1, 2]), null, '{"k":[1]}', ['a', 'b,"'], [1, 2], 12n],
		);
		const bytes = new Uint8Array([1, 2]);
		const expected = { text: 'x', whole: 1, yes: true, moment, bytes, nothing: null, json: { k: [1] }, big: 12 };
		expect(rows).toEqual([{ ...expected, found: false, missing: false }]);
	});

	it('refuses undefined as a parameter', async () => {
		await expect(database.query('SELECT $1::text', [undefined as unknown as null])).rejects.toThrow(TypeError);
	});

	it('names a violated unique constraint, and works after errors', async () => {
		await database.query('INSERT INTO things VALUES (1, $1)', ['one']);
		const error = await database.query('INSERT INTO things VALUES (2, $1)', ['one']).catch((caught: unknown) => caught);
		expect(isUniqueViolation(error, 'things_name_key')).toBe(true);
		expect(isUniqueViolation(error, 'things_pkey')).toBe(false);
		await expect(database.query('SELECT nonsense')).rejects.toMatchObject({ code: '42703' });
		await expect(database.query('SELECT id FROM things')).resolves.toEqual([{ id: 1 }]);
	});

	it('commits a transaction and returns its result', async () => {
		const result = await database.transaction(async (handle) => {
			await handle.query('INSERT INTO things VALUES ($1, $2)', [10, 'ten']);
			return (await handle.query('SELECT name FROM things WHERE id = 10')).length;
		});
		expect(result).toBe(1);
		await expect(database.query('SELECT name FROM things WHERE id = 10')).resolves.toEqual([{ name: 'ten' }]);
	});

	it('calls back after a commit, and not after a roll-back', async () => {
		const calls: string[] = [];
		database.afterCommit(() => calls.push('outside'));
		await database.transaction(async (handle) => {
			handle.afterCommit(() => calls.push('committed'));
			await handle.query('SELECT 1');
			calls.push('working');
		});
		const work = database.transaction(async (handle) => {
			handle.afterCommit(() => calls.push('rolled back'));
			await handle.query('SELECT 1');
			throw new RangeError('changed my mind');
		});
		await expect(work).rejects.toThrow(RangeError);
		expect(calls).toEqual(['outside', 'working', 'committed']);
	});

	it('returns the rows of a script', async () => {
		const script = "CREATE TABLE IF NOT EXISTS more (id int); SELECT 1 AS one; SELECT 'b' AS two";
		await expect(database.runScript(script)).resolves.toEqual([{ one: 1 }, { two: 'b' }]);
	});

	it('rolls back when the work rejects', async () => {
		const work = database.transaction(async (handle) => {
			await handle.query("INSERT INTO things VALUES (20, 'twenty')");
			throw new RangeError('changed my mind');
		});
		await expect(work).rejects.toThrow(RangeError);
		await expect(database.query('SELECT 1 FROM things WHERE id = 20')).resolves.toEqual([]);
	});

	it('rejects a transaction whose work swallowed the error of a statement', async () => {
		const work = database.transaction(async (handle) => {
			await handle.query("INSERT INTO things VALUES (30, 'thirty')");
			await handle.query('SELECT nonsense').catch(() => undefined);
		});
		await expect(work).rejects.toThrow(/rolled back/);
		await expect(database.query('SELECT 1 FROM things WHERE id = 30')).resolves.toEqual([]);
	});

	it('hides uncommitted rows from a concurrent call', async () => {
		let resume!: () => void;
		const isPaused = new Promise<void>((resolve) => (resume = resolve));
		let confirmInsert!: () => void;
		const isInserted = new Promise<void>((resolve) => (confirmInsert = resolve));
		const transaction = database.transaction(async (handle) => {
			await handle.query("INSERT INTO things VALUES (40, 'forty')");
			confirmInsert();
			await isPaused;
			throw new RangeError('no');
		});
		await isInserted;
		const concurrent = database.query('SELECT 1 FROM things WHERE id = 40');
		setImmediate(resume);
		await expect(transaction).rejects.toThrow(RangeError);
		await expect(concurrent).resolves.toEqual([]);
	});

	it('rejects its own methods inside a transaction, and the handle after it', async () => {
		let kept: Queryable | undefined;
		await database.transaction(async (handle) => {
			kept = handle;
			await expect(database.query('SELECT 1')).rejects.toThrow(TypeError);
			await expect(database.transaction(() => Promise.resolve())).rejects.toThrow(TypeError);
		});
		await expect(kept!.query('SELECT 1')).rejects.toThrow(TypeError);
	});

	it('runs the statements of a transaction in order without awaits in between', async () => {
		const counts = await database.transaction((handle) =>
			Promise.all([
				handle.query('SELECT count(*) AS count FROM things WHERE id >= 50'),
				handle.query("INSERT INTO things VALUES (50, 'fifty')"),
				handle.query('SELECT count(*) AS count FROM things WHERE id >= 50'),
			]),
		);
		expect([counts[0], counts[2]]).toEqual([[{ count: 0 }], [{ count: 1 }]]);
	});

	it('ends a transaction that takes too long', async () => {
		const work = database.transaction(
			async (handle) => {
				await handle.query("INSERT INTO things VALUES (60, 'sixty')");
				await new Promise(() => undefined);
			},
			{ deadlineMs: 100 },
		);
		await expect(work).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
		await expect(database.query('SELECT 1 FROM things WHERE id = 60')).resolves.toEqual([]);
	});

	it('isolates concurrent transactions', async () => {
		await database.query("INSERT INTO things VALUES (70, '0')");
		await Promise.all(
			Array.from({ length: 20 }, () =>
				database.transaction(async (handle) => {
					const [row] = await handle.query<{ name: string }>('SELECT name FROM things WHERE id = 70 FOR UPDATE');
					await handle.query('UPDATE things SET name = $1 WHERE id = 70', [String(Number(row!.name) + 1)]);
				}),
			),
		);
		await expect(database.query('SELECT name FROM things WHERE id = 70')).resolves.toEqual([{ name: '20' }]);
	});

	it('is migrated once, and rejects other steps', async () => {
		const migrations = await readMigrations();
		const names = migrations.map((migration) => migration.name);
		await expect(migrateDatabase(database, migrations, common)).resolves.toEqual(names);
		await expect(migrateDatabase(database, migrations, common)).resolves.toEqual([]);
		const changed = [{ ...migrations[0]!, checksum: 'other' }, ...migrations.slice(1)];
		await expect(migrateDatabase(database, changed, common)).rejects.toThrow(/made by other steps/);
		await expect(migrateDatabase(database, [], common)).rejects.toThrow(/newer version/);
	});

	it('rolls every step back when one fails', async () => {
		const migrations = await readMigrations();
		const next = { number: migrations.length + 1, name: 'good', sql: 'CREATE TABLE half_done (id int)', checksum: 'x' };
		const broken = { ...next, number: next.number + 1, name: 'bad', sql: 'SELECT nonsense' };
		await expect(migrateDatabase(database, [...migrations, next, broken], common)).rejects.toMatchObject({
			code: '42703',
		});
		await expect(database.query('SELECT 1 FROM half_done')).rejects.toMatchObject({ code: '42P01' });
	});

	it.each([
		['53100', 'the disk is full'],
		['53200', 'it is out of memory'],
		['53300', 'it has too many connections'],
		['25006', 'it takes no writes'],
	])('maps SQLSTATE %s to DATABASE_UNAVAILABLE: %s', async (code) => {
		const script = `DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '${code}'; END $$`;
		await expect(database.runScript(script)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', httpStatus: 503 });
		const inside = database.transaction((handle) => handle.runScript(script));
		await expect(inside).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
		await expect(database.query('SELECT 1')).resolves.toHaveLength(1);
	});

	it('answers its health check', async () => {
		await expect(database.checkHealth()).resolves.toBeUndefined();
	});

	it('closes once, and rejects later calls', async () => {
		const first = database.close();
		expect(database.close()).toBe(first);
		await first;
		await expect(database.query('SELECT 1')).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
		await expect(database.transaction(() => Promise.resolve())).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
	});
});

describe('createPgDatabase', () => {
	it('is unavailable while the server is lost, and reconnects when it is back', async () => {
		await using server = await startPostgres();
		await using database = createPgDatabase(common, { url: server.url });
		await database.query('SELECT 1');
		const held = database.transaction(async (handle) => {
			await server.kill();
			await handle.query('SELECT 1');
		});
		await expect(held).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
		await expect(database.checkHealth()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryAfterSeconds: 5 });
		await server.restart();
		await expect(database.checkHealth()).resolves.toBeUndefined();
	});

	it('is unavailable while the server is frozen, and works after it thaws', async () => {
		await using server = await startPostgres();
		await using database = createPgDatabase(common, { url: server.url });
		await database.query('SELECT 1');
		server.freeze();
		try {
			// The first query loses the open connection, the second cannot connect. Without a deadline either hangs.
			await expect(database.query('SELECT 1')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
			await expect(database.query('SELECT 1')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
		} finally {
			server.thaw();
		}
		await expect(database.checkHealth()).resolves.toBeUndefined();
	});

	it('is unavailable when there is no such server', async () => {
		await using database = createPgDatabase(common, { url: 'postgres://nobody@127.0.0.1:1/none' });
		await expect(database.query('SELECT 1')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
	});

	it('migrates once when several servers start at once', async () => {
		await using server = await startPostgres();
		const databases = Array.from({ length: 3 }, () => createPgDatabase(common, { url: server.url }));
		const migrations = await readMigrations();
		const applied = await Promise.all(databases.map((database) => migrateDatabase(database, migrations, common)));
		expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
		await Promise.all(databases.map((database) => database.close()));
	});
});

describe('openPgliteDatabase', () => {
	const moduleUrl = (name: string): string => new URL(name, import.meta.url).href;

	/** Opens the database in another process, which prints "open" and then waits to be killed. */
	async function startHolder(databaseFolder: string): Promise<{ kill: () => Promise<void> }> {
		const script = `
			const { openPgliteDatabase } = await import(${JSON.stringify(moduleUrl('./pglite-database.ts'))});
			const { systemClock } = await import(${JSON.stringify(moduleUrl('../../../core/lifecycle/clock.ts'))});
			const { silentLogger } = await import(${JSON.stringify(moduleUrl('../../../core/logger.ts'))});
			const database = await openPgliteDatabase({ clock: systemClock, logger: silentLogger }, { folder: ${JSON.stringify(databaseFolder)} });
			await database.runScript('CREATE TABLE IF NOT EXISTS kept (id int); INSERT INTO kept VALUES (1)');
			await database.query('INSERT INTO kept VALUES (2)');
			process.stdout.write('open');
		`;
		const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
		let errors = '';
		child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
		const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
		await Promise.race([
			new Promise((resolve) => child.stdout.once('data', resolve)),
			exited.then(() => Promise.reject(new Error(`The holder ended: ${errors}`))),
		]);
		return {
			async kill() {
				child.kill('SIGKILL');
				await exited;
			},
		};
	}

	it('rejects a folder in use, and opens it with all its rows after its process was killed', async () => {
		const databaseFolder = join(folder, 'killed');
		// As left by a process that was killed while it created the folder.
		mkdirSync(`${databaseFolder}.unfinished/base`, { recursive: true });
		const holder = await startHolder(databaseFolder);
		expect(existsSync(`${databaseFolder}.unfinished`)).toBe(false);
		await expect(openPgliteDatabase(common, { folder: databaseFolder })).rejects.toMatchObject({
			code: 'DATA_FOLDER_LOCKED',
		});
		await holder.kill();
		await using database = await openPgliteDatabase(common, { folder: databaseFolder });
		await expect(database.query('SELECT id FROM kept ORDER BY id')).resolves.toEqual([{ id: 1 }, { id: 2 }]);
	});

	it('rejects a second opening in the same process, and opens again after a close', async () => {
		const databaseFolder = join(folder, 'killed');
		const database = await openPgliteDatabase(common, { folder: databaseFolder });
		await expect(openPgliteDatabase(common, { folder: databaseFolder })).rejects.toMatchObject({
			code: 'DATA_FOLDER_LOCKED',
		});
		await database.close();
		expect(existsSync(`${databaseFolder}.lock`)).toBe(false);
		await (await openPgliteDatabase(common, { folder: databaseFolder })).close();
	});
});
