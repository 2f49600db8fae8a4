/** Where to go after log-in: a path of ours, never an address of somebody else's. Pure. */

/** The wanted path when it stays on this site, else the dashboard. */
export function safeReturnPath(wanted: unknown): string {
	// "//host" and "/\host" are other sites to a browser.
	return typeof wanted === 'string' && /^\/(?![/\\])/.test(wanted) && !/[\u0000-\u001f]/.test(wanted)
		? wanted
		: '/dashboard';
}
