/** Asks a publisher for key frames for as long as it publishes. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Publisher } from '../publisher/publisher.ts';

/** Chromium's GOP has no end, so that key frames are asked for; the first request comes early, to learn whether it answers. */
const KEY_FRAME_INTERVAL_MS = 2000;
const FIRST_KEY_FRAME_REQUEST_MS = 900;

/** Begins to ask, and returns what stops it. `hasKeyFrame`: one has come. */
export function requestKeyFrames(
	clock: Clock,
	publisher: Pick<Publisher, 'requestKeyFrame'>,
	hasKeyFrame: () => boolean,
): () => void {
	const cancels = [
		clock.setTimeout(() => publisher.requestKeyFrame(), FIRST_KEY_FRAME_REQUEST_MS),
		clock.setInterval(() => publisher.requestKeyFrame(), KEY_FRAME_INTERVAL_MS),
		// The first key frame may have been sent before anybody listened, or been lost.
		clock.setInterval(() => {
			if (!hasKeyFrame()) {
				publisher.requestKeyFrame();
			}
		}, FIRST_KEY_FRAME_REQUEST_MS),
	];
	return () => cancels.forEach((cancel) => cancel());
}
