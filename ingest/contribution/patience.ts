/** How long a contribution waits for what it does not know yet: its tracks, and the length of its first GOP. Pure. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { isGopTooLong, MAX_PASS_THROUGH_GOP_MS, type StreamFacts } from '../media-plan/leg-planner.ts';
import type { StreamObserver } from '../media-plan/stream-observer.ts';

/**
 * Without a picture for this long, a publisher that has sound is taken for one without a picture (and the other way).
 */
const MISSING_TRACK_MS = 1500;
/**
 * A picture that was announced, or whose configuration is known, may take this long to its first key frame; then the
 * sound goes alone, and the picture joins it. Where another publisher is on air nobody misses it, so it may take
 * longer.
 */
const MISSING_PICTURE_MS = 3000;
const MISSING_PICTURE_OFF_AIR_MS = 10_000;
/** A first GOP whose next picture is not there by now is not waited for. */
const LONGEST_GOP_WAIT_MS = MAX_PASS_THROUGH_GOP_MS + 1000;
/** Pictures after which it is known how often they come; a silence of so many is more than their usual distance. */
const KNOWN_PICTURES = 3;
const SILENT_PICTURES = 2.5;
/** The slowest picture that is no fault comes every ten seconds. */
const SLOWEST_PICTURE_MS = 10_000;

type Announced = readonly TrackKind[] | undefined;

/** True when the sound may go alone, this long after the first unit. */
export function mayLackPicture(
	announced: Announced,
	elapsedMs: number,
	{ isConfigured, isOnAir }: { isConfigured: boolean; isOnAir: boolean },
): boolean {
	const patienceMs = isOnAir ? MISSING_PICTURE_MS : MISSING_PICTURE_OFF_AIR_MS;
	const isExpected = announced?.includes('video') ?? isConfigured;
	return announced?.includes('video') === false || elapsedMs > (isExpected ? patienceMs : MISSING_TRACK_MS);
}

/** True when there is a track, and no other one is waited for. */
export function knowsTracks(announced: Announced, elapsedMs: number, facts: StreamFacts): boolean {
	const isWaitedFor = (kind: TrackKind): boolean =>
		facts[kind] === undefined && (announced?.includes(kind) ?? true) && elapsedMs < MISSING_TRACK_MS;
	const hasTrack = facts.audio !== undefined || facts.video !== undefined;
	return hasTrack && !isWaitedFor('audio') && !isWaitedFor('video');
}

/** True when it is known whether the first GOP is too long to pass through, or when that is waited for no longer. */
export function knowsGop(facts: StreamFacts, observer: StreamObserver, nowMs: number): boolean {
	return (
		facts.video === undefined ||
		facts.video.codec !== 'h264' ||
		observer.isGopKnown ||
		isGopTooLong(facts.video.longestGopMs ?? 0) ||
		nowMs - observer.gopBeganAtMs! > LONGEST_GOP_WAIT_MS
	);
}

/** How long a stream may be silent, in milliseconds, before that is more than its usual pace. */
export function usualSilenceMs({ health, usualIntervalMs }: StreamObserver): number {
	const { videoUnitCount, audioUnitCount } = health;
	const isPaceOpen = audioUnitCount === 0 && videoUnitCount > 0 && videoUnitCount < KNOWN_PICTURES;
	return SILENT_PICTURES * (isPaceOpen ? SLOWEST_PICTURE_MS : (usualIntervalMs ?? 0));
}
