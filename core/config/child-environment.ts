/** What programs that we start see of our environment: where things are, and no secret. */

/** Where programs and libraries are, language, time zone, temporary files; what a tracer of memory errors needs. */
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
/** Of mediasoup's own: running the worker under valgrind. */
const PREFIX = 'MEDIASOUP_';

/** The part of an environment that a program of ours may see. Pure. @internal for tests */
export function childEnvironment(
	environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
	return Object.fromEntries(Object.entries(environment).filter(([name]) => NAMES.has(name) || name.startsWith(PREFIX)));
}

/**
 * Calls `start` while this process has no more than that part, for libraries that hand on all of ours and take no
 * other. `start` must start its program before it returns or waits for anything.
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
