/** Security headers for browsers. */
import type { FastifyInstance } from 'fastify';

/** Half a year: long enough to matter, short enough to undo. */
const STRICT_TRANSPORT_SECURITY = 'max-age=15552000';
/** Publishing from the page needs camera, microphone and screen. */
export const PERMISSIONS_POLICY =
	'camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=()';

/**
 * Pages load from the server only, and media also from `mediaOrigins`, such as CDNs. hls.js needs blob: for media and
 * for its worker.
 */
export function contentSecurityPolicy(mediaOrigins: readonly string[] = []): string {
	const media = mediaOrigins.map((origin) => ` ${origin}`).join('');
	return [
		"default-src 'self'",
		`media-src 'self' blob:${media}`,
		"worker-src 'self' blob:",
		`connect-src 'self' ws: wss:${media}`,
		`img-src 'self' data:${media}`,
		"style-src 'self' 'unsafe-inline'",
		"object-src 'none'",
		"base-uri 'none'",
		"form-action 'self'",
	].join('; ');
}

/** `isSecure`: users reach the server by TLS, its own or a proxy's. */
export function addSecurityHeaders(app: FastifyInstance, isSecure: boolean): void {
	app.addHook('onRequest', (_request, reply, done) => {
		reply.header('x-content-type-options', 'nosniff');
		if (isSecure) {
			reply.header('strict-transport-security', STRICT_TRANSPORT_SECURITY);
		}
		done();
	});
}
