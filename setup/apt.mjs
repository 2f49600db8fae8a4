/** Installs Debian packages as root, without questions and without starting services. */
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from './child-processes.mjs';
import { withLock } from './setup-cache.mjs';
import { toSetupError } from './setup-error.mjs';
import { formatInstallCommands } from './system-programs.mjs';

/** Another apt (unattended upgrades, say) may hold the lock for minutes. */
const APT_LOCK_TIMEOUT_S = 300;

/** Downloading Chromium over a slow line and unpacking it on a slow disk. */
const APT_TIMEOUT_MS = 30 * 60_000;

/** Time for dpkg to finish a package: a killed dpkg leaves a system that has to be repaired by hand. */
const APT_STOP_GRACE_MS = 60_000;

/**
 * Distinguishes our files from others, which are never changed. A file of a killed set-up has it too, and is removed
 * after the next installation.
 */
const OWN_FILE_MARK = 'Written by Spillway set-up for the duration of one installation';

const APT_OPTIONS = [
	'--quiet',
	'--yes',
	'--no-install-recommends',
	`--option=DPkg::Lock::Timeout=${APT_LOCK_TIMEOUT_S}`,
	'--option=Dpkg::Use-Pty=0',
	// Changed configuration files stay.
	'--option=Dpkg::Options::=--force-confdef',
	'--option=Dpkg::Options::=--force-confold',
	'--option=APT::Status-Fd=3',
];

/** Package lists are fetched once per set-up. */
let areListsFresh = false;

/** @returns {boolean} Whether this process may install packages. */
export function isRoot() {
	return process.getuid?.() === 0;
}

/**
 * Parses a line of apt's machine-readable progress.
 *
 * @param {string} line For example `pmstatus:ffmpeg:57.14:Unpacking ffmpeg (amd64)`.
 * @returns {string | undefined} The text to show, or undefined for other lines.
 */
export function parseAptStatus(line) {
	const match = /^(dlstatus|pmstatus):[^:]*(?::[a-z0-9]+)?:([0-9.]+):(.*)$/.exec(line);
	if (match === null) {
		return undefined;
	}
	const percent = Math.floor(Number(match[2]));
	return match[1] === 'dlstatus' ? `downloading, ${percent} %` : `${match[3]}, ${percent} %`;
}

/**
 * The caller must be root on a Debian-like system.
 *
 * @param {import('./run.mjs').SetupContext} context
 * @param {readonly string[]} packages
 * @param {{ progress(text: string): void }} step
 * @throws {SetupError}
 */
export async function aptInstall(context, packages, step) {
	/** @type {NodeJS.ProcessEnv} */
	const environment = {
		...context.environment,
		DEBIAN_FRONTEND: 'noninteractive',
		// Otherwise it asks whether to restart services after an upgrade of a library.
		NEEDRESTART_MODE: 'l',
		LC_ALL: 'C.UTF-8',
	};
	// apt and the maintainer scripts need the administration folders, which not every PATH has (su without a dash).
	environment['PATH'] = `${environment['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;
	const options = {
		env: environment,
		timeoutMs: APT_TIMEOUT_MS,
		stopGraceMs: APT_STOP_GRACE_MS,
		/** @param {string} line */
		onStatusLine: (line) => {
			const status = parseAptStatus(line);
			if (status !== undefined) {
				step.progress(status);
			}
		},
	};
	try {
		// A lock besides apt's: set-ups share the guards, and the first to finish removes those of the second otherwise.
		await withLock(context, 'apt', async () => {
			const removeGuards = installServiceGuards(packages);
			try {
				if (!areListsFresh) {
					step.progress('apt-get update');
					await runCommand(context, 'apt-get', [...APT_OPTIONS, 'update'], options);
					areListsFresh = true;
				}
				step.progress(`apt-get install ${packages.join(' ')}`);
				await runCommand(context, 'apt-get', [...APT_OPTIONS, 'install', ...packages], options);
			} finally {
				removeGuards();
			}
		});
	} catch (error) {
		throw toSetupError(context, error, `apt-get could not install ${packages.join(', ')}`, [
			'Read what apt-get says above, and try it by hand:',
			...formatInstallCommands('apt', packages, { isRoot: true }).map((command) => `    ${command}`),
		]);
	}
}

/**
 * Disables services of installed packages, so that they do not start at the next boot. The tests start the programs
 * themselves, on other ports and in other folders.
 *
 * @param {import('./run.mjs').SetupContext} context
 * @param {readonly string[]} services
 */
export async function disableServices(context, services) {
	// Without systemd as the init system no service starts.
	if (services.length === 0 || !existsSync('/run/systemd/system')) {
		return;
	}
	try {
		await runCommand(context, 'systemctl', ['disable', ...services], { env: context.environment });
	} catch (/** @type {any} */ error) {
		if (context.signal.aborted) {
			throw error;
		}
		context.terminal.writeLine(`  Could not disable ${services.join(', ')} (${error.message}); it starts at boot.`);
	}
}

/**
 * Debian packages start their services on installation, and PostgreSQL's creates and starts a database cluster. The two
 * documented ways to prevent that are files, which exist during the installation. A file that exists already
 * (containers have the first) stays.
 *
 * @param {readonly string[]} packages
 */
function installServiceGuards(packages) {
	/** @type {Array<() => void>} */
	const removals = [];

	// invoke-rc.d(8): exit code 101 of policy-rc.d means "action forbidden by policy", and the package manager continues.
	const policy = '/usr/sbin/policy-rc.d';
	if (writeOwnFile(policy, `#!/bin/sh\n# ${OWN_FILE_MARK}: no service is to be started.\nexit 101\n`, 0o755)) {
		removals.push(() => rmSync(policy, { force: true }));
	}

	if (packages.includes('postgresql')) {
		// pg_createcluster(8): files in createcluster.d are read after createcluster.conf. That file belongs to the
		// package, which treats a changed one as locally modified.
		const folder = '/etc/postgresql-common/createcluster.d';
		const createdFolders = [folder, path.dirname(folder)].filter((created) => !existsSync(created));
		mkdirSync(folder, { recursive: true });
		const dropIn = path.join(folder, 'spillway-setup.conf');
		if (writeOwnFile(dropIn, `# ${OWN_FILE_MARK}.\ncreate_main_cluster = false\n`, 0o644)) {
			removals.push(() => {
				rmSync(dropIn, { force: true });
				for (const created of createdFolders) {
					// Stays when the package uses it.
					if (existsSync(created) && readdirSync(created).length === 0) {
						rmSync(created, { recursive: true });
					}
				}
			});
		}
	}
	return () => removals.forEach((remove) => remove());
}

/** @param {string} file @param {string} text @param {number} mode */
function writeOwnFile(file, text, mode) {
	if (existsSync(file) && !readFileSync(file, 'utf8').includes(OWN_FILE_MARK)) {
		return false;
	}
	writeFileSync(file, text, { mode });
	// The umask reduces the mode above; all users must be able to read the files and to run the first.
	chmodSync(file, mode);
	return true;
}
