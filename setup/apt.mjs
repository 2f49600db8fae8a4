/**
 * Installs Debian packages as root, without questions, without starting services, and removing what it put up for that.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from './child-processes.mjs';
import { withLock } from './setup-cache.mjs';
import { SetupError } from './setup-error.mjs';
import { formatInstallCommands } from './system-programs.mjs';

/** Another apt (unattended upgrades, say) may hold the lock for minutes. */
const APT_LOCK_TIMEOUT_S = 300;

/** Downloading Chromium over a slow line and unpacking it on a slow disk. */
const APT_TIMEOUT_MS = 30 * 60_000;

/** dpkg has to finish the package that it is unpacking: killed, it leaves the system to be repaired by hand. */
const APT_STOP_GRACE_MS = 60_000;

/**
 * Tells our files from others, which are never touched. One that a killed set-up left behind is known by it too, and is
 * taken away after the next installation.
 */
const OWN_FILE_MARK = 'Written by Spillway set-up for the duration of one installation';

const APT_OPTIONS = [
	'--quiet',
	'--yes',
	'--no-install-recommends',
	`--option=DPkg::Lock::Timeout=${APT_LOCK_TIMEOUT_S}`,
	'--option=Dpkg::Use-Pty=0',
	// A configuration file that somebody has changed stays as it is.
	'--option=Dpkg::Options::=--force-confdef',
	'--option=Dpkg::Options::=--force-confold',
	'--option=APT::Status-Fd=3',
];

/** Package lists are fetched once per set-up, however many steps install something. */
let areListsFresh = false;

/** @returns {boolean} Whether this process may install packages. */
export function isRoot() {
	return process.getuid?.() === 0;
}

/**
 * Parses a line of apt's machine-readable progress.
 *
 * @param {string} line For example `pmstatus:ffmpeg:57.14:Unpacking ffmpeg (amd64)`.
 * @returns {string | undefined} What to show, or undefined for lines of other kinds.
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
 * Installs packages. The caller is root on a Debian-like system.
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
		// Asks whether to restart services after an upgrade of a library.
		NEEDRESTART_MODE: 'l',
		LC_ALL: 'C.UTF-8',
	};
	// apt and the maintainer scripts need the administration folders, which are not on every PATH (su without a dash).
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
		// Our own lock besides apt's: the guards are shared, and the first to finish would take them from the second.
		await withLock(context, 'apt', async () => {
			const removeGuards = putUpServiceGuards(packages);
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
	} catch (/** @type {any} */ error) {
		if (context.signal.aborted) {
			throw error;
		}
		throw new SetupError(`apt-get could not install ${packages.join(', ')}: ${error.message}.`, {
			whatToDo: [
				'Read what apt-get says above, and try it by hand:',
				...formatInstallCommands('apt', packages, { isRoot: true }).map((command) => `    ${command}`),
			],
			output: error.output,
			cause: error,
		});
	}
}

/**
 * Keeps a service that an installed package brings along from starting at the next boot. The tests start programs of
 * their own, on ports and in folders of their own.
 *
 * @param {import('./run.mjs').SetupContext} context
 * @param {readonly string[]} services
 */
export async function disableServices(context, services) {
	// Without systemd as the init system there is nothing that would start it.
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
 * Debian packages start their services on installation, and PostgreSQL's creates a database cluster that runs from then
 * on. The two documented ways to prevent that are files, which are put up before and taken away after. Whoever has
 * either in place already (containers have the first) has decided for themselves.
 *
 * @param {readonly string[]} packages
 */
function putUpServiceGuards(packages) {
	/** @type {Array<() => void>} */
	const removals = [];

	// invoke-rc.d(8): exit code 101 of policy-rc.d means "action forbidden by policy", and the package manager goes on.
	const policy = '/usr/sbin/policy-rc.d';
	if (writeOwnFile(policy, `#!/bin/sh\n# ${OWN_FILE_MARK}: no service is to be started.\nexit 101\n`, 0o755)) {
		removals.push(() => rmSync(policy, { force: true }));
	}

	if (packages.includes('postgresql')) {
		// pg_createcluster(8): files in createcluster.d are read after createcluster.conf. A drop-in rather than that file,
		// which belongs to the package and would count as locally modified for ever after.
		const folder = '/etc/postgresql-common/createcluster.d';
		const createdFolders = [folder, path.dirname(folder)].filter((created) => !existsSync(created));
		mkdirSync(folder, { recursive: true });
		const dropIn = path.join(folder, 'spillway-setup.conf');
		if (writeOwnFile(dropIn, `# ${OWN_FILE_MARK}.\ncreate_main_cluster = false\n`, 0o644)) {
			removals.push(() => {
				rmSync(dropIn, { force: true });
				for (const created of createdFolders) {
					// Stays when the package has put something into it.
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
	// The mode above is subject to the umask; these have to be readable, and the first executable, for all.
	chmodSync(file, mode);
	return true;
}
