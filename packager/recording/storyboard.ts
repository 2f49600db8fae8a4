/** Which pictures of a recording are shown where: a view of its journal. Pure; knows no store and no FFmpeg. */
import type { TrackId } from '../../core/media/access-unit.ts';
import { joinFacts, type PictureFacts } from '../rendition/track-facts.ts';
import { recordedWindow, type RecordedSegment, type RecordedTrack } from '../vod/vod-playlist.ts';

/** In square pixels, even numbers. */
export type PictureSize = { widthPixels: number; heightPixels: number };

/** A recorded segment whose first picture may be used. */
type PictureSource = { trackId: TrackId; mediaSequence: number; initName: string };

/** What is tried for one picture, the best first; the first one that begins with a key frame is used. */
export type PictureSlot = readonly PictureSource[];

export type StoryboardPlan = {
	/** From one picture to the next. */
	intervalSeconds: number;
	durationSeconds: number;
	/** Of each picture. */
	tile: PictureSize;
	/** One for each picture; an empty one shows the picture before. */
	slots: readonly PictureSlot[];
};

/** What is on one sheet. */
type SheetPlan = {
	columns: number;
	rows: number;
	slots: readonly PictureSlot[];
	/** For pictures before the sheet's first one; empty where the video has no other. */
	before: PictureSlot;
};

const SHEET_COLUMNS = 10;
const SHEET_ROWS = 10;
const SLOTS_PER_SHEET = SHEET_COLUMNS * SHEET_ROWS;
/** A sheet is some 200 kB: what a page loads when its viewer moves over the whole seek bar. */
export const MAX_SHEETS = 16;
/** @internal for tests */
export const LEAST_INTERVAL_SECONDS = 10;
/** The longer side of a picture on a sheet. */
const TILE_PIXELS = 160;
/** Segments that are tried for a picture, of each track: a source with far key frames has some that begin without. */
const SOURCES_PER_SLOT = 5;
/** Times are sums of rounded durations. */
const EPSILON_SECONDS = 0.001;

/** Undefined for a video without pictures. */
export function planStoryboard(tracks: readonly RecordedTrack[]): StoryboardPlan | undefined {
	const window = recordedWindow(tracks);
	const facts = pictureFacts(tracks);
	if (window === undefined || facts === undefined) {
		return undefined;
	}
	const durationSeconds = window.endSeconds - window.startSeconds;
	const intervalSeconds = Math.max(LEAST_INTERVAL_SECONDS, Math.ceil(durationSeconds / (MAX_SHEETS * SLOTS_PER_SHEET)));
	const count = Math.max(1, Math.ceil((durationSeconds - EPSILON_SECONDS) / intervalSeconds));
	const startsAt = (index: number): number => window.startSeconds + index * intervalSeconds;
	const spans = Array.from({ length: count }, (_, index) => ({
		startSeconds: startsAt(index),
		endSeconds: Math.min(startsAt(index + 1), window.endSeconds),
	}));
	return { intervalSeconds, durationSeconds, tile: tileSize(facts), slots: findSlots(tracks, spans) };
}

/** Of the pictures of a storyboard, also of a live one. */
export function tileSize({ widthPixels, heightPixels }: PictureSize): PictureSize {
	const scale = TILE_PIXELS / Math.max(widthPixels, heightPixels);
	return { widthPixels: toEven(widthPixels * scale), heightPixels: toEven(heightPixels * scale) };
}

/** Pictures spread over the video, among which its poster is chosen, and the poster's size. */
export function planPoster(
	tracks: readonly RecordedTrack[],
	{ count, maxWidthPixels }: { count: number; maxWidthPixels: number },
): { size: PictureSize; slots: readonly PictureSlot[] } | undefined {
	const window = recordedWindow(tracks);
	const facts = pictureFacts(tracks);
	if (window === undefined || facts === undefined) {
		return undefined;
	}
	const stepSeconds = (window.endSeconds - window.startSeconds) / count;
	const spans = Array.from({ length: count }, (_, index) => ({
		startSeconds: window.startSeconds + (index + 0.5) * stepSeconds,
		endSeconds: window.startSeconds + (index + 1.5) * stepSeconds,
	}));
	return { size: fitWidth(facts, maxWidthPixels), slots: findSlots(tracks, spans) };
}

/** The largest even size of this shape that is no wider than that, and not larger than the picture. */
export function fitWidth({ widthPixels, heightPixels }: PictureSize, maxWidthPixels: number): PictureSize {
	const width = toEven(Math.min(widthPixels, maxWidthPixels));
	return { widthPixels: width, heightPixels: toEven((heightPixels * width) / widthPixels) };
}

export function sheetCount({ slots }: Pick<StoryboardPlan, 'slots'>): number {
	return Math.ceil(slots.length / SLOTS_PER_SHEET);
}

/** `number` counts from 1. */
export function planSheet(plan: Pick<StoryboardPlan, 'slots'>, number: number): SheetPlan {
	const first = (number - 1) * SLOTS_PER_SHEET;
	const slots = plan.slots.slice(first, first + SLOTS_PER_SHEET);
	const before = plan.slots.slice(0, first).findLast((slot) => slot.length > 0);
	const after = plan.slots.slice(first + slots.length).find((slot) => slot.length > 0);
	return {
		columns: Math.min(SHEET_COLUMNS, slots.length),
		rows: Math.ceil(slots.length / SHEET_COLUMNS),
		slots,
		before: before ?? after ?? [],
	};
}

/** File name of a sheet, next to the storyboard. */
export function sheetName(number: number): string {
	return `sheet${number}.jpg`;
}

/** WebVTT: a cue for each picture, with its place on its sheet as a media fragment. */
export function formatStoryboard({ slots, intervalSeconds, durationSeconds, tile }: StoryboardPlan): string {
	const cues = slots.map((_slot, index) => {
		const startSeconds = index * intervalSeconds;
		const endSeconds = index + 1 < slots.length ? startSeconds + intervalSeconds : durationSeconds;
		const place = index % SLOTS_PER_SHEET;
		const x = (place % SHEET_COLUMNS) * tile.widthPixels;
		const y = Math.floor(place / SHEET_COLUMNS) * tile.heightPixels;
		const sheet = sheetName(Math.floor(index / SLOTS_PER_SHEET) + 1);
		const times = `${formatTime(startSeconds)} --> ${formatTime(endSeconds)}`;
		return `${times}\n${sheet}#xywh=${x},${y},${tile.widthPixels},${tile.heightPixels}\n`;
	});
	return ['WEBVTT\n', ...cues].join('\n');
}

type Span = { startSeconds: number; endSeconds: number };

/** `spans` one after another. The smallest track comes first, because it costs least. */
function findSlots(tracks: readonly RecordedTrack[], spans: readonly Span[]): PictureSlot[] {
	const bySize = tracks.filter(hasPictures).toSorted((one, other) => pixelsOf(one) - pixelsOf(other));
	const found = bySize.map((track) => findSources(track, spans));
	return spans.map((_span, index) => found.flatMap((sources) => sources[index]!));
}

/** The segment in which each span begins, and those that begin within it. */
function findSources({ trackId, segments }: RecordedTrack, spans: readonly Span[]): PictureSource[][] {
	const media = segments.filter(({ isGap, initName }) => !isGap && initName !== null);
	let first = 0;
	return spans.map(({ startSeconds, endSeconds }) => {
		while (first < media.length && endOf(media[first]!) <= startSeconds + EPSILON_SECONDS) {
			first++;
		}
		const sources: PictureSource[] = [];
		for (let index = first; index < media.length && sources.length < SOURCES_PER_SLOT; index++) {
			const { startSeconds: beginsAt, mediaSequence, initName } = media[index]!;
			if (beginsAt >= endSeconds - EPSILON_SECONDS) {
				break;
			}
			sources.push({ trackId, mediaSequence, initName: initName! });
		}
		return sources;
	});
}

/** Of the smallest recorded picture, at its largest. */
function pictureFacts(tracks: readonly RecordedTrack[]): PictureFacts | undefined {
	const smallest = tracks.filter(hasPictures).toSorted((one, other) => pixelsOf(one) - pixelsOf(other))[0];
	return smallest && largestFacts(smallest);
}

function hasPictures(track: RecordedTrack): boolean {
	return largestFacts(track) !== undefined && track.segments.some(({ isGap }) => !isGap);
}

function pixelsOf(track: RecordedTrack): number {
	const { widthPixels = 0, heightPixels = 0 } = largestFacts(track) ?? {};
	return widthPixels * heightPixels;
}

function largestFacts({ facts }: RecordedTrack): PictureFacts | undefined {
	return facts
		.filter((each) => each.kind === 'video')
		.reduce<PictureFacts | undefined>((one, other) => (one === undefined ? other : joinFacts(one, other)), undefined);
}

function endOf({ startSeconds, durationSeconds }: RecordedSegment): number {
	return startSeconds + durationSeconds;
}

function formatTime(seconds: number): string {
	const totalMs = Math.round(seconds * 1000);
	const pad = (value: number, length: number): string => String(value).padStart(length, '0');
	const hours = pad(Math.floor(totalMs / 3_600_000), 2);
	const minutes = pad(Math.floor(totalMs / 60_000) % 60, 2);
	return `${hours}:${minutes}:${pad(Math.floor(totalMs / 1000) % 60, 2)}.${pad(totalMs % 1000, 3)}`;
}

function toEven(pixels: number): number {
	return Math.max(2, Math.round(pixels / 2) * 2);
}
