/** What an encoder is told when it is refused or let go, and by which code. Words only; it never repeats a key. */
import type { SpillwayError } from '../../core/errors/errors.ts';
import type { PublisherEndReason, TrackProblem } from '../publisher/publisher.ts';
import { WHERE_KEYS_BELONG } from './publish-address.ts';
import type { StatusCode } from '../../core/wire/rtmp/rtmp-commands.ts';

/** An `onStatus`. */
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
/** Answer to somebody who wants to watch. */
export const NO_PLAYBACK_ANSWER: RtmpAnswer = {
	code: 'NetStream.Play.Failed',
	description: 'This address only takes streams; nothing plays from it.',
};
/** Ends that the encoder's user should learn of. Not those after which the encoder is to come back. */
const TOLD_ENDS: Readonly<Partial<Record<PublisherEndReason, string>>> = {
	replaced: 'Another encoder with the same stream key took over.',
	'key-revoked': 'The stream key is no longer valid.',
	'bitrate-too-high': 'The bit rate is higher than this server takes. Lower it in the encoder.',
};
/** As long as encoders show of a description. */
const MAX_DESCRIPTION_LENGTH = 900;

/** Answer to a publish that was refused. */
export function refusalAnswer(error: SpillwayError): RtmpAnswer {
	if (error.code === 'STREAM_KEY_REFUSED') {
		return { code: 'NetStream.Publish.Denied', description: `${error.message} ${WHERE_KEYS_BELONG}` };
	}
	// librtmp (OBS) knows Denied and Rejected; BadName it does not know. Denied is for a key that stays wrong.
	return { code: 'NetStream.Publish.Rejected', description: error.message };
}

/** What a publisher is told at its end, if anything. */
export function endAnswer(reason: PublisherEndReason, problems: readonly TrackProblem[]): RtmpAnswer | undefined {
	if (reason === 'media-unusable') {
		const sentences = problems.flatMap(({ message, advice }) => (advice === undefined ? [message] : [message, advice]));
		const description = toAscii(['Nothing of this stream can be used.', ...sentences].join(' '));
		return { code: 'NetStream.Publish.Rejected', description: description.slice(0, MAX_DESCRIPTION_LENGTH) };
	}
	const description = TOLD_ENDS[reason];
	return description === undefined ? undefined : { code: 'NetStream.Publish.Denied', description };
}

// Encoders show what they are told in whatever character set they have.
function toAscii(text: string): string {
	return text.replaceAll('→', '>').replaceAll('’', "'");
}
