/** Finds programs on the PATH and in folders of distributions, without starting them. */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * @param {readonly string[]} names Accepted names, best first (`chromium`, `google-chrome`).
 * @param {{ searchPath?: string | undefined, folders?: readonly string[] }} where `searchPath` is a PATH value and
 * comes first. `folders` may contain one `*` for a version, of which the highest is used.
 * @returns {string | undefined} An absolute path.
 */
export function findProgram(names, { searchPath = '', folders = [] }) {
	const searched = [
		...searchPath.split(path.delimiter).filter((folder) => path.isAbsolute(folder)),
		...folders.flatMap((folder) => expandVersion(folder)),
	];
	const files = names.flatMap((name) => searched.map((folder) => path.join(folder, name)));
	return files.find((file) => isExecutableFile(file));
}

/**
 * @param {string} file
 * @returns {boolean} Whether this user may start it.
 */
export function isExecutableFile(file) {
	try {
		accessSync(file, constants.X_OK);
		return statSync(file).isFile();
	} catch {
		// Missing, or without permission.
		return false;
	}
}

/**
 * The environment with a folder in front of the PATH.
 *
 * @param {NodeJS.ProcessEnv} environment Not changed.
 * @param {string} folder
 * @returns {NodeJS.ProcessEnv}
 */
export function withPathFirst(environment, folder) {
	const searchPath = environment['PATH'] ? `${folder}${path.delimiter}${environment['PATH']}` : folder;
	return { ...environment, PATH: searchPath };
}

/** @param {string} pattern */
function expandVersion(pattern) {
	const star = pattern.indexOf('*');
	if (star === -1) {
		return [pattern];
	}
	// The star matches the rest of one path component: /usr/lib/postgresql/*/bin, /opt/homebrew/opt/postgresql*/bin.
	const componentStart = pattern.lastIndexOf('/', star) + 1;
	const parent = pattern.slice(0, componentStart);
	const prefix = pattern.slice(componentStart, star);
	const rest = pattern.slice(star + 1);
	let entries;
	try {
		entries = readdirSync(parent);
	} catch {
		// The parent does not exist.
		return [];
	}
	return entries
		.filter((entry) => entry.startsWith(prefix))
		.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
		.map((entry) => `${parent}${entry}${rest}`);
}
