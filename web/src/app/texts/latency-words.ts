/** What the latency figures of the pages cover. One sentence, wherever they are shown. */

/**
 * Capture times are reckoned from arrivals at the server, since no publisher's clock is trusted. So the share of the
 * camera, the encoder and the way to the server is unknown, whatever the protocol.
 */
export const LATENCY_SCOPE =
	'Counted from the moment a frame reaches the server to the moment it is on the screen. ' +
	'What the camera, the encoder and the way to the server take comes on top.';
