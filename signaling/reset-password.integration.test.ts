/** The program that resets a password, on the data folder of a server that has stopped and of one that runs. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../core/lifecycle/clock.ts';
import { silentLogger as logger } from '../core/logger.ts';
import { deriveKey } from './accounts/create-accounts.ts';
import { PasswordHasher } from './accounts/password-hash.ts';
import { RefreshTokens } from './accounts/refresh-token.ts';
import { SessionStore } from './accounts/session-store.ts';
import { UserStore } from './accounts/user-store.ts';
import { openDataFolder } from './platform/folder/data-folder.ts';
import { openDatabase } from './server/backing-services.ts';
import { loadServerConfig } from './server/server-config.ts';

const dataFolder = mkdtempSync(join(tmpdir(), 'spillway-reset-'));
const environment = { SPILLWAY_DATA_FOLDER: dataFolder };
const hasher = new PasswordHasher();
let sessionId: string;

/** Opens the data as a running server does. */
async function openData() {
	const config = await loadServerConfig(environment);
	const folder = await openDataFolder({ path: config.dataFolder, clock, logger });
	const database = await openDatabase(config, folder, { clock, logger });
	const tokens = new RefreshTokens(deriveKey(folder.serverSecret, 'refresh-token'));
	const close = async (): Promise<void> => {
		await database.close();
		await folder.close();
	};
	return { users: new UserStore({ database, clock }), sessions: new SessionStore({ database, clock, tokens }), close };
}

async function reset(...names: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
	const program = join(import.meta.dirname, 'reset-password.ts');
	const env = { ...process.env, ...environment };
	const outcome = promisify(execFile)(process.execPath, [program, ...names], { env, timeout: 50_000 });
	return outcome.then(
		(output) => ({ code: 0, ...output }),
		(error: { code: number; stdout: string; stderr: string }) => error,
	);
}

beforeAll(async () => {
	const { users, sessions, close } = await openData();
	const user = await users.create('ada', await hasher.hash('the forgotten one'));
	({ sessionId } = await sessions.begin(user.id));
	await close();
});
afterAll(() => rmSync(dataFolder, { recursive: true, force: true }));

describe('npm run reset-password', () => {
	it('prints a new password that is accepted instead of the old one, and ends the log-ins', async () => {
		const { code, stdout } = await reset('Ada');
		expect([code, stdout]).toEqual([0, expect.stringMatching(/^The password of "ada" is now ada_\w{32}\n$/)]);
		const { users, sessions, close } = await openData();
		const { passwordHash } = (await users.findByName('ada'))!;
		expect(await hasher.verify(stdout.trim().split(' ').at(-1)!, passwordHash)).toBe(true);
		expect(await hasher.verify('the forgotten one', passwordHash)).toBe(false);
		expect(await sessions.findEnded([sessionId])).toEqual([sessionId]);
		await close();
	});

	it('changes nothing while the server runs, or for a name without an account', async () => {
		const { users, close } = await openData();
		const before = await users.findByName('ada');
		const whileRunning = await reset('ada');
		expect([whileRunning.code, whileRunning.stdout]).toEqual([1, '']);
		expect(whileRunning.stderr).toContain(`The data folder "${dataFolder}" is in use`);
		expect(await users.findByName('ada')).toEqual(before);
		await close();
		expect(await reset('eve')).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no user "eve".') });
	});

	it('asks for exactly one name', async () => {
		for (const names of [[], ['ada', 'eve']]) {
			expect(await reset(...names)).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage:') });
		}
	});
});
