/** What a log of pictures and sounds says about a change of tiers, and about the latency that a player claims. Pure. */
import { median } from '../../../core/percentiles.ts';
import type { HeardSound, ShownFrame } from '../../clients/chromium/bench-page.ts';

/** One change, by what was seen and heard. Milliseconds. */
export type HandOverMeasure = {
	/** Longest time without a new picture, from a second before the swap to a second after. */
	presentedGapMs: number;
	/** Content skipped (positive) or repeated (negative) in the picture at the swap. */
	contentJumpMs: number;
	/** The same in the sound, from the burst before to the burst after; absent when one was not heard. */
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
		const truth = claim.tier === tier ? frames.filter((frame) => isWithinSecondBefore(frame, claim.atMs)) : [];
		// A change of elements within the second mixes two playbacks, of which the player claims the new one only.
		const isOne = truth.every((frame) => frame.elementIndex === truth[0]!.elementIndex);
		return truth.length < 10 || !isOne
			? []
			: [claim.latencyMs - median(truth.map((frame) => frame.shownAtMs - frame.captureTimeMs))];
	});
}

function isWithinSecondBefore(frame: ShownFrame, atMs: number): boolean {
	return frame.shownAtMs > atMs - 1000 && frame.shownAtMs <= atMs;
}
