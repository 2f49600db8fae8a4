/** Detects the operating system and its package manager. Reads files, starts no programs. */
import { readFileSync } from 'node:fs';
import { findProgram } from './find-program.mjs';

/**
 * @typedef {'apt' | 'dnf' | 'pacman' | 'zypper' | 'apk' | 'brew'} PackageManager
 * @typedef {{ id: string, idLike: string[], versionId: string, versionCodename: string }} OsRelease
 */

/**
 * The package managers of Linux whose commands set-up can print, in the order of the search.
 *
 * @type {ReadonlyArray<[PackageManager, string]>}
 */
const LINUX_PACKAGE_MANAGERS = [
	['apt', 'apt-get'],
	['dnf', 'dnf'],
	['pacman', 'pacman'],
	['zypper', 'zypper'],
	['apk', 'apk'],
];

/**
 * Parses os-release(5).
 *
 * @param {string} text
 * @returns {OsRelease} Empty strings for missing fields.
 */
export function parseOsRelease(text) {
	/** @type {Record<string, string | undefined>} */
	const values = {};
	for (const line of text.split('\n')) {
		const [, name, ...forms] = /^([A-Z_]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line.trim()) ?? [];
		if (name !== undefined) {
			values[name] = forms.find((form) => form !== undefined);
		}
	}
	return {
		id: values['ID'] ?? '',
		idLike: (values['ID_LIKE'] ?? '').split(/\s+/).filter((id) => id !== ''),
		versionId: values['VERSION_ID'] ?? '',
		versionCodename: values['VERSION_CODENAME'] ?? '',
	};
}

/** @returns {OsRelease} Empty on macOS and without an os-release file. */
export function readOsRelease() {
	for (const file of ['/etc/os-release', '/usr/lib/os-release']) {
		try {
			return parseOsRelease(readFileSync(file, 'utf8'));
		} catch {
			// The other file is tried next.
		}
	}
	return parseOsRelease('');
}

/**
 * @param {OsRelease} osRelease
 * @returns {boolean} Whether packages come from Debian's archive or one that is built from it.
 */
export function isDebianLike(osRelease) {
	return osRelease.id === 'debian' || osRelease.idLike.includes('debian');
}

/**
 * The package manager to name in advice.
 *
 * @param {NodeJS.ProcessEnv} environment
 * @returns {PackageManager | undefined}
 */
export function detectPackageManager(environment) {
	if (process.platform === 'darwin') {
		return 'brew';
	}
	return LINUX_PACKAGE_MANAGERS.find(
		([, program]) =>
			findProgram([program], { searchPath: environment['PATH'], folders: ['/usr/bin', '/sbin'] }) !== undefined,
	)?.[0];
}
