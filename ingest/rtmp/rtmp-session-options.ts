/** Bounds of one RTMP session, and what it is given. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { StreamKey } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { RtmpSessionTimeouts } from './receive-deadlines.ts';
import type { RtmpConnection } from './rtmp-connection.ts';
import type { RtmpPublisher } from './rtmp-publisher.ts';

/** Our chunks and, since FFmpeg copies the size, its too: a whole picture in few writes. */
export const OUTBOUND_CHUNK_SIZE_BYTES = 65_536;
/** Encoders use fewer than ten. */
export const MAX_CHUNK_STREAM_COUNT = 64;
/** Encoders create one, and those that publish several times on one connection one each time. */
export const MAX_STREAM_COUNT = 16;
/**
 * Publishers of whose stream nothing can be used after this long are let go with the reason. Twice the time that encoders
 * take to send the first picture.
 */
export const UNUSABLE_AFTER_MS = 5000;

/** Bounds of one session. Defaults are in rtmp-server.ts. */
export type RtmpSessionLimits = RtmpSessionTimeouts & {
	/** Largest RTMP message of a publisher. */
	maxMessageBytes: number;
	/** Sum of all its incomplete messages. */
	maxBufferedBytes: number;
	/** Both, and the sum of what comes while the key is being checked, for those who have not shown a key that is good. */
	maxStrangerBytes: number;
	/** A connection that leaves more than this unread is closed. All that we send are short answers. */
	maxPendingWriteBytes: number;
	/** How long a refused key waits for its answer, so that guessing is slow. */
	refusalDelayMs: number;
};

/** What a session is given. */
export type RtmpSessionOptions<Authorization> = {
	connection: RtmpConnection;
	limits: RtmpSessionLimits;
	clock: Clock;
	logger: Logger;
	/** Checks the keys that the address may hold, as one attempt; throws SpillwayError. */
	authorize: (streamKeys: readonly StreamKey[], remoteAddress: string) => Promise<Authorization>;
	/** A publisher was accepted; media follows after this returns. */
	onPublisher: (publisher: RtmpPublisher, authorization: Authorization) => void;
};
