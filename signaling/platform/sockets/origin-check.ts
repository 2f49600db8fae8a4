/** Which web pages may open sockets here: a page of another site would act with the cookies of whoever looks at it. */

/**
 * What browsers send for a page without an origin of its own, such as an embed in a frame with
 * `sandbox="allow-scripts"` (HTML, "serializing an origin"). Anybody can make such a page, so it is nobody's.
 */
export const OPAQUE_ORIGIN = 'null';

/** Decides by the Origin header of the upgrade request (RFC 6455 §10.2). */
export class OriginCheck {
	readonly #allowed: ReadonlySet<string>;

	/** `allowedOrigins`: such as `https://example.org`; the server's own public address belongs among them. */
	constructor(allowedOrigins: readonly string[]) {
		this.#allowed = new Set(allowedOrigins.map((origin) => parseOrigin(origin)?.origin ?? origin));
	}

	/**
	 * True for the same origin, for a configured one, and without Origin header: only browsers are forced to send it, and
	 * only browsers have somebody else's cookies.
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
		// A proxy in front may end TLS, so that the scheme is not known here; it only fills in the default port.
		return host !== undefined && parseOrigin(`${page.protocol}//${host}`)?.host === page.host;
	}
}

function parseOrigin(text: string): URL | undefined {
	if (!/^https?:\/\/[^/?#@\\\s]+$/i.test(text.replace(/\/$/, '')) || !URL.canParse(text)) {
		return undefined;
	}
	return new URL(text);
}
