/** Finds the first key frame in our CMAF files, so that nothing behind it is loaded or decoded. Pure. */
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { readFragments } from '../cmaf/fragment-reader.ts';
import type { ByteRange } from '../store/object-store.ts';

/** A picture that decodes alone. */
export type KeyFrame = {
	config: VideoTrackConfig;
	/** NAL units, each after its length of four bytes. */
	bytes: Uint8Array;
};

/**
 * Where the first key frame of a part or segment is, counted from the first byte; it may end behind the bytes that are
 * given. Undefined when there is none, or the bytes are not ours.
 */
export function locateKeyFrame(bytes: Uint8Array): ByteRange | undefined {
	for (const { isSync, startByte, endByte } of readFragments(bytes)) {
		if (isSync && endByte > startByte) {
			return { startByte, endByte };
		}
	}
	return undefined;
}
