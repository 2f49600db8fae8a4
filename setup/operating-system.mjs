/** Which operating system this is and which package manager installs things on it. Reads files, starts nothing. */
import { readFileSync } from 'node:fs';
import { findProgram } from './find-program.mjs';

/**
 * @typedef {'apt' | 'dnf' | 'pacman' | 'zypper' | 'apk' | 'brew'} PackageManager
 * @typedef {{ id: string, idLike: string[], versionId: string, versionCodename: string }} OsRelease
 */

/**
 * The package managers whose commands set-up can print, in the order in which they are looked for on Linux.
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
 * @returns {OsRelease} Empty strings where the file says nothing.
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

/**
 * Reads the machine's os-release file.
 *
 * @returns {OsRelease} Empty on macOS and where there is no such file.
 */
export function readOsRelease() {
	for (const file of ['/etc/os-release', '/usr/lib/os-release']) {
		try {
			return parseOsRelease(readFileSync(file, 'utf8'));
		} catch {
			// The other place is tried next.
		}
	}
	return parseOsRelease('');
}

/**
 * Whether packages come from Debian's archive or one that is built from it.
 *
 * @param {OsRelease} osRelease
 * @returns {boolean}
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
