/** Reads the configuration file as JSON, without its schema. */
import { readFile } from 'node:fs/promises';
import { errorMessage, SpillwayError } from '../../core/errors/errors.ts';

/** Undefined when there is no file. Throws CONFIG_INVALID for one that cannot be read. */
export async function readConfigFile(filePath: string): Promise<unknown> {
	let text: string;
	try {
		text = await readFile(filePath, 'utf8');
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
			return undefined;
		}
		throw new SpillwayError('CONFIG_INVALID', [`${filePath} cannot be read: ${errorMessage(error)}.`], {
			cause: error,
		});
	}
	try {
		return JSON.parse(text) as unknown;
	} catch (error) {
		// Node's message quotes the text around the mistake, which may be a password, so only the place is reported.
		const place = /line \d+ column \d+|position \d+/.exec(errorMessage(error))?.[0];
		const where = place === undefined ? '' : ` (${place})`;
		throw new SpillwayError('CONFIG_INVALID', [`${filePath} is not valid JSON${where}.`]);
	}
}
