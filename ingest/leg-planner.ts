/** Decides, from facts about a stream, what each leg of it needs: pass through, transcode or re-encode. Pure. */
import type { AudioCodec, VideoCodec } from '../core/media/codecs.ts';

/** What is known of a publisher's stream. */
export type StreamFacts = {
	video:
		| {
				codec: VideoCodec;
				/** Pictures are shown in another order than they are sent. */
				hasBFrames: boolean;
				/** Longest time from key frame to key frame seen, the running one included; undefined before the first. */
				longestGopMs: number | undefined;
		  }
		| undefined;
	audio:
		| {
				codec: AudioCodec;
				/** AAC: why browsers do not play it as it is, to be put behind "because". */
				browserObstacle?: string | undefined;
		  }
		| undefined;
};

/** What is done to a track on its way to a tier. */
export type LegMode = 'pass-through' | 'transcode' | 're-encode';

/** One leg's decision, with its reason in plain words for the streamer, and the setting that would avoid it. */
export type Leg = {
	track: 'audio' | 'video';
	tier: 'webrtc' | 'll-hls';
	mode: LegMode;
	reason: string;
	advice?: string;
};

/** All decisions for one stream. */
export type LegPlan = { legs: readonly Leg[]; reEncodesVideo: { webrtc: boolean; llHls: boolean } };

/**
 * The longest GOP that goes through unchanged: segments are cut at key frames, and a segment may not exceed the target
 * duration of 3 s.
 */
export const MAX_PASS_THROUGH_GOP_MS = 2500;
/** Tolerance for the jitter of arrival and for timestamps in whole milliseconds. */
const GOP_TOLERANCE_MS = 60;

/** True when the GOP is too long to pass through. */
export function isGopTooLong(gopMs: number): boolean {
	return gopMs > MAX_PASS_THROUGH_GOP_MS + GOP_TOLERANCE_MS;
}

/** The plan for these facts. The same facts always give the same plan. */
export function planLegs(facts: StreamFacts): LegPlan {
	const legs: Leg[] = [];
	const reEncodesVideo = { webrtc: false, llHls: false };
	if (facts.video !== undefined) {
		const webrtc = videoLeg(facts.video, 'webrtc');
		const llHls = videoLeg(facts.video, 'll-hls');
		legs.push(webrtc, llHls);
		reEncodesVideo.webrtc = webrtc.mode === 're-encode';
		reEncodesVideo.llHls = llHls.mode === 're-encode';
	}
	if (facts.audio !== undefined) {
		legs.push(audioLeg(facts.audio, 'webrtc', 'opus'), audioLeg(facts.audio, 'll-hls', 'aac'));
	}
	return { legs, reEncodesVideo };
}

function videoLeg(video: NonNullable<StreamFacts['video']>, tier: 'webrtc' | 'll-hls'): Leg {
	const leg = { track: 'video' as const, tier };
	if (video.codec !== 'h264') {
		return {
			...leg,
			mode: 're-encode',
			reason: `The video is ${video.codec.toUpperCase()}; both tiers carry H.264.`,
			advice: 'Choose H.264 in your encoder.',
		};
	}
	if (video.longestGopMs !== undefined && isGopTooLong(video.longestGopMs)) {
		return {
			...leg,
			mode: 're-encode',
			reason: `Key frames are more than ${MAX_PASS_THROUGH_GOP_MS / 1000} s apart, so viewers could not join quickly.`,
			advice: 'Set the key-frame interval to 2 s in your encoder.',
		};
	}
	if (video.hasBFrames && tier === 'webrtc') {
		return {
			...leg,
			mode: 're-encode',
			reason: 'The video has B-frames, which browsers cannot play over WebRTC.',
			advice: 'Set B-frames to 0, or x264 tune to "zerolatency", in your encoder.',
		};
	}
	return { ...leg, mode: 'pass-through', reason: 'The video is clean and goes through as it is.' };
}

function audioLeg(
	{ codec, browserObstacle }: NonNullable<StreamFacts['audio']>,
	tier: 'webrtc' | 'll-hls',
	wanted: AudioCodec,
): Leg {
	const leg = { track: 'audio' as const, tier };
	if (codec !== wanted) {
		const name = codec === 'aac' ? 'AAC' : 'Opus';
		const reason = `The sound is ${name}; this tier carries ${wanted === 'aac' ? 'AAC' : 'Opus'}.`;
		return { ...leg, mode: 'transcode', reason };
	}
	if (browserObstacle !== undefined) {
		return {
			...leg,
			mode: 'transcode',
			reason: `Browsers do not play this AAC, because ${browserObstacle}; they get it in stereo.`,
			advice: 'Choose AAC-LC and stereo in your encoder.',
		};
	}
	return { ...leg, mode: 'pass-through', reason: 'The sound goes through as it is.' };
}
