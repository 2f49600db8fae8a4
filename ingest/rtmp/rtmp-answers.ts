/** Answers to encoders that are refused or closed: a code and a description, which never repeats a key. */
import type { SpillwayError } from '../../core/errors/errors.ts';
import type { PublisherEndReason, TrackProblem } from '../publisher/publisher.ts';
import { WHERE_KEYS_BELONG } from './publish-address.ts';
import type { StatusCode } from '../../core/wire/rtmp/rtmp-commands.ts';

export type RtmpAnswer = { code: StatusCode; description: string };

/** Answer to a publish without a key. */
export const NO_KEY_ANSWER: RtmpAnswer = {
	code: 'NetStream.Publish.Denied',
	description: `No stream key was found. ${WHERE_KEYS_BELONG}`,
};
/** Answer to a publish whose key could not be checked because of a bug of ours. */
export const KEY_CHECK_FAILED_ANSWER: RtmpAnswer = {
	code: 'NetStream.Publish.Rejected',
	description: 'The server could not check the stream key.',
};
/** Answer to a client that wants to watch. */
export const NO_PLAYBACK_ANSWER: RtmpAnswer = {
	code: 'NetStream.Play.Failed',
	description: 'This address only takes streams; nothing plays from it.',
};
/** Ends that are reported to the encoder. Not those after which the encoder should reconnect. */
const REPORTED_ENDS: Readonly<Partial<Record<PublisherEndReason, string>>> = {
	replaced: 'Another encoder with the same stream key took over.',
	'key-revoked': 'The stream key is no longer valid.',
	'bitrate-too-high': 'The bit rate is higher than this server takes. Lower it in the encoder.',
};
/** Encoders show no more of a description. */
const MAX_DESCRIPTION_LENGTH = 900;

/** Answer to a publish that was refused. */
export function refusalAnswer(error: SpillwayError): RtmpAnswer {
	if (error.code === 'STREAM_KEY_REFUSED') {
		return { code: 'NetStream.Publish.Denied', description: `${error.message} ${WHERE_KEYS_BELONG}` };
	}
	// librtmp (OBS) handles Denied and Rejected, but not BadName. Denied is for a key that stays wrong.
	return { code: 'NetStream.Publish.Rejected', description: error.message };
}

/** Answer to a publisher at its end; undefined when there is none. */
export function endAnswer(reason: PublisherEndReason, problems: readonly TrackProblem[]): RtmpAnswer | undefined {
	if (reason === 'media-unusable') {
		const sentences = problems.flatMap(({ message, advice }) => (advice === undefined ? [message] : [message, advice]));
		const description = toAscii(['Nothing of this stream can be used.', ...sentences].join(' '));
		return { code: 'NetStream.Publish.Rejected', description: description.slice(0, MAX_DESCRIPTION_LENGTH) };
	}
	const description = REPORTED_ENDS[reason];
	return description === undefined ? undefined : { code: 'NetStream.Publish.Denied', description };
}

// Encoders show the description in various character sets.
function toAscii(text: string): string {
	return text.replaceAll('→', '>').replaceAll('’', "'");
}
