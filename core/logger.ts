/** The interface that objects log to. The program's logger is pino (in signaling/main.ts), whose call form this is. */

/** `child` adds fields to each line, such as a broadcast's id. */
export interface Logger {
	debug(fields: object, message: string): void;
	info(fields: object, message: string): void;
	warn(fields: object, message: string): void;
	error(fields: object, message: string): void;
	child(fields: object): Logger;
}

/** Discards everything. For tools and benchmarks. */
export const silentLogger: Logger = {
	debug: () => undefined,
	info: () => undefined,
	warn: () => undefined,
	error: () => undefined,
	child: () => silentLogger,
};

/** The same logger, with `info` lowered to `debug`. For the small steps of an object that logs its start and end. */
export function debugOnly(logger: Logger): Logger {
	return {
		debug: (fields, message) => logger.debug(fields, message),
		info: (fields, message) => logger.debug(fields, message),
		warn: (fields, message) => logger.warn(fields, message),
		error: (fields, message) => logger.error(fields, message),
		child: (fields) => debugOnly(logger.child(fields)),
	};
}
