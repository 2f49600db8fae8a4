/** How long a contribution waits for its tracks, and for the length of its first GOP. Pure. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { isGopTooLong, MAX_PASS_THROUGH_GOP_MS, type StreamFacts } from '../media-plan/media-planner.ts';
import type { StreamObserver } from '../media-plan/stream-observer.ts';

/** After this long without a picture, a publisher with sound counts as one without a picture (and vice versa). */
const MISSING_TRACK_MS = 1500;
/**
 * A picture that is announced, or whose configuration is known, may take this long to its first key frame. Then the
 * sound goes alone, and the picture joins it. It may take longer while another publisher is on air.
 */
const MISSING_PICTURE_MS = 3000;
const MISSING_PICTURE_OFF_AIR_MS = 10_000;
/** The end of the first GOP is awaited no longer. */
const LONGEST_GOP_WAIT_MS = MAX_PASS_THROUGH_GOP_MS + 1000;
/** Pictures that show the usual interval; a silence of more than so many intervals is unusual. */
const KNOWN_PICTURES = 3;
const SILENT_PICTURES = 2.5;
/** The slowest supported picture rate: one every ten seconds. */
const SLOWEST_PICTURE_MS = 10_000;

type Announced = readonly TrackKind[] | undefined;

/** True when the sound may go without a picture, this long after the first unit. */
export function mayLackPicture(
	announced: Announced,
	elapsedMs: number,
	{ isConfigured, isOnAir }: { isConfigured: boolean; isOnAir: boolean },
): boolean {
	const patienceMs = isOnAir ? MISSING_PICTURE_MS : MISSING_PICTURE_OFF_AIR_MS;
	const isExpected = announced?.includes('video') ?? isConfigured;
	return announced?.includes('video') === false || elapsedMs > (isExpected ? patienceMs : MISSING_TRACK_MS);
}

/** True when there is a track, and no other one is awaited. */
export function knowsTracks(announced: Announced, elapsedMs: number, facts: StreamFacts): boolean {
	const isWaitedFor = (kind: TrackKind): boolean =>
		facts[kind] === undefined && (announced?.includes(kind) ?? true) && elapsedMs < MISSING_TRACK_MS;
	const hasTrack = facts.audio !== undefined || facts.video !== undefined;
	return hasTrack && !isWaitedFor('audio') && !isWaitedFor('video');
}

/** True when it is known whether the first GOP is too long to pass through, or when the wait for that is over. */
export function knowsGop(facts: StreamFacts, observer: StreamObserver, nowMs: number): boolean {
	return (
		facts.video === undefined ||
		facts.video.codec !== 'h264' ||
		observer.isGopKnown ||
		isGopTooLong(facts.video.longestGopMs ?? 0) ||
		nowMs - observer.gopBeganAtMs! > LONGEST_GOP_WAIT_MS
	);
}

/** Longest silence of a stream, in milliseconds, that is within its usual pace. */
export function usualSilenceMs({ health, usualIntervalMs }: StreamObserver): number {
	const { videoUnitCount, audioUnitCount } = health;
	const isPaceOpen = audioUnitCount === 0 && videoUnitCount > 0 && videoUnitCount < KNOWN_PICTURES;
	return SILENT_PICTURES * (isPaceOpen ? SLOWEST_PICTURE_MS : (usualIntervalMs ?? 0));
}
