/**
 * Reports on attempts to publish, in words for the streamer: how the last publisher of a channel ended, and why an
 * encoder was refused. Many encoders show no reasons, and the streamer may look only after the end.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError, type ErrorCode } from '../../core/errors/errors.ts';
import type { ChannelName } from '../../core/ids.ts';
import { createLruCache } from '../../core/limits/lru-cache.ts';
import type { Publisher, PublishProtocol, PublisherEndReason, TrackProblem } from '../publisher/publisher.ts';

type PublishEndCode = PublisherEndReason | 'unpublished-early';

export type PublishReport = {
	atEpochMs: number;
	protocol: PublishProtocol;
	encoderName: string | undefined;
	remoteAddress: string;
	code: PublishEndCode;
	message: string;
	advice?: string;
	/** Problems of its stream at its end. */
	problems: readonly TrackProblem[];
};

/** One row for each code. @internal for tests */
export const PUBLISH_END_WORDS: Readonly<Record<PublishEndCode, { message: string; advice?: string }>> = {
	unpublished: { message: 'The encoder ended the stream.' },
	'unpublished-early': {
		message: 'The encoder said goodbye before it had sent a picture or a sound that can be used.',
		advice: 'Start the stream again. If that does not help, look into the encoder’s own log.',
	},
	'connection-lost': {
		message: 'The connection to the encoder was lost.',
		advice: 'Start the stream again. A cable is steadier than Wi-Fi, and a lower bitrate needs less of the line.',
	},
	'timed-out': {
		message: 'The encoder sent nothing for too long, so its connection was closed.',
		advice: 'Start the stream again. If that does not help, look into the encoder’s own log.',
	},
	'protocol-error': {
		message: 'The encoder sent something that cannot be read, so its connection was closed.',
		advice: 'Update the encoder. If a relay stands between it and this server, try without that.',
	},
	replaced: {
		message: 'Another encoder with a stream key of this channel took over.',
		advice: 'If that was not you, revoke the stream key and make a new one.',
	},
	'key-revoked': {
		message: 'The stream key that the encoder used was revoked.',
		advice: 'Put another stream key of this channel into the encoder.',
	},
	'bitrate-too-high': {
		message: 'The encoder sent more than this server takes from one publisher, so its connection was closed.',
		advice: 'Lower the bit rate in the encoder.',
	},
	'media-unusable': { message: 'The encoder sent nothing that this server can use, so its connection was closed.' },
	'worker-died': {
		message: 'A part of the server had to start again.',
		advice: 'Start the stream again if the encoder does not do it by itself.',
	},
	'server-shutdown': { message: 'The server was stopped.', advice: 'Start the stream again in a minute.' },
};

/** `hasPlayed`: it sent usable media. */
export function reportPublisherEnd(
	publisher: Pick<Publisher, 'protocol' | 'encoderName' | 'remoteAddress'>,
	end: { reason: PublisherEndReason; hasPlayed: boolean; atEpochMs: number; problems: readonly TrackProblem[] },
): PublishReport {
	const code = end.reason === 'unpublished' && !end.hasPlayed ? 'unpublished-early' : end.reason;
	return {
		atEpochMs: end.atEpochMs,
		protocol: publisher.protocol,
		encoderName: publisher.encoderName,
		remoteAddress: publisher.remoteAddress,
		code,
		...PUBLISH_END_WORDS[code],
		problems: end.problems,
	};
}

export type PublishRefusal = {
	/** Epoch milliseconds. */
	atMs: number;
	code: ErrorCode;
	/** A sentence for the streamer. */
	message: string;
};

/** An older refusal is out of date. */
const REFUSAL_LIFETIME_MS = 600_000;
/** Channels with an entry; beyond them the oldest entry is evicted. */
export const MAX_REMEMBERED_CHANNELS = 1000;

/** The last refusal of each channel. */
export class PublishRefusals {
	readonly #deps: { clock: Clock };
	readonly #byChannel = createLruCache<ChannelName, PublishRefusal>(MAX_REMEMBERED_CHANNELS);

	constructor(deps: { clock: Clock }) {
		this.#deps = deps;
	}

	/** The channel's last refusal, unless it has expired. */
	last(channelName: ChannelName): PublishRefusal | undefined {
		const refusal = this.#byChannel.peek(channelName);
		const sinceMs = this.#deps.clock.nowMs() - REFUSAL_LIFETIME_MS;
		return refusal !== undefined && refusal.atMs > sinceMs ? refusal : undefined;
	}

	/** Runs a check and records its error. A check that passes deletes the previous refusal. */
	watch(channelName: ChannelName, check: () => void): void {
		try {
			check();
			this.#byChannel.delete(channelName);
		} catch (error) {
			if (error instanceof SpillwayError) {
				const { code, message } = error;
				this.#byChannel.set(channelName, { atMs: this.#deps.clock.nowMs(), code, message });
			}
			throw error;
		}
	}
}
