/** The program's logger: JSON lines, or text lines of time, level, message and fields. */
import { Writable } from 'node:stream';
import pino from 'pino';
import type { Logger } from '../../core/logger.ts';
import type { ServerConfig } from './server-config.ts';

const LEVELS: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info ', 40: 'warn ', 50: 'ERROR' };

export function createServerLogger({ log }: ServerConfig): Logger {
	const isText = log.format === 'text' || (log.format === 'auto' && process.stdout.isTTY);
	const options = { level: log.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
	return isText ? pino(options, textLogStream(process.stdout)) : pino(options);
}

function textLogStream(output: NodeJS.WritableStream): Writable {
	return new Writable({
		write(chunk: Buffer, _encoding, done) {
			for (const line of chunk.toString('utf8').split('\n')) {
				if (line !== '') {
					output.write(`${formatLogLine(line)}\n`);
				}
			}
			done();
		},
	});
}

function formatLogLine(line: string): string {
	let entry: Record<string, unknown>;
	try {
		entry = JSON.parse(line) as Record<string, unknown>;
	} catch {
		// A line from another source is written unchanged.
		return line;
	}
	const { level, time, msg, err, ...fields } = entry;
	const details = Object.entries(fields).map(
		([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
	);
	const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${String(err.stack)}` : '';
	return `${String(time).slice(11, 23)} ${LEVELS[Number(level)] ?? level} ${String(msg)}${details.length > 0 ? `  ${details.join(' ')}` : ''}${stack}`;
}
