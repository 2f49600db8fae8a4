/** The log of a page: the browser's console. */
import type { Logger } from '../../../core/logger.ts';

/** `localStorage['spillway.debug'] = '1'` shows everything. */
function isVerbose(): boolean {
	try {
		return localStorage.getItem('spillway.debug') !== null;
	} catch {
		// Storage is off.
		return false;
	}
}

/** Errors go to the browser's console with these fields; other levels only in verbose mode. */
export function createBrowserLogger(fields: object = {}): Logger {
	const verbose = isVerbose();
	const write = (level: 'debug' | 'info' | 'warn' | 'error') => (lineFields: object, message: string) => {
		if (verbose || level === 'error') {
			// eslint-disable-next-line no-console -- the browser's console is where a page's log belongs
			console[level](`[spillway] ${message}`, { ...fields, ...lineFields });
		}
	};
	return {
		debug: write('debug'),
		info: write('info'),
		warn: write('warn'),
		error: write('error'),
		child: (childFields) => createBrowserLogger({ ...fields, ...childFields }),
	};
}
