/** Tests of finding programs, and of the commands that are printed for missing ones. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAptStatus } from './apt.mjs';
import { findSystemProgram } from './ensure-system-programs.mjs';
import { findProgram } from './find-program.mjs';
import { withoutNpmRunVariables } from './npm.mjs';
import { isDebianLike, parseOsRelease } from './operating-system.mjs';
import { PROFILES } from './profiles.mjs';
import { SetupError } from './setup-error.mjs';
import { SYSTEM_PROGRAMS, formatInstallCommands } from './system-programs.mjs';

/** @import { PackageManager } from './operating-system.mjs' */

describe('formatInstallCommands', () => {
	const user = { isRoot: false };
	/** @type {Array<[PackageManager | undefined, string[], { isRoot: boolean }, string[]]>} */
	const cases = [
		[
			'apt',
			['ffmpeg', 'chromium'],
			user,
			['sudo apt-get update', 'sudo apt-get install --no-install-recommends ffmpeg chromium'],
		],
		['apt', ['ffmpeg'], { isRoot: true }, ['apt-get update', 'apt-get install --no-install-recommends ffmpeg']],
		['dnf', ['ffmpeg', 'valkey'], user, ['sudo dnf install ffmpeg valkey']],
		['pacman', ['ffmpeg'], user, ['sudo pacman -S ffmpeg']],
		['brew', ['ffmpeg', '--cask chromium'], user, ['brew install ffmpeg', 'brew install --cask chromium']],
		[undefined, ['ffmpeg'], user, ["(with this system's package manager)  ffmpeg"]],
	];
	it.each(cases)('%s %s', (packageManager, packages, who, expected) => {
		expect(formatInstallCommands(packageManager, packages, who)).toEqual(expected);
	});
});

describe('the table of programs', () => {
	it.each(Object.entries(SYSTEM_PROGRAMS))('has a package of %s for every package manager', (_name, { packages }) => {
		expect(Object.keys(packages).sort()).toEqual(['apk', 'apt', 'brew', 'dnf', 'pacman', 'zypper']);
	});

	it.each(Object.values(PROFILES).flatMap(({ programs }) => programs))('has %s, which a profile names', (name) => {
		expect(SYSTEM_PROGRAMS).toHaveProperty(name);
	});
});

describe('findProgram', () => {
	/** @type {string} */
	let folder;
	const addProgram = (/** @type {string} */ name, mode = 0o755) => {
		const file = path.join(folder, name);
		mkdirSync(path.dirname(file), { recursive: true });
		writeFileSync(file, '');
		chmodSync(file, mode);
		return file;
	};
	beforeEach(() => {
		folder = mkdtempSync(path.join(os.tmpdir(), 'spillway-find-test-'));
	});
	afterEach(() => {
		rmSync(folder, { recursive: true });
	});

	it('prefers the first name, and the PATH to other folders', () => {
		const second = addProgram('extra/second');
		expect(findProgram(['first', 'second'], { searchPath: '', folders: [`${folder}/extra`] })).toBe(second);
		const first = addProgram('bin/first');
		expect(findProgram(['first', 'second'], { searchPath: `${folder}/bin`, folders: [`${folder}/extra`] })).toBe(first);
	});

	it('prefers the highest version by number', () => {
		addProgram('postgresql/9/bin/postgres');
		const newest = addProgram('postgresql/15/bin/postgres');
		expect(findProgram(['postgres'], { folders: [`${folder}/postgresql/*/bin`] })).toBe(newest);
		const keg = addProgram('opt/postgresql@17/bin/postgres');
		expect(findProgram(['postgres'], { folders: [`${folder}/opt/postgresql@*/bin`] })).toBe(keg);
	});

	it('ignores files that cannot be started, folders, and a relative PATH', () => {
		addProgram('bin/plain', 0o644);
		mkdirSync(path.join(folder, 'bin', 'folder'));
		expect(findProgram(['plain', 'folder'], { searchPath: `${folder}/bin` })).toBeUndefined();
		expect(findProgram(['plain'], { searchPath: 'bin:.' })).toBeUndefined();
	});

	it("returns the user's choice, and rejects one that does not exist", () => {
		const chosen = addProgram('my-ffmpeg');
		expect(findSystemProgram('ffmpeg', { FFMPEG_BIN: chosen, PATH: '' })).toBe(chosen);
		expect(() => findSystemProgram('ffmpeg', { FFMPEG_BIN: `${chosen}-not` })).toThrow(SetupError);
	});
});

describe('parseOsRelease', () => {
	it('reads quoted and plain values', () => {
		const text =
			'PRETTY_NAME="Some OS 1"\nID=ubuntu\nID_LIKE="debian other"\nVERSION_ID=\'24.04\'\nVERSION_CODENAME=noble\n';
		const expected = { id: 'ubuntu', idLike: ['debian', 'other'], versionId: '24.04', versionCodename: 'noble' };
		expect(parseOsRelease(text)).toEqual(expected);
		expect(isDebianLike(expected)).toBe(true);
	});

	it('is empty for an empty file', () => {
		expect(parseOsRelease('')).toEqual({ id: '', idLike: [], versionId: '', versionCodename: '' });
		expect(isDebianLike(parseOsRelease('ID=fedora'))).toBe(false);
	});
});

describe('parseAptStatus', () => {
	it.each([
		['dlstatus:3:41.9:Retrieving file 3 of 7', 'downloading, 41 %'],
		['pmstatus:ffmpeg:57.14:Unpacking ffmpeg (amd64)', 'Unpacking ffmpeg (amd64), 57 %'],
		['pmstatus:libc6:amd64:9.5:Configuring libc6', 'Configuring libc6, 9 %'],
		['pmerror:x:1:broken', undefined],
		['', undefined],
	])('%s', (line, expected) => {
		expect(parseAptStatus(line)).toBe(expected);
	});
});

describe('withoutNpmRunVariables', () => {
	it("drops the variables of an outer npm run and keeps the user's configuration", () => {
		const environment = {
			PATH: '/bin',
			NODE: '/old/node',
			npm_config_local_prefix: '/checkout',
			npm_config_registry: 'https://registry.example',
			npm_config_cafile: '/ca.pem',
			npm_execpath: '/npm-cli.js',
			npm_lifecycle_event: 'start',
			npm_package_name: 'spillway',
		};
		expect(withoutNpmRunVariables(environment)).toEqual({
			PATH: '/bin',
			npm_config_registry: 'https://registry.example',
			npm_config_cafile: '/ca.pem',
		});
		expect(environment.NODE).toBe('/old/node');
	});
});
