/** What objects log to. The program's logger is pino (in signaling/main.ts), whose call form this is. */

/** Structured logger; `child` adds fields to each line, such as a broadcast's id. */
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
