/** The interface of the bench's publishers. */
import type { SentFrame } from './source-loop.ts';

export type PublishTarget = {
	/** `http://127.0.0.1:8080/whip`, or `rtmp://127.0.0.1:1935/live` without the key. */
	url: string;
	streamKey: string;
};

/** Sends the test picture and its sound until it is stopped or killed. */
export interface Publisher {
	/** One line for reports: encoder, profile, key-frame interval. */
	readonly description: string;
	/** Resolves once media flows towards the server. Rejects with the reason when the server refuses. */
	start(): Promise<void>;
	/** Ends as a user's "stop" does, as the protocol requires. Idempotent. */
	stop(): Promise<void>;
	/** Ends as a crash or a pulled cable does, without a message to the server. Idempotent. */
	kill(): Promise<void>;
	/** Add to a capture time from its pictures to get the bench's clock: 0 unless another process draws them. */
	readonly clockOffsetMs: number;
	/** Why it ended by itself; undefined while it publishes. */
	readonly failure?: Error | undefined;
	/** The pictures of the newest 20 minutes, on the bench's clock. */
	sentFrames(): Promise<SentFrame[]>;
}

/** Throws when a publisher or an encoder has ended by itself: measurements after that say nothing about the server. */
export function throwFailure({ failure }: Pick<Publisher, 'failure'>): void {
	if (failure !== undefined) {
		throw failure;
	}
}
