/** Makes an MP4 file of a piece of a recording, exact to the picture. */
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { CLIP_SECONDS } from '../../core/protocol/api/clip.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import type { RecordedTrack } from '../vod/vod-playlist.ts';
import { encodePictures, type EncodedPictures } from './clip-encoder.ts';
import { writeClipFile, type FilledTrack } from './clip-file.ts';
import { placePictures, planClip, type ClipPlan } from './clip-plan.ts';
import { ClipLoader, loadFrames, loadPictures, sourceTrack, type LoadedPicture } from './clip-source.ts';
import { makeSound } from './clip-sound.ts';
import { MOVIE_TIMESCALE } from './mp4-file.ts';
import { Spool } from './spool.ts';

/** A track of a recording. */
export type ClipSourceTrack = RecordedTrack;

type ExportOptions = {
	/** Of one recording; the source's own are taken. */
	segments: readonly ClipSourceTrack[];
	/** A file of a track, such as `segment1.m4s` or its init segment. */
	read: (trackId: string, file: string) => Promise<Uint8Array>;
	/** On the broadcast's timeline. */
	startSeconds: number;
	endSeconds: number;
	/** Exists. A folder of its own is made in it, and removed. */
	workFolder: string;
	/** Removed when the export fails. */
	outputPath: string;
	signal: AbortSignal;
	logger: Logger;
	clock: Clock;
};

/** A clip's pictures may be up to half a picture off its bounds. */
const BOUND_TOLERANCE_SECONDS = 1;
const DEFAULT_FRAME_RATE = 30;

/**
 * The first picture of the file is the first one at or after `startSeconds`, the last one the last before `endSeconds`,
 * each by half a picture. Throws CLIP_NOT_EXPORTED, TRANSCODER_FAILED, what `read` throws, and the signal's reason.
 */
export async function exportClip(options: ExportOptions): Promise<{ sizeBytes: number; durationSeconds: number }> {
	const { startSeconds, endSeconds, workFolder, outputPath, signal } = options;
	const lengthSeconds = endSeconds - startSeconds;
	if (!(lengthSeconds > 0 && lengthSeconds <= CLIP_SECONDS.most + BOUND_TOLERANCE_SECONDS)) {
		throw new TypeError(`A clip has up to ${CLIP_SECONDS.most} seconds, not ${lengthSeconds}.`);
	}
	signal.throwIfAborted();
	const folder = await mkdtemp(path.join(workFolder, 'clip-'));
	let spool: Spool | undefined;
	try {
		spool = await Spool.create(path.join(folder, 'media'));
		const { tracks, durationTicks } = await makeTracks(options, spool);
		const sizeBytes = await writeClipFile(tracks, { durationTicks, outputPath, spool, signal });
		return { sizeBytes, durationSeconds: durationTicks / MOVIE_TIMESCALE };
	} catch (error) {
		await rm(outputPath, { force: true });
		throw error;
	} finally {
		await spool?.close();
		await rm(folder, { recursive: true, force: true });
	}
}

async function makeTracks(
	options: ExportOptions,
	spool: Spool,
): Promise<{ tracks: FilledTrack[]; durationTicks: number }> {
	const { segments: tracks, signal, clock } = options;
	const recording = { ...options, tracks };
	const loader = new ClipLoader(recording, spool, signal);
	const [pictureTrack, soundTrack] = [sourceTrack(recording, 'video'), sourceTrack(recording, 'audio')];
	const [loaded, frames] = await Promise.all([
		pictureTrack && loadPictures(loader, pictureTrack, recording),
		soundTrack ? loadFrames(loader, soundTrack, recording) : [],
	]);
	const made = loaded && (await makePicture(options, loaded, pictureTrack!.frameRate, spool));
	const startSeconds = made === undefined ? options.startSeconds : made.startTicks / VIDEO_CLOCK_RATE;
	const durationTicks =
		made?.durationTicks ?? Math.round((options.endSeconds - options.startSeconds) * MOVIE_TIMESCALE);
	const endSeconds = startSeconds + durationTicks / MOVIE_TIMESCALE;
	const sound = await makeSound(frames, { startSeconds, endSeconds, spool, clock, signal });
	const all = [made?.track, sound].filter((track) => track !== undefined);
	if (all.length === 0) {
		throw new SpillwayError('CLIP_NOT_EXPORTED', ['it has no picture and no sound']);
	}
	return { tracks: all, durationTicks };
}

type MadePicture = { track: FilledTrack; startTicks: number; durationTicks: number };

async function makePicture(
	{ startSeconds, endSeconds, clock, signal, logger }: ExportOptions,
	{ pictures, parameterSets }: Awaited<ReturnType<typeof loadPictures>>,
	frameRate: number | null,
	spool: Spool,
): Promise<MadePicture | undefined> {
	const { isOneConfiguration, freeId } = parameterSets;
	const canCopy = isOneConfiguration && freeId !== undefined;
	const plan = planClip(pictures, {
		startTicks: startSeconds * VIDEO_CLOCK_RATE,
		endTicks: endSeconds * VIDEO_CLOCK_RATE,
		canCopy,
		usualFrameTicks: VIDEO_CLOCK_RATE / (frameRate ?? DEFAULT_FRAME_RATE),
	});
	if (plan === undefined) {
		return undefined;
	}
	const isAllEncoded = plan.pictures.every(({ isEncoded }) => isEncoded);
	const encoded =
		plan.feeds.length === 0
			? undefined
			: await encodePictures(clock, {
					plan,
					pictures,
					size: canCopy ? 'same' : 'fit',
					parameterSetId: freeId ?? 0,
					spool,
					signal,
				});
	const wantedCount = plan.pictures.filter(({ isEncoded }) => isEncoded).length;
	const encodedCount = encoded?.pictures.size ?? 0;
	if (encodedCount < wantedCount) {
		logger.warn({ missing: wantedCount - encodedCount }, 'some pictures of a clip cannot be decoded');
	}
	const source = parameterSets.complete(pictures[plan.pictures[0]!.index]!.config);
	const config = joinConfigs(isAllEncoded ? undefined : source, encoded?.config);
	return placeTrack(plan, pictures, encoded, config, endSeconds * VIDEO_CLOCK_RATE);
}

/** One sample entry with the parameter sets of the pictures that are copied and of those that are encoded again. */
function joinConfigs(source: VideoTrackConfig | undefined, encoded: VideoTrackConfig | undefined): VideoTrackConfig {
	if (source === undefined || encoded === undefined) {
		return (source ?? encoded)!;
	}
	return { ...source, sps: [...source.sps, ...encoded.sps], pps: [...source.pps, ...encoded.pps] };
}

function placeTrack(
	plan: ClipPlan,
	pictures: readonly LoadedPicture[],
	encoded: EncodedPictures | undefined,
	config: VideoTrackConfig,
	clipEndTicks: number,
): MadePicture {
	// Where one cannot be decoded, the one before stays.
	const entries = plan.pictures.flatMap(({ index, isEncoded }) => {
		const { presentationTicks, sample, isIdr } = pictures[index]!;
		const entry = isEncoded ? encoded!.pictures.get(index) : { stored: sample, isIdr };
		return entry === undefined ? [] : [{ ...entry, presentationTicks }];
	});
	const times = entries.map(({ presentationTicks }) => presentationTicks);
	const startTicks = Math.min(...times);
	const lastTicks = Math.max(...times);
	const later = pictures.map(({ presentationTicks }) => presentationTicks).filter((ticks) => ticks > lastTicks);
	const nextTicks = Math.min(...later, lastTicks + 1e9);
	// The last picture stays until the next one, as all do; in a hole, until the clip ends.
	const isHole = nextTicks > clipEndTicks + plan.frameTicks;
	const endTicks = isHole ? Math.max(clipEndTicks, lastTicks + plan.frameTicks) : nextTicks;
	const placed = placePictures(times, Math.round(endTicks));
	const track: FilledTrack = {
		config,
		samples: entries.map(({ stored, isIdr }, index) => ({
			sizeBytes: stored.sizeBytes,
			durationTicks: placed.durationsTicks[index]!,
			compositionOffsetTicks: placed.compositionOffsetsTicks[index]!,
			isSync: isIdr,
		})),
		stored: entries.map(({ stored }) => stored),
		startTicks: placed.delayTicks,
	};
	return { track, startTicks, durationTicks: placed.totalTicks };
}
