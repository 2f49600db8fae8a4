/** Finds programs on the PATH and in the folders where distributions hide them, without starting anything. */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Finds an executable file.
 *
 * @param {readonly string[]} names Names that will do, best first (`chromium`, `google-chrome`).
 * @param {{ searchPath?: string | undefined, folders?: readonly string[] }} where `searchPath` is a PATH value and
 * comes first; `folders` may contain one `*` for a version, of which the highest is taken.
 * @returns {string | undefined} An absolute path.
 */
export function findProgram(names, { searchPath = '', folders = [] }) {
	const searched = [...searchPath.split(path.delimiter).filter((folder) => path.isAbsolute(folder))];
	for (const folder of folders) {
		searched.push(...expandVersion(folder));
	}
	for (const name of names) {
		for (const folder of searched) {
			const file = path.join(folder, name);
			if (isExecutableFile(file)) {
				return file;
			}
		}
	}
	return undefined;
}

/**
 * @param {string} file
 * @returns {boolean} Whether this user could start it.
 */
export function isExecutableFile(file) {
	try {
		accessSync(file, constants.X_OK);
		return statSync(file).isFile();
	} catch {
		// Missing, or not ours to start: both mean no.
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
	// The star stands for the rest of one path component: /usr/lib/postgresql/*/bin, /opt/homebrew/opt/postgresql*/bin.
	const componentStart = pattern.lastIndexOf('/', star) + 1;
	const parent = pattern.slice(0, componentStart);
	const prefix = pattern.slice(componentStart, star);
	const rest = pattern.slice(star + 1);
	let entries;
	try {
		entries = readdirSync(parent);
	} catch {
		// The parent does not exist: so does nothing in it.
		return [];
	}
	return entries
		.filter((entry) => entry.startsWith(prefix))
		.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
		.map((entry) => `${parent}${entry}${rest}`);
}
