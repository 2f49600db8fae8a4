/** The files of the project, for tests of its rules. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..', '..');
const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.git', 'data', '.spillway']);

/** All files, as paths from the root. */
export const PROJECT_FILES: readonly string[] = listFiles('');
export const SOURCE_FILES = PROJECT_FILES.filter((name) => /\.(ts|mjs|js|vue|css|sql|h|c|cpp|html|sh)$/.test(name));

export function readProjectFile(name: string): string {
	return readFileSync(path.join(ROOT, name), 'utf8');
}

/** Whether a file is a test or only used by tests. */
export function isTesting(name: string): boolean {
	return /(^|\/)testing\//.test(name) || /\.(test|bench)\.(ts|mjs)$/.test(name) || name.endsWith('-contract.ts');
}

function listFiles(folder: string): string[] {
	return readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
		const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
		if (entry.isDirectory()) {
			return SKIPPED_FOLDERS.has(entry.name) ? [] : listFiles(name);
		}
		return [name];
	});
}
