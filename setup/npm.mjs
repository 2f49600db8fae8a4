/**
 * How set-up calls npm: which npm-cli.js, and which of the variables that an outer `npm start` sets must not reach it.
 */
import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { findProgram } from './find-program.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * Finds npm's program file, so that it can be run under a chosen Node; `npm` itself would run under the first on the
 * PATH.
 *
 * @param {NodeJS.ProcessEnv} environment
 * @returns {string} The path of npm-cli.js.
 * @throws {SetupError} When there is no npm.
 */
export function findNpm(environment) {
	const candidates = [];
	// Set by npm for what it runs. Other package managers set it to themselves.
	if (environment['npm_execpath'] && path.basename(environment['npm_execpath']) === 'npm-cli.js') {
		candidates.push(environment['npm_execpath']);
	}
	const onPath = findProgram(['npm'], { searchPath: environment['PATH'] });
	if (onPath !== undefined) {
		// A link to npm-cli.js, or a script that stands beside the folder which contains it.
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
 * The environment without what an outer `npm start` adds to it. With those variables an inner npm takes the checkout
 * for the folder to install into. What the user configures (registry, proxy, certificates, npmrc) stays.
 *
 * @param {NodeJS.ProcessEnv} environment Not changed.
 * @returns {NodeJS.ProcessEnv}
 */
export function withoutNpmRunVariables(environment) {
	const kept = { ...environment };
	for (const name of Object.keys(kept)) {
		if (
			/^npm_(lifecycle|package)_/.test(name) ||
			/^npm_config_(local_prefix|global_prefix|prefix|global|dry_run|workspaces?)$/i.test(name) ||
			['npm_command', 'npm_execpath', 'npm_node_execpath', 'NODE', 'INIT_CWD'].includes(name)
		) {
			delete kept[name];
		}
	}
	return kept;
}
