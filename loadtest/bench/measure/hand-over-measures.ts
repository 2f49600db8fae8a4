/** A hand-over and the latency that a player claims, measured by a log of pictures and sounds. Pure. */
import { median } from '../../../core/percentiles.ts';
import type { HeardSound, ShownFrame } from '../../clients/chromium/bench-page.ts';

/** One hand-over. Milliseconds. */
export type HandOverMeasure = {
	/** Longest time without a new picture, from a second before the swap to a second after. */
	presentedGapMs: number;
	/** Content skipped (positive) or repeated (negative) in the picture at the swap. */
	contentJumpMs: number;
	/** The same in the sound, from the burst before to the burst after; absent when one is missing. */
	soundJumpMs?: number;
	/** Longest silence within a second of the swap. */
	audioGapMs: number;
	/** When the other element's first picture was shown; epoch milliseconds. */
	swappedAtMs: number;
};

const AROUND_MS = 1000;

/** Measures the first change of elements at or after that time; undefined when there is none. */
export function measureHandOver(
	frames: readonly ShownFrame[],
	quiet: ReadonlyArray<{ fromMs: number; durationMs: number }>,
	heard: readonly HeardSound[],
	fromMs: number,
): HandOverMeasure | undefined {
	const at = frames.findIndex(
		(frame, index) => index > 0 && frame.shownAtMs >= fromMs && frame.elementIndex !== frames[index - 1]!.elementIndex,
	);
	if (at < 0) {
		return undefined;
	}
	const [last, first] = [frames[at - 1]!, frames[at]!];
	const swappedAtMs = first.shownAtMs;
	const isNear = (ms: number): boolean => Math.abs(ms - swappedAtMs) <= AROUND_MS;
	const near = frames.filter((frame) => isNear(frame.shownAtMs));
	const gaps = near.slice(1).map((frame, index) => frame.shownAtMs - near[index]!.shownAtMs);
	const before = heard.findLast((sound) => sound.heardAtMs < swappedAtMs);
	const after = heard.find((sound) => sound.heardAtMs >= swappedAtMs);
	return {
		presentedGapMs: Math.max(...gaps),
		contentJumpMs: first.captureTimeMs - last.captureTimeMs - (first.shownAtMs - last.shownAtMs),
		...(before === undefined || after === undefined
			? {}
			: { soundJumpMs: after.captureTimeMs - before.captureTimeMs - (after.heardAtMs - before.heardAtMs) }),
		audioGapMs: Math.max(
			0,
			...quiet
				.filter(({ fromMs: quietMs, durationMs }) => isNear(quietMs) || isNear(quietMs + durationMs))
				.map(({ durationMs }) => durationMs),
		),
		swappedAtMs,
	};
}

/** Claimed latency minus that of the pictures shown in the second before, for each claim in that tier. */
export function measureLatencyErrors<Tier extends string>(
	frames: readonly ShownFrame[],
	claims: ReadonlyArray<{ atMs: number; tier: Tier; latencyMs: number }>,
	tier: Tier,
): number[] {
	return claims.flatMap((claim) => {
		const isJustBefore = ({ shownAtMs }: ShownFrame): boolean =>
			shownAtMs > claim.atMs - 1000 && shownAtMs <= claim.atMs;
		const seen = claim.tier === tier ? frames.filter(isJustBefore) : [];
		// A change of elements within the second mixes two playbacks; the player's claim is about the new one only.
		const isOne = seen.every((frame) => frame.elementIndex === seen[0]!.elementIndex);
		return seen.length < 10 || !isOne
			? []
			: [claim.latencyMs - median(seen.map((frame) => frame.shownAtMs - frame.captureTimeMs))];
	});
}
