/**
 * Decides, from facts about a stream, the ways of its media: from the source or an encoder to the stage and the
 * packager. Pure.
 */
import { createTrack, type Track, type TrackId, type TrackKind } from '../../core/media/access-unit.ts';
import type { AudioCodec, VideoCodec } from '../../core/media/codecs.ts';
import type { SpsFacts } from '../../core/media/h264-parameter-sets.ts';
import type { AudioRung, VideoRung } from '../../core/media/rung.ts';
import { RUNG_NAMES, type RungName } from '../../core/protocol/ladder-choice.ts';
import type { LadderPlan } from './ladder.ts';

export type StreamFacts = {
	video:
		| {
				codec: VideoCodec;
				/** The order of presentation differs from the order of sending. */
				hasBFrames: boolean;
				/** Longest GOP, the running one included; undefined before the first. */
				longestGopMs: number | undefined;
				/** Decoding began at a picture that is no IDR picture: intra refresh, or an open GOP. */
				hasRecoveryPoints?: boolean | undefined;
				/** H.264: the sequence parameter set, if it can be read. */
				sps?: SpsFacts | undefined;
		  }
		| undefined;
	audio:
		| {
				codec: AudioCodec;
				/** AAC: why browsers do not play it unchanged; follows "because". */
				browserObstacle?: string | undefined;
		  }
		| undefined;
};

/** Treatment of a track on its way to a tier. `off`: it needs an encoder, and there is no capacity now. */
type LegMode = 'pass-through' | 'transcode' | 're-encode' | 'off';

/** One leg's decision, with its reason for the streamer, and the setting that avoids it. */
export type Leg = {
	track: TrackKind;
	tier: 'webrtc' | 'll-hls';
	mode: LegMode;
	reason: string;
	advice?: string;
};

/** The tracks of a publisher. */
export const SOURCE_TRACKS: Readonly<Record<TrackKind, Track>> = {
	video: createTrack('video', 0),
	audio: createTrack('audio', 0),
};

/** One way of a track: it leaves the source, or the encoder, and goes to a tier. */
type Edge = { track: TrackId; from: 'source' | 'encoder'; to: 'stage' | 'packager' };

/** All decisions for one stream. */
export type MediaPlan = {
	/** The source's legs, with the reasons for the streamer. */
	legs: readonly Leg[];
	/** Tracks of a run in the LL-HLS tier, the source's picture first. */
	tracks: readonly Track[];
	/** A track without an edge to a tier is not in it. */
	edges: readonly Edge[];
	/** The rungs below the source, and why there are no others. */
	ladder: LadderPlan;
};

/** The ladder of a stream without a picture. */
export const NO_LADDER: LadderPlan = { rungs: [], leftOut: [], reason: 'There is no picture to make smaller ones of.' };

/** Where a tier's track comes from; undefined: the tier does not get it. */
export function originOf(plan: MediaPlan, track: TrackId, to: Edge['to']): Edge['from'] | undefined {
	return plan.edges.find((edge) => edge.track === track && edge.to === to)?.from;
}

/** True when the tier gets no picture, because there is no capacity to re-encode it. */
export function isPictureOff(plan: MediaPlan | undefined, tier: Leg['tier']): boolean {
	return plan?.legs.some((leg) => leg.track === 'video' && leg.tier === tier && leg.mode === 'off') === true;
}

/** The source's picture, when the encoder makes it, and the rungs: what the picture's encoder puts out. */
export function encodedPictures({ tracks, edges }: MediaPlan): readonly Track[] {
	const isEncoded = (id: TrackId): boolean => edges.some(({ track, from }) => track === id && from === 'encoder');
	const pictures = tracks.some(({ kind }) => kind === 'video') ? tracks : [SOURCE_TRACKS.video, ...tracks];
	return pictures.filter(({ id, kind }) => kind === 'video' && isEncoded(id));
}

/** True when both plans treat the stream the same way. */
export function isSamePlan(one: MediaPlan, other: MediaPlan): boolean {
	const ways = ({ legs, edges, ladder }: MediaPlan): string[] => [
		...ladder.rungs.flatMap(({ name, layer, maxBitrateBps }) =>
			layer === undefined ? `${name} ${maxBitrateBps}` : [],
		),
		...legs.map(({ track, mode }) => `${track} ${mode}`),
		...edges.map(({ track, from, to }) => `${track} ${from} ${to}`),
	];
	return ways(one).join() === ways(other).join();
}

/**
 * The track of a rung, the same in all runs of all broadcasts. A publisher's layer has another one than an encoder's
 * picture of that name, whose configuration differs.
 */
function rungTrack(rung: VideoRung): Track {
	const number = 1 + RUNG_NAMES.indexOf(rung.name satisfies RungName);
	return { ...createTrack('video', rung.layer === undefined ? number : RUNG_NAMES.length + number), rung };
}

/** The rungs that are layers of the publisher's simulcast. */
export function layerTracks({ ladder }: MediaPlan): readonly Track[] {
	return ladder.rungs.filter(({ layer }) => layer !== undefined).map(rungTrack);
}

/** Whether a publisher's layer can be a rung: browsers play it as it is, in both tiers. */
export function isLayerUsable({ video }: StreamFacts): boolean {
	return video?.codec === 'h264' && reasonToReEncode(video, 'webrtc') === undefined;
}

/** Sound for lines that carry only the lowest rungs; 48 kbit/s of AAC-LC in stereo. */
export const LOW_SOUND: AudioRung = { kind: 'audio', bitrateBps: 48_000 };
export const LOW_SOUND_TRACK: Track = { ...createTrack('audio', 1), rung: LOW_SOUND };

/** Longest GOP that passes unchanged: segments are cut at key frames, within the target duration of 3 s. */
export const MAX_PASS_THROUGH_GOP_MS = 2500;
/** Tolerance for the jitter of arrival and for timestamps in whole milliseconds. */
const GOP_TOLERANCE_MS = 60;

export function isGopTooLong(gopMs: number): boolean {
	return gopMs > MAX_PASS_THROUGH_GOP_MS + GOP_TOLERANCE_MS;
}

const TIER_ENDS = { webrtc: 'stage', 'll-hls': 'packager' } as const;

/** The plan for these facts. The same facts always give the same plan. */
export function planMedia(facts: StreamFacts, ladder: LadderPlan = NO_LADDER): MediaPlan {
	const legs: Leg[] = [];
	if (facts.video !== undefined) {
		legs.push(videoLeg(facts.video, 'webrtc'), videoLeg(facts.video, 'll-hls'));
	}
	if (facts.audio !== undefined) {
		legs.push(audioLeg(facts.audio, 'webrtc', 'opus'), audioLeg(facts.audio, 'll-hls', 'aac'));
	}
	return planOf(legs, facts.video === undefined ? NO_LADDER : ladder);
}

/**
 * The plan of these legs. Rungs go where the source's picture goes; low sound goes with them. A publisher's layer goes
 * only where the source's picture goes as it is, and to LL-HLS only with the source's key frames: otherwise segments
 * begin where no player can change to it.
 */
export function planOf(legs: readonly Leg[], ladder: LadderPlan): MediaPlan {
	const goesOut = (leg: Leg): boolean => leg.mode !== 'off';
	const edges = legs.filter(goesOut).map((leg): Edge => {
		const from = leg.mode === 'pass-through' ? 'source' : 'encoder';
		return { track: SOURCE_TRACKS[leg.track].id, from, to: TIER_ENDS[leg.tier] };
	});
	const hasTrack = (kind: TrackKind): boolean =>
		legs.some((leg) => leg.track === kind && leg.tier === 'll-hls' && goesOut(leg));
	const tracks: Track[] = [];
	const ofSource = edges.filter(({ track }) => track === SOURCE_TRACKS.video.id);
	const rungEdges = ladder.rungs.flatMap((rung): Edge[] => {
		const { id } = rungTrack(rung);
		const { layer } = rung;
		if (layer === undefined) {
			return hasTrack('video') ? ofSource.map(({ to }) => ({ track: id, from: 'encoder', to })) : [];
		}
		const ends = ofSource.filter(({ from, to }) => from === 'source' && (to === 'stage' || layer.isAligned));
		return ends.map(({ to }) => ({ track: id, from: 'source', to }));
	});
	edges.push(...rungEdges);
	const isPackaged = ({ id }: Track): boolean => rungEdges.some(({ track, to }) => track === id && to === 'packager');
	const rungs = ladder.rungs.map(rungTrack).filter(isPackaged);
	if (hasTrack('video')) {
		tracks.push(SOURCE_TRACKS.video, ...rungs);
	}
	if (hasTrack('audio')) {
		tracks.push(SOURCE_TRACKS.audio);
		if (rungs.length > 0) {
			tracks.push(LOW_SOUND_TRACK);
			edges.push({ track: LOW_SOUND_TRACK.id, from: 'encoder', to: 'packager' });
		}
	}
	return { legs, tracks, edges, ladder };
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
	const why = reasonToReEncode(video, tier);
	return why === undefined
		? { ...leg, mode: 'pass-through', reason: 'The video is clean and goes through as it is.' }
		: { ...leg, mode: 're-encode', ...why };
}

type Words = { reason: string; advice: string };

/** The first reason that applies. Reasons for both tiers come before those for one. */
function reasonToReEncode(video: NonNullable<StreamFacts['video']>, tier: 'webrtc' | 'll-hls'): Words | undefined {
	const { sps } = video;
	return (
		(sps === undefined ? undefined : formatReason(sps)) ??
		(video.hasRecoveryPoints === true
			? {
					reason:
						'The encoder refreshes the picture without IDR key frames (intra refresh or open GOP), so viewers could not join.',
					advice: 'Turn off intra refresh and open GOP in your encoder, and set the key-frame interval to 2 s.',
				}
			: undefined) ??
		(video.longestGopMs !== undefined && isGopTooLong(video.longestGopMs)
			? {
					reason: `Key frames are more than ${MAX_PASS_THROUGH_GOP_MS / 1000} s apart, so viewers could not join quickly.`,
					advice: 'Set the key-frame interval to 2 s in your encoder.',
				}
			: undefined) ??
		(tier === 'webrtc' ? webrtcReason(video) : undefined)
	);
}

/** All browsers and phones decode these: Baseline, Main and High. */
const COMMON_PROFILES: ReadonlySet<number> = new Set([66, 77, 100]);
const PROFILE_NAMES: Readonly<Record<number, string>> = {
	44: 'CAVLC 4:4:4 Intra',
	66: 'Baseline',
	77: 'Main',
	88: 'Extended',
	100: 'High',
	110: 'High 10',
	122: 'High 4:2:2',
	244: 'High 4:4:4',
};
const CHROMA_NAMES = ['monochrome', '4:2:0', '4:2:2', '4:4:4'] as const;

function formatReason(sps: SpsFacts): Words | undefined {
	const bits = Math.max(sps.bitDepthLuma, sps.bitDepthChroma);
	if (sps.chromaFormatIdc !== 1 || bits !== 8 || !COMMON_PROFILES.has(sps.profileIdc)) {
		const profile = PROFILE_NAMES[sps.profileIdc] ?? `number ${sps.profileIdc}`;
		return {
			reason: `The video is H.264 in profile ${profile} (${CHROMA_NAMES[sps.chromaFormatIdc]}, ${bits} bit), which many browsers and phones cannot play.`,
			advice: 'Choose the colour format NV12 or yuv420p (4:2:0, 8 bit) and the profile High or Main in your encoder.',
		};
	}
	if (sps.isInterlaced) {
		return {
			reason: 'The video is coded as interlaced, which browsers show with combs or not at all.',
			advice: 'Let the camera or the encoder send progressive pictures, or turn on deinterlacing there.',
		};
	}
	return undefined;
}

function webrtcReason(video: NonNullable<StreamFacts['video']>): Words | undefined {
	if (video.hasBFrames) {
		return {
			reason: 'The video has B-frames, which browsers cannot play over WebRTC.',
			advice: 'Set B-frames to 0, or x264 tune to "zerolatency", in your encoder.',
		};
	}
	const ratio = video.sps?.sampleAspectRatio;
	if (ratio !== undefined && ratio.width !== ratio.height) {
		return {
			reason: `The video has pixels that are not square (${ratio.width}:${ratio.height}), which browsers show squeezed over WebRTC.`,
			advice: 'Let the encoder scale to square pixels, such as 1024x576 instead of 720x576.',
		};
	}
	return undefined;
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
