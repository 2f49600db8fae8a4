/** Errors of the server, its data folder, database and bus. */
import type { ErrorTable } from './error-table.ts';

export const SERVER_ERRORS = {
	DATABASE_UNAVAILABLE: { httpStatus: 503, message: 'The database does not answer. Try again in a moment.' },
	BUS_UNAVAILABLE: { httpStatus: 503, message: 'The message bus does not answer. Try again in a moment.' },
	DATA_FOLDER_UNWRITABLE: {
		httpStatus: 503,
		message: 'The data folder cannot be written: %s. Make room or repair the disk.',
	},
	DATA_FOLDER_LOCKED: {
		httpStatus: 500,
		message: 'The data folder "%s" is in use by process %s. Stop it, or choose another folder.',
	},
	CONFIG_INVALID: { httpStatus: 500, message: 'The configuration is not valid: %s' },
	SERVER_STOPPING: { httpStatus: 503, message: 'The server is stopping. Try again in a moment.' },
	INTERNAL_ERROR: { httpStatus: 500, message: 'Something broke on our side. Quote request id %s when you report it.' },
} as const satisfies ErrorTable;
