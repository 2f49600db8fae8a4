/** How much later than the picture sound is played over WebRTC. */

/**
 * Sender reports state a capture time of sound that is this much too late. A browser allows sound to be up to 30 ms
 * later than the picture, and delays the picture beyond that. Its buffer for sound is the longer one, so mostly the
 * picture waits. People notice late sound from 125 ms on (ITU-R BT.1359). See docs/decisions.md.
 */
export const SOUND_LAG_MS = 12;
