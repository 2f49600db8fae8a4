/** `npm run reset-password -- NAME`: gives an account a new random password and ends its log-ins. */
import { systemClock as clock } from '../core/lifecycle/clock.ts';
import { errorMessage, SpillwayError } from '../core/errors/errors.ts';
import { createSecret } from '../core/ids.ts';
import { silentLogger as logger } from '../core/logger.ts';
import { deriveKey } from './accounts/create-accounts.ts';
import { PasswordHasher } from './accounts/password-hash.ts';
import { RefreshTokens } from './accounts/refresh-token.ts';
import { SessionStore } from './accounts/session-store.ts';
import { parseUserName } from './accounts/user.ts';
import { UserStore } from './accounts/user-store.ts';
import { openDataFolder } from './platform/folder/data-folder.ts';
import type { Database } from './platform/database/database.ts';
import { openDatabase } from './server/backing-services.ts';
import { loadServerConfig } from './server/server-config.ts';

const EXIT_CODE_FAILED = 1;
const EXIT_CODE_USAGE = 2;

/** Opens the data of the configured server. Throws DATA_FOLDER_LOCKED while that server runs. */
async function resetPassword(name: string): Promise<{ name: string; password: string }> {
	const config = await loadServerConfig(process.env);
	const folder = await openDataFolder({ path: config.dataFolder, clock, logger });
	let database: Database | undefined;
	try {
		database = await openDatabase(config, folder, { clock, logger });
		const users = new UserStore({ database, clock });
		const tokens = new RefreshTokens(deriveKey(folder.serverSecret, 'refresh-token'));
		const user = await users.findByName(parseUserName(name) ?? name);
		if (user === undefined) {
			throw new SpillwayError('USER_NOT_FOUND', [name]);
		}
		const password = createSecret(user.name);
		const hash = await new PasswordHasher().hash(password);
		// Not replacePasswordHash(): a log-in on another server may replace an old hash at this moment.
		await database.query('UPDATE users SET password_hash = $2 WHERE id = $1', [user.id, hash]);
		// Other servers on this database close the account's connections within half a minute.
		await new SessionStore({ database, clock, tokens }).endOthers(user.id, undefined, 'password-changed');
		return { name: user.name, password };
	} finally {
		await database?.close();
		await folder.close();
	}
}

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || rest.length > 0) {
	process.stderr.write('Usage: npm run reset-password -- <name of the account>\n');
	process.exitCode = EXIT_CODE_USAGE;
} else {
	try {
		const account = await resetPassword(name);
		process.stdout.write(`The password of "${account.name}" is now ${account.password}\n`);
	} catch (error) {
		process.stderr.write(`${error instanceof SpillwayError ? error.message : `Not reset: ${errorMessage(error)}`}\n`);
		process.exitCode = EXIT_CODE_FAILED;
	}
}
