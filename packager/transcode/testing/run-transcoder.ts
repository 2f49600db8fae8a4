/** Drives a transcoder in tests: writes units at a given speed, and collects what comes out and when. */
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { AccessUnit } from '../../../core/media/access-unit.ts';
import type { TrackConfig } from '../../../core/media/codecs.ts';
import type { MediaTranscoder } from '../../../core/media/transcoder.ts';
import { ticksToMs } from '../../../core/units.ts';

/** On a busy machine the encoder is behind by more than finish() waits for. */
const CATCH_UP_DEADLINE_MS = 30_000;
/** As far behind as it may be at the end; pictures that wait for the next ones in the decoder are part of it. */
const CAUGHT_UP_MS = 600;
/** As much as waits while the encoder sets the pace; it drops what waits for 2 s. */
const QUEUED_MS = 500;

/** What a transcoder has emitted so far. */
type CollectedOutput = {
	configs: TrackConfig[];
	units: AccessUnit[];
	/** Monotonic milliseconds at which each unit came out. */
	outputAtMs: number[];
	events: string[];
};
/** What came out, and the monotonic milliseconds at which each input unit was written. */
export type TranscodeResult = Pick<CollectedOutput, 'units' | 'outputAtMs'> & {
	config: TrackConfig;
	writtenAtMs: number[];
};

/**
 * Writes all units in their own time divided by `speed`, or as fast as they are encoded; waits for the rest, closes.
 * Fails if there is no output.
 */
export async function runTranscoder(
	transcoder: MediaTranscoder,
	input: readonly AccessUnit[],
	speed: number | 'as-encoded' = 1,
): Promise<TranscodeResult> {
	const collected = collect(transcoder);
	const writtenAtMs: number[] = [];
	const first = input[0]!;
	const startMs = systemClock.monotonicMs();
	for (const unit of input) {
		if (speed === 'as-encoded') {
			await waitUntil(() => transcoder.statistics.queuedMs <= QUEUED_MS);
		} else {
			const dueMs = startMs + ticksToMs(unit.decodeTimeTicks - first.decodeTimeTicks, unit.clockRate) / speed;
			await pauseUntil(dueMs);
		}
		writtenAtMs.push(systemClock.monotonicMs());
		transcoder.write(unit);
	}
	await waitUntil(() => transcoder.statistics.lagMs <= CAUGHT_UP_MS);
	await transcoder.finish();
	const config = collected.configs.at(-1);
	if (config === undefined) {
		throw new Error('the transcoder put out nothing');
	}
	return { config, units: collected.units, outputAtMs: collected.outputAtMs, writtenAtMs };
}

/** Collects all events of a transcoder. */
export function collect(transcoder: MediaTranscoder): CollectedOutput {
	const collected: CollectedOutput = { configs: [], units: [], outputAtMs: [], events: [] };
	transcoder.on('trackConfigured', (config) => collected.configs.push(config));
	transcoder.on('accessUnit', (unit) => {
		collected.units.push(unit);
		collected.outputAtMs.push(systemClock.monotonicMs());
	});
	transcoder.on('encoderStateChanged', (state, error) =>
		collected.events.push(error === undefined ? state : `${state}: ${error.message}`),
	);
	transcoder.on('closed', (reason) => collected.events.push(`closed: ${reason}`));
	return collected;
}

/** Or until the deadline. */
async function waitUntil(condition: () => boolean): Promise<void> {
	const endMs = systemClock.monotonicMs() + CATCH_UP_DEADLINE_MS;
	while (!condition() && systemClock.monotonicMs() < endMs) {
		await sleep(systemClock, 2);
	}
}

async function pauseUntil(dueMs: number): Promise<void> {
	const restMs = dueMs - systemClock.monotonicMs();
	if (restMs > 0) {
		await sleep(systemClock, restMs);
	}
}
