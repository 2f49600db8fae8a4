/** How set-up calls npm: the path of npm-cli.js, and an environment without the variables of an outer `npm start`. */
import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { findProgram } from './find-program.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * Finds npm's program file, which set-up runs under a chosen Node; `npm` itself runs under the first on the PATH.
 *
 * @param {NodeJS.ProcessEnv} environment
 * @returns {string} The path of npm-cli.js.
 * @throws {SetupError} When there is no npm.
 */
export function findNpm(environment) {
	const candidates = [];
	// npm sets it for its scripts. Other package managers set it to their program.
	if (environment['npm_execpath'] && path.basename(environment['npm_execpath']) === 'npm-cli.js') {
		candidates.push(environment['npm_execpath']);
	}
	const onPath = findProgram(['npm'], { searchPath: environment['PATH'] });
	if (onPath !== undefined) {
		// A link to npm-cli.js, or a script next to the folder that contains it.
		const target = realpathSync(onPath);
		candidates.push(target, path.join(path.dirname(target), '../lib/node_modules/npm/bin/npm-cli.js'));
	}
	candidates.push(path.join(path.dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js'));

	const found = candidates.find((candidate) => path.basename(candidate) === 'npm-cli.js' && existsSync(candidate));
	if (found === undefined) {
		throw new SetupError('npm was not found.', {
			whatToDo: ['Install npm (it comes with Node; on Debian it is a package of its own).'],
		});
	}
	return found;
}

/**
 * The environment without the variables of an outer `npm start`, with which an inner npm installs into the checkout.
 * The user's configuration (registry, proxy, certificates, npmrc) stays.
 *
 * @param {NodeJS.ProcessEnv} environment Not changed.
 * @returns {NodeJS.ProcessEnv}
 */
export function withoutNpmRunVariables(environment) {
	const isOfRun = (/** @type {string} */ name) =>
		/^npm_(lifecycle|package)_/.test(name) ||
		/^npm_config_(local_prefix|global_prefix|prefix|global|dry_run|workspaces?)$/i.test(name) ||
		['npm_command', 'npm_execpath', 'npm_node_execpath', 'NODE', 'INIT_CWD'].includes(name);
	return Object.fromEntries(Object.entries(environment).filter(([name]) => !isOfRun(name)));
}
