/** How sound and picture are told to belong together over WebRTC. */

/**
 * Sound is told to be this much younger than it is. A browser lets sound be up to 30 ms later than the picture, and
 * beyond that makes the picture wait until they are level; its buffer for sound is the longer one, so mostly the
 * picture waits. People notice sound that is late from 125 ms on (ITU-R BT.1359). See docs/decisions.md.
 */
export const SOUND_LAG_MS = 12;
