/** A logger that keeps its lines for assertions. */
import type { Logger } from '../logger.ts';

/** One logged line, with the fields of all parents. */
export type LogLine = { level: 'debug' | 'info' | 'warn' | 'error'; fields: Record<string, unknown>; message: string };

/** Child loggers share the parent's `lines`. */
export class RecordingLogger implements Logger {
	readonly lines: LogLine[];
	readonly #fields: Record<string, unknown>;

	constructor(lines: LogLine[] = [], fields: Record<string, unknown> = {}) {
		this.lines = lines;
		this.#fields = fields;
	}

	debug(fields: object, message: string): void {
		this.#add('debug', fields, message);
	}

	info(fields: object, message: string): void {
		this.#add('info', fields, message);
	}

	warn(fields: object, message: string): void {
		this.#add('warn', fields, message);
	}

	error(fields: object, message: string): void {
		this.#add('error', fields, message);
	}

	child(fields: object): Logger {
		return new RecordingLogger(this.lines, { ...this.#fields, ...fields });
	}

	#add(level: LogLine['level'], fields: object, message: string): void {
		this.lines.push({ level, fields: { ...this.#fields, ...fields }, message });
	}
}
