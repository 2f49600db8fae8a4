/** Decides which web pages may open sockets: a page of another site must not act with the cookies of its visitors. */

/**
 * The origin of a page without one, such as an embed in a frame with `sandbox="allow-scripts"` (HTML, "serializing an
 * origin"). Any site can create such a page.
 */
export const OPAQUE_ORIGIN = 'null';

/** Checks the Origin header of the upgrade request (RFC 6455 §10.2). */
export class OriginCheck {
	readonly #allowed: ReadonlySet<string>;

	/** `allowedOrigins`: such as `https://example.org`; must include the server's public address. */
	constructor(allowedOrigins: readonly string[]) {
		this.#allowed = new Set(allowedOrigins.map((origin) => parseOrigin(origin)?.origin ?? origin));
	}

	/**
	 * True for the same origin, for a configured one, and without Origin header: browsers always send it, and only
	 * browsers have cookies of their users.
	 */
	isAllowed(origin: string | undefined, host: string | undefined): boolean {
		if (origin === undefined) {
			return true;
		}
		const page = parseOrigin(origin);
		if (page === undefined) {
			return false;
		}
		if (this.#allowed.has(page.origin)) {
			return true;
		}
		// A proxy may terminate TLS, so the real scheme is unknown; it only implies the default port.
		return host !== undefined && parseOrigin(`${page.protocol}//${host}`)?.host === page.host;
	}
}

function parseOrigin(text: string): URL | undefined {
	if (!/^https?:\/\/[^/?#@\\\s]+$/i.test(text.replace(/\/$/, '')) || !URL.canParse(text)) {
		return undefined;
	}
	return new URL(text);
}
