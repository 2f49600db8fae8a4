/** How a publisher ended, in words for the streamer, who may look only after it is gone. Pure. */
import type { Publisher, PublishProtocol, PublisherEndReason, TrackProblem } from '../publisher/publisher.ts';

/** Why there is no publisher any longer, or why there was none. */
export type PublishEndCode = PublisherEndReason | 'unpublished-early';

/** What became of one attempt to publish. */
export type PublishReport = {
	atEpochMs: number;
	protocol: PublishProtocol;
	encoderName: string | undefined;
	remoteAddress: string;
	code: PublishEndCode;
	message: string;
	advice?: string;
	/** Of its stream, as they stood at its end. */
	problems: readonly TrackProblem[];
};

/** One row for each code. */
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

/** Reports a publisher that has just ended. `hasPlayed`: something of it could be used. */
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
