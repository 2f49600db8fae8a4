/** Loads what a clip needs of a recording: the samples of its picture and sound, their bytes in a spool. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { AudioTrackConfig, TrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import { joinLengthPrefixed, NAL_TYPE, nalType, splitLengthPrefixed } from '../../core/media/h264.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { readFragments } from '../cmaf/fragment-reader.ts';
import { readInit } from '../cmaf/init-reader.ts';
import { segmentName } from '../rendition/segment.ts';
import type { RecordedSegment, RecordedTrack } from '../vod/vod-playlist.ts';
import type { SourcePicture } from './clip-plan.ts';
import { isParameterSet, ParameterSets } from './parameter-sets.ts';
import type { SourceFrame } from './sound-plan.ts';
import type { Spool, Stored } from './spool.ts';

export type LoadedPicture = SourcePicture & {
	config: VideoTrackConfig;
	endTicks: number;
	/** As it was recorded. */
	stored: Stored;
	/** Without parameter sets, which the sample entry of the clip has. */
	sample: Stored;
};

export type LoadedFrame = SourceFrame & { config: AudioTrackConfig; stored: Stored };

type ClipRecording = {
	tracks: readonly RecordedTrack[];
	read: (trackId: string, file: string) => Promise<Uint8Array>;
	startSeconds: number;
	endSeconds: number;
};

/** In decode order a picture comes at most so long after those that are shown later. */
const REORDER_SECONDS = 1;
/** An IDR picture is looked for so far before the clip. */
const MAX_GOP_SECONDS = 30;
/** Sound around the clip: what a decoder needs before, and frames whose times were corrected. */
const SOUND_MARGIN_SECONDS = 0.1;
/** Segments that are read at a time. */
const READ_AHEAD = 4;

/** The tracks of a recording that are exported: the source's own with media in the clip. */
export function sourceTrack(recording: ClipRecording, kind: 'video' | 'audio'): RecordedTrack | undefined {
	return recording.tracks.find(
		({ rung, facts, segments }) =>
			rung === null && facts[0]?.kind === kind && segments.some((segment) => hasMedia(segment, recording)),
	);
}

type LoadedPictures = {
	pictures: LoadedPicture[];
	parameterSets: ParameterSets;
	/** Pictures of the clip whose IDR picture is not in the recording. */
	undecodableCount: number;
};

type Loaded<Media> = { segment: RecordedSegment; media: Media[] };

/** Pictures in decode order. Each IDR picture is followed by all that was recorded up to the next hole. */
export async function loadPictures(
	loader: ClipLoader,
	track: RecordedTrack,
	{ startSeconds, endSeconds }: ClipRecording,
): Promise<LoadedPictures> {
	const parameterSets = new ParameterSets();
	const load = async (segment: RecordedSegment): Promise<Loaded<LoadedPicture>> => {
		return { segment, media: await loader.pictures(track, segment, parameterSets) };
	};
	const all = track.segments.filter((segment) => segment.startSeconds < endSeconds + REORDER_SECONDS);
	const at = Math.max(
		0,
		all.findLastIndex((segment) => segment.startSeconds <= startSeconds),
	);
	const before: Loaded<LoadedPicture>[] = [];
	for (const segment of all.slice(0, at + 1).toReversed()) {
		if (before.length > 0 && segment.startSeconds < startSeconds - MAX_GOP_SECONDS) {
			break;
		}
		const loaded = await load(segment);
		before.unshift(loaded);
		if (
			loaded.media.some(({ isIdr, presentationTicks }) => isIdr && presentationTicks <= startSeconds * VIDEO_CLOCK_RATE)
		) {
			break;
		}
	}
	const after = await mapAhead(all.slice(at + 1), load);
	const loaded = [...before, ...after];
	const pictures = withoutUndecodable(loaded);
	const isInClip = ({ presentationTicks }: LoadedPicture): boolean =>
		presentationTicks >= startSeconds * VIDEO_CLOCK_RATE && presentationTicks < endSeconds * VIDEO_CLOCK_RATE;
	const inClip = loaded.flatMap(({ media }) => media).filter(isInClip);
	return { pictures, parameterSets, undecodableCount: inClip.length - pictures.filter(isInClip).length };
}

/** Pictures behind a hole may need some of what is missing: they begin with the next IDR picture. */
function withoutUndecodable(loaded: readonly Loaded<LoadedPicture>[]): LoadedPicture[] {
	let next: number | undefined;
	let isComplete = false;
	return loaded.flatMap(({ segment, media }) => {
		isComplete &&= segment.mediaSequence === next && !segment.isGap;
		next = segment.mediaSequence + 1;
		return media.filter(({ isIdr }) => {
			isComplete ||= isIdr;
			return isComplete;
		});
	});
}

/** Frames in order. */
export async function loadFrames(
	loader: ClipLoader,
	track: RecordedTrack,
	{ startSeconds, endSeconds }: ClipRecording,
): Promise<LoadedFrame[]> {
	const needed = track.segments.filter(
		(segment) =>
			segment.startSeconds < endSeconds + SOUND_MARGIN_SECONDS &&
			segment.startSeconds + segment.durationSeconds > startSeconds - SOUND_MARGIN_SECONDS,
	);
	return (await mapAhead(needed, (segment) => loader.frames(track, segment))).flat();
}

/** Reads segments, and puts what they hold into the spool. */
export class ClipLoader {
	readonly #read: ClipRecording['read'];
	readonly #spool: Spool;
	readonly #signal: AbortSignal;
	readonly #inits = new Map<string, Promise<ReturnType<typeof readInit>>>();

	constructor({ read }: ClipRecording, spool: Spool, signal: AbortSignal) {
		this.#read = read;
		this.#spool = spool;
		this.#signal = signal;
	}

	async pictures(
		track: RecordedTrack,
		segment: RecordedSegment,
		parameterSets: ParameterSets,
	): Promise<LoadedPicture[]> {
		const samples = await this.#samples(track, segment, 'video');
		const pictures: LoadedPicture[] = [];
		for (const { config, bytes, stored, ticks, durationTicks } of samples) {
			const nals = splitLengthPrefixed(bytes);
			parameterSets.add([...config.sps, ...config.pps, ...nals.filter(isParameterSet)]);
			pictures.push({
				presentationTicks: ticks,
				endTicks: ticks + durationTicks,
				isIdr: nals.some((nal) => nalType(nal) === NAL_TYPE.IDR),
				run: segment.run,
				config,
				stored,
				sample: await this.#withoutSets(stored, nals),
			});
		}
		return pictures;
	}

	async frames(track: RecordedTrack, segment: RecordedSegment): Promise<LoadedFrame[]> {
		const samples = await this.#samples(track, segment, 'audio');
		return samples.map(({ config, stored, ticks, durationTicks }) => ({
			config,
			stored,
			startTicks: ticks,
			durationTicks,
		}));
	}

	async #withoutSets(stored: Stored, nals: readonly Uint8Array[]): Promise<Stored> {
		const isSets = nals.map(isParameterSet);
		const count = isSets.filter(Boolean).length;
		if (count === 0) {
			return stored;
		}
		if (isSets.lastIndexOf(true) === count - 1) {
			const prefixBytes = nals.slice(0, count).reduce((sum, nal) => sum + 4 + nal.length, 0);
			return { at: stored.at + prefixBytes, sizeBytes: stored.sizeBytes - prefixBytes };
		}
		return this.#spool.append(joinLengthPrefixed(nals.filter((nal) => !isParameterSet(nal))));
	}

	async #samples<Kind extends TrackConfig['kind']>(
		{ trackId }: RecordedTrack,
		{ isGap, initName, mediaSequence }: RecordedSegment,
		kind: Kind,
	): Promise<LoadedSample<Extract<TrackConfig, { kind: Kind }>>[]> {
		if (isGap || initName === null) {
			return [];
		}
		const name = segmentName(mediaSequence);
		const [init, bytes] = await Promise.all([this.#init(trackId, initName), this.#file(trackId, name)]);
		const entries = [...readFragments(bytes)];
		if (init?.config.kind !== kind || entries.some(({ endByte }) => endByte > bytes.length)) {
			throw new SpillwayError('CLIP_NOT_EXPORTED', [`${trackId}/${name} of its recording is damaged`]);
		}
		const { at } = await this.#spool.append(bytes);
		return entries
			.filter(({ startByte, endByte }) => endByte > startByte)
			.map(({ startByte, endByte, decodeTimeTicks, compositionOffsetTicks, durationTicks }) => ({
				config: init.config as Extract<TrackConfig, { kind: Kind }>,
				bytes: bytes.subarray(startByte, endByte),
				stored: { at: at + startByte, sizeBytes: endByte - startByte },
				ticks: decodeTimeTicks + compositionOffsetTicks - init.presentationDelayTicks,
				durationTicks,
			}));
	}

	#init(trackId: string, name: string): Promise<ReturnType<typeof readInit>> {
		const key = `${trackId}/${name}`;
		const known = this.#inits.get(key) ?? this.#file(trackId, name).then(readInit);
		this.#inits.set(key, known);
		return known;
	}

	async #file(trackId: string, name: string): Promise<Uint8Array> {
		this.#signal.throwIfAborted();
		const done = new AbortController();
		const aborted = new Promise<never>((_resolve, reject) => {
			const onAbort = (): void => reject(this.#signal.reason as Error);
			this.#signal.addEventListener('abort', onAbort, { signal: done.signal });
		});
		try {
			return await Promise.race([this.#read(trackId, name), aborted]);
		} finally {
			done.abort();
		}
	}
}

type LoadedSample<Config extends TrackConfig> = {
	config: Config;
	bytes: Uint8Array;
	stored: Stored;
	/** Presentation time on the broadcast's timeline. */
	ticks: number;
	durationTicks: number;
};

function hasMedia({ isGap, startSeconds, durationSeconds }: RecordedSegment, clip: ClipRecording): boolean {
	return !isGap && startSeconds < clip.endSeconds && startSeconds + durationSeconds > clip.startSeconds;
}

async function mapAhead<From, To>(items: readonly From[], map: (item: From) => Promise<To>): Promise<To[]> {
	const results: To[] = [];
	for (let index = 0; index < items.length; index += READ_AHEAD) {
		results.push(...(await Promise.all(items.slice(index, index + READ_AHEAD).map(map))));
	}
	return results;
}
