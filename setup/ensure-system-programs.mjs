/** Ensures that the programs of a profile exist: finds them, installs them as root on Debian, or prints how to. */
import path from 'node:path';
import { aptInstall, disableServices, isRoot } from './apt.mjs';
import { findProgram, isExecutableFile } from './find-program.mjs';
import { detectPackageManager, isDebianLike, readOsRelease } from './operating-system.mjs';
import { SetupError } from './setup-error.mjs';
import { SYSTEM_PROGRAMS, formatInstallCommands } from './system-programs.mjs';

/** @import { SetupContext } from './run.mjs' */
/** @import { ProgramName } from './system-programs.mjs' */

/**
 * @param {SetupContext} context
 * @param {readonly ProgramName[]} wanted
 * @returns {Promise<Record<string, string | undefined>>} Variable → path of the executable.
 * @throws {SetupError} When a program is missing and cannot be installed; names the command that installs it.
 */
export async function ensureSystemPrograms(context, wanted) {
	const isMissing = (/** @type {ProgramName} */ name) => findSystemProgram(name, context.environment) === undefined;
	const missing = wanted.filter(isMissing);
	if (missing.length > 0) {
		await installPrograms(context, missing);
		const stillMissing = missing.filter(isMissing);
		if (stillMissing.length > 0) {
			throw missingProgramsError(
				context,
				stillMissing,
				'apt-get reported success, but nothing that will do was found.',
			);
		}
	}
	return Object.fromEntries(
		wanted.map((name) => [SYSTEM_PROGRAMS[name].variable, findSystemProgram(name, context.environment)]),
	);
}

/**
 * Finds one program: the user's choice, then the PATH, then the folders of distributions.
 *
 * @param {ProgramName} name
 * @param {NodeJS.ProcessEnv} environment
 * @returns {string | undefined}
 * @throws {SetupError} When the user's choice does not exist; another program is not a substitute for it.
 */
export function findSystemProgram(name, environment) {
	const program = SYSTEM_PROGRAMS[name];
	const chosen = environment[program.variable];
	if (chosen) {
		if (!isExecutableFile(chosen)) {
			throw new SetupError(`${program.variable} is set to ${chosen}, which is not an executable file.`, {
				whatToDo: [`Correct it, or unset ${program.variable} to have set-up look for ${program.names[0]}.`],
			});
		}
		return path.resolve(chosen);
	}
	return findProgram(program.names, { searchPath: environment['PATH'], folders: program.folders });
}

/** @param {SetupContext} context @param {readonly ProgramName[]} missing */
async function installPrograms(context, missing) {
	// Ubuntu's package of this name installs a snap, which needs a running snapd and cannot read all files.
	const isSnapOnly = (/** @type {ProgramName} */ name) => name === 'chromium' && readOsRelease().id === 'ubuntu';
	if (!isRoot() || detectPackageManager(context.environment) !== 'apt' || !isDebianLike(readOsRelease())) {
		throw missingProgramsError(context, missing);
	}
	if (missing.some(isSnapOnly)) {
		throw new SetupError('Chromium is missing, and Ubuntu has it as a snap only.', {
			whatToDo: ['Install Google Chrome, or `snap install chromium`, or set CHROMIUM_BIN.'],
		});
	}

	const packages = missing.map((name) => SYSTEM_PROGRAMS[name].packages.apt);
	const step = context.terminal.startStep(`Debian packages ${packages.join(', ')}`);
	try {
		await aptInstall(context, packages, step);
		await disableServices(
			context,
			missing.flatMap((name) => SYSTEM_PROGRAMS[name].services ?? []),
		);
	} catch (error) {
		step.fail(context.signal.aborted ? 'stopped' : 'could not be installed');
		throw error;
	}
	step.done('installed');
}

/** @param {SetupContext} context @param {readonly ProgramName[]} missing @param {string} [detail] */
function missingProgramsError(context, missing, detail) {
	const packageManager = detectPackageManager(context.environment);
	const packages = missing.map((name) => (packageManager && SYSTEM_PROGRAMS[name].packages[packageManager]) ?? name);
	const reasons = missing.map((name) => `${name} (${SYSTEM_PROGRAMS[name].purpose})`).join(', ');
	const commands = formatInstallCommands(packageManager, packages, { isRoot: isRoot() });
	return new SetupError(`Missing on this machine: ${reasons}.${detail ? ` ${detail}` : ''}`, {
		whatToDo: [
			'Install and run the same command again:',
			...commands.map((command) => `    ${command}`),
			...(packageManager === 'dnf' && missing.includes('ffmpeg')
				? ["    (ffmpeg with x264 is in RPM Fusion; Fedora's own ffmpeg-free cannot encode H.264 with x264)"]
				: []),
			`A program elsewhere is named with ${missing.map((name) => SYSTEM_PROGRAMS[name].variable).join(', ')}.`,
		],
	});
}
