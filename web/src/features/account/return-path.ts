/** The path to open after log-in, always on this site. Pure. */

/** The wanted path when it is on this site, otherwise the dashboard. */
export function safeReturnPath(wanted: unknown): string {
	// "//host" and "/\host" are other sites to a browser.
	return typeof wanted === 'string' && /^\/(?![/\\])/.test(wanted) && !/[\u0000-\u001f]/.test(wanted)
		? wanted
		: '/dashboard';
}
