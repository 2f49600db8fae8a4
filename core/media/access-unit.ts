/**
 * The access unit: all coded bits of one picture or one audio frame with its times. What ingest makes and tiers
 * consume.
 */
import type { Codec } from './codecs.ts';

/** What a track carries. */
export type TrackKind = 'video' | 'audio';

/**
 * Name of a track within its broadcast, in addresses and logs, such as `video0`. What it carries is in a field beside
 * it.
 */
export type TrackId = `${TrackKind}${number}`;

/** One track of a broadcast. */
export type Track = { id: TrackId; kind: TrackKind };

/** A broadcast's track of this kind and number: 0 is what the publisher sends. */
export function createTrack(kind: TrackKind, number: number): Track {
	return { id: `${kind}${number}`, kind };
}

/**
 * One coded picture or audio frame.
 *
 * Times are ticks of the *broadcast's* media timeline in `clockRate` ticks a second: unwrapped, never negative,
 * monotonic in decode order within a run between discontinuities, and comparable between audio and video of one
 * broadcast after conversion to seconds.
 */
export type AccessUnit = {
	trackId: TrackId;
	kind: TrackKind;
	codec: Codec;
	/** Ticks a second of both times: 90 000 for video, the sample rate for audio. */
	clockRate: number;
	decodeTimeTicks: number;
	presentationTimeTicks: number;
	/** Ticks, when known: audio always, video never (the next picture tells). */
	durationTicks?: number;
	/** Epoch milliseconds on the server's clock when the picture or sound was captured, as near as can be known. */
	captureTimeMs: number;
	/**
	 * A decoder may begin here. H.264: an IDR picture, or a recovery point where an encoder takes all. Always true for
	 * audio.
	 */
	isKeyFrame: boolean;
	/**
	 * Which run of the broadcast it belongs to. A run is a stretch from one publisher with one set of track
	 * configurations; each take-over, return after a loss or change of configuration begins the next (0, 1, 2 …), and
	 * players need a discontinuity between two. Units of an older run that come late (out of an encoder) are dropped.
	 */
	run: number;
	/**
	 * H.264: NAL units, each after its 4-byte big-endian length, without access unit delimiters; parameter sets only
	 * where they differ from those of the track's configuration. AAC: the raw frame without ADTS. Opus: one packet. VP8:
	 * one frame.
	 */
	bytes: Uint8Array;
};
