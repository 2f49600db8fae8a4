/** The part of our environment that child programs get: paths, locale, sanitizer options, and no secret. */

const NAMES = new Set([
	'PATH',
	'HOME',
	'LANG',
	'LC_ALL',
	'TZ',
	'TMPDIR',
	'LD_LIBRARY_PATH',
	'DYLD_LIBRARY_PATH',
	'ASAN_OPTIONS',
	'LSAN_OPTIONS',
	'FFMPEG_PATH',
]);
/** Variables that mediasoup reads, such as those that run the worker under valgrind. */
const PREFIX = 'MEDIASOUP_';

/** The part of an environment that a child program may see. Pure. */
export function childEnvironment(
	environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
	return Object.fromEntries(Object.entries(environment).filter(([name]) => NAMES.has(name) || name.startsWith(PREFIX)));
}

/**
 * Calls `start` while `process.env` holds only that part, for libraries that pass all of it to the programs they
 * start. `start` must start its program synchronously.
 */
export function withChildEnvironment<Result>(start: () => Result): Result {
	const kept = childEnvironment(process.env);
	const hidden = Object.entries(process.env).filter(([name]) => !Object.hasOwn(kept, name));
	for (const [name] of hidden) {
		delete process.env[name];
	}
	try {
		return start();
	} finally {
		for (const [name, value] of hidden) {
			process.env[name] = value;
		}
	}
}
