/** What all publishers of the bench have in common. */
import type { SentFrame } from './source-loop.ts';

/** Where to publish, and with which key. */
export type PublishTarget = {
	/** `http://127.0.0.1:8080/whip`, or `rtmp://127.0.0.1:1935/live` without the key. */
	url: string;
	streamKey: string;
};

/** Sends the test picture and its sound until it is stopped or killed. */
export interface Publisher {
	readonly protocol: 'whip' | 'rtmp';
	/** One line for reports: encoder, profile, key-frame interval. */
	readonly description: string;
	/** Resolves once media flows towards the server. Rejects with the reason when the server refuses. */
	start(): Promise<void>;
	/** Ends as a user's "stop" does: with the protocol's goodbye. Idempotent. */
	stop(): Promise<void>;
	/** Ends as a crash or a pulled cable does: no goodbye at all. Idempotent. */
	kill(): Promise<void>;
	/**
	 * What to add to a capture time read from its pictures to get the bench's clock: 0 unless they are drawn by another
	 * process.
	 */
	readonly clockOffsetMs: number;
	/** Why it ended by itself; undefined while it goes on. What was measured after that says nothing about the server. */
	readonly failure?: Error | undefined;
	/** The pictures made so far, on the bench's clock; the newest 20 minutes of them. */
	sentFrames(): Promise<SentFrame[]>;
}
