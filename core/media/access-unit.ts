/** The access unit: all coded bits of one picture or audio frame with its times. Ingest passes it to the tiers. */
import type { Codec } from './codecs.ts';
import type { Rung } from './rung.ts';

export type TrackKind = 'video' | 'audio';

/** Name of a track within its broadcast, in addresses and logs, such as `video0`. */
export type TrackId = `${TrackKind}${number}`;

export type Track = {
	id: TrackId;
	kind: TrackKind;
	/** Absent: the source's own picture or sound, passed through or re-encoded. */
	rung?: Rung;
};

/** A broadcast's track of this kind and number; 0 is the one that the publisher sends. */
export function createTrack(kind: TrackKind, number: number): Track {
	return { id: `${kind}${number}`, kind };
}

/**
 * Times are ticks of the *broadcast's* media timeline: unwrapped, never negative, and monotonic in decode order within
 * a run between discontinuities. Converted to seconds, those of audio and video of one broadcast are comparable.
 */
export type AccessUnit = {
	trackId: TrackId;
	kind: TrackKind;
	codec: Codec;
	/** Ticks a second of both times: 90 000 for video, the sample rate for audio. */
	clockRate: number;
	decodeTimeTicks: number;
	presentationTimeTicks: number;
	/** Always known for audio, never for video (the next picture ends it). */
	durationTicks?: number;
	/** Estimated capture time of the picture or sound: epoch milliseconds on the server's clock. */
	captureTimeMs: number;
	/**
	 * A decoder may begin here. H.264: an IDR picture, or a recovery point or intra picture where there are no IDR
	 * pictures. Always true for audio.
	 */
	isKeyFrame: boolean;
	/**
	 * A run is a stretch of the broadcast from one publisher with one set of track configurations. Each take-over, return
	 * after a loss or change of configuration begins the next (0, 1, 2 …), and players need a discontinuity between two.
	 * Late units of an older run (out of an encoder) are dropped.
	 */
	run: number;
	/**
	 * H.264: NAL units, each after its 4-byte big-endian length, without access unit delimiters. Parameter sets are in it
	 * only where they differ from the track's configuration. AAC: the raw frame without ADTS. Opus: one packet. VP8: one
	 * frame.
	 */
	bytes: Uint8Array;
};
