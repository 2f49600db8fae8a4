/** The explanation next to latency figures on all pages. */

/**
 * Capture times are computed from arrivals at the server, because publishers' clocks are not trusted. So the share of
 * camera, encoder and upload is unknown with every protocol.
 */
export const LATENCY_SCOPE =
	'Counted from the moment a frame reaches the server to the moment it is on the screen. ' +
	'What the camera, the encoder and the way to the server take comes on top.';
