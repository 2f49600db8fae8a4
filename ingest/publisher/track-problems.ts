/** Reasons why a part of a publisher's stream is left out or should be changed, in words for the streamer. Pure. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { TrackProblem } from './publisher.ts';

type ProblemRow = {
	kind: TrackKind;
	/** `%s` is replaced by the detail. */
	message: string;
	advice: string;
	/** It lasts until the track has a usable configuration, or until it has not occurred for a while. */
	lasts: 'until-configured' | 'while-seen';
};

const CHOOSE_H264 = 'Choose H.264 (AVC) as video encoder. In OBS: Settings → Output → Video Encoder.';
const CHOOSE_AAC = 'Choose AAC as audio encoder. In OBS: Settings → Output → Audio Encoder.';
const SEND_IN_REAL_TIME =
	'Send in real time: for a file FFmpeg needs -re before -i. When it is slower, the encoder is overloaded or the line is too slow: lower the size, the frame rate or the bit rate.';
const AVOID_RELAY =
	'Restart the encoder. If a relay or another program stands between it and this server, try without that.';

/** The codes are stable: they are part of the API. */
export const TRACK_PROBLEMS = {
	'video-codec-unsupported': {
		kind: 'video',
		message: 'The picture comes as %s and is left out: over RTMP this server takes only H.264.',
		advice: CHOOSE_H264,
		lasts: 'until-configured',
	},
	'video-config-unreadable': {
		kind: 'video',
		message: 'The picture is left out, because its description cannot be read: %s.',
		advice: 'Restart the encoder. If that does not help, choose another H.264 encoder in it, such as x264.',
		lasts: 'until-configured',
	},
	'video-config-missing': {
		kind: 'video',
		message: 'Pictures come without the parameter sets (SPS and PPS) that players need, so they are left out.',
		advice:
			'Restart the stream. In a pipeline of your own, send the sequence header first or repeat SPS and PPS at each key frame.',
		lasts: 'until-configured',
	},
	'video-damaged': {
		kind: 'video',
		message: 'Some pictures are damaged and may be left out: %s.',
		advice: AVOID_RELAY,
		lasts: 'while-seen',
	},
	'video-message-unknown': {
		kind: 'video',
		message: 'Some video messages are of a kind that this server does not know, and are left out: %s.',
		advice: 'Nothing needs doing while the picture is complete. Otherwise turn off special modes of the encoder.',
		lasts: 'while-seen',
	},
	'video-further-track': {
		kind: 'video',
		message: 'The encoder sends more than one video track; only the first is used.',
		advice: 'Turn off multitrack video (in OBS also called Enhanced Broadcasting) to save your bandwidth.',
		lasts: 'while-seen',
	},
	'video-key-frame-missing': {
		kind: 'video',
		message: 'Pictures come, but no key frame to begin with, so none can be shown yet.',
		advice: 'Set the key-frame interval to 2 s in the encoder, and turn off intra refresh.',
		lasts: 'while-seen',
	},
	'video-missing': {
		kind: 'video',
		message: 'A picture is announced, but none has come yet.',
		advice: 'Check that the encoder sends video, and set its key-frame interval to 2 s.',
		lasts: 'while-seen',
	},
	'video-pace-wrong': {
		kind: 'video',
		message: 'The picture’s times %s, so it stutters or stops for viewers.',
		advice: SEND_IN_REAL_TIME,
		lasts: 'while-seen',
	},
	'video-rungs-dropped': {
		kind: 'video',
		message: 'The server’s encoder fell behind, so smaller pictures are missing for now: %s.',
		advice:
			'Your encoder is fine. Viewers on poorer lines get the next smaller picture. Choosing fewer sizes, or sending a smaller picture or fewer pictures a second, makes room.',
		lasts: 'while-seen',
	},
	'video-stopped': {
		kind: 'video',
		message: 'The picture has stopped; viewers see the last one.',
		advice: 'Check the camera or the scene. The encoder may also be overloaded, or the line too slow.',
		lasts: 'while-seen',
	},
	'metadata-unreadable': {
		kind: 'video',
		message: 'The encoder’s own description of the stream cannot be read. Picture and sound continue without it.',
		advice: 'Nothing needs doing.',
		lasts: 'while-seen',
	},
	'audio-codec-unsupported': {
		kind: 'audio',
		message: 'The sound comes as %s and is left out: over RTMP this server takes only AAC.',
		advice: CHOOSE_AAC,
		lasts: 'until-configured',
	},
	'audio-config-unreadable': {
		kind: 'audio',
		message: 'The sound is left out, because its description cannot be read: %s.',
		advice: 'Restart the encoder. If that does not help, choose another AAC encoder in it, at 48 kHz and stereo.',
		lasts: 'until-configured',
	},
	'audio-config-missing': {
		kind: 'audio',
		message: 'Sound comes without the description that players need, so it is left out.',
		advice: 'Restart the stream. In a pipeline of your own, send the AAC sequence header first.',
		lasts: 'until-configured',
	},
	'audio-profile-unsupported': {
		kind: 'audio',
		message: 'The sound is %s, which this server does not take, and is left out.',
		advice: 'Choose the profile AAC-LC (low complexity) or HE-AAC in the encoder.',
		lasts: 'until-configured',
	},
	'audio-channels-unsupported': {
		kind: 'audio',
		message: 'The sound is left out, because its channels cannot be used: %s.',
		advice: 'Choose stereo in the encoder. In OBS: Settings → Audio → Channels.',
		lasts: 'until-configured',
	},
	'audio-damaged': {
		kind: 'audio',
		message: 'Some of the sound is damaged and left out: %s.',
		advice: AVOID_RELAY,
		lasts: 'while-seen',
	},
	'audio-message-unknown': {
		kind: 'audio',
		message: 'Some audio messages are of a kind that this server does not know, and are left out: %s.',
		advice: 'Nothing needs doing while the sound is complete. Otherwise turn off special modes of the encoder.',
		lasts: 'while-seen',
	},
	'audio-further-track': {
		kind: 'audio',
		message: 'The encoder sends more than one audio track; only the first is used.',
		advice: 'Mix everything that viewers should hear into track 1.',
		lasts: 'while-seen',
	},
	'audio-missing': {
		kind: 'audio',
		message: 'Sound is announced, but none has come; viewers hear nothing.',
		advice: 'Check that the encoder may use the microphone, and that a sound source is on and not muted.',
		lasts: 'while-seen',
	},
	'audio-pace-wrong': {
		kind: 'audio',
		message: 'The sound’s times %s, so it breaks off for viewers.',
		advice: SEND_IN_REAL_TIME,
		lasts: 'while-seen',
	},
	'audio-stopped': {
		kind: 'audio',
		message: 'The sound has stopped; viewers hear silence.',
		advice: 'Check the microphone or the sound source in the encoder.',
		lasts: 'while-seen',
	},
} as const satisfies Record<string, ProblemRow>;

export type TrackProblemCode = keyof typeof TRACK_PROBLEMS;

/** Fills the detail into the row's message. Users see `detail`: fixed texts and printable names only. */
export function trackProblem(code: TrackProblemCode, detail = ''): TrackProblem {
	const { kind, message, advice } = TRACK_PROBLEMS[code];
	return { kind, code, message: message.replace('%s', () => detail), advice };
}

/** True for a reason why a track has no usable configuration. */
export function isConfigurationProblem(code: string): boolean {
	return Object.hasOwn(TRACK_PROBLEMS, code) && TRACK_PROBLEMS[code as TrackProblemCode].lasts === 'until-configured';
}
