/** Drives a transcoder in tests: writes units at a given speed, and collects what comes out and when. */
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { AccessUnit } from '../../../core/media/access-unit.ts';
import type { TrackConfig } from '../../../core/media/codecs.ts';
import type { MediaTranscoder } from '../../../core/media/transcoder.ts';
import { ticksToMs } from '../../../core/units.ts';

const QUIET_MS = 400;
const QUIET_DEADLINE_MS = 20_000;

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

/** Writes all units in their own time divided by `speed`, waits for the rest, closes. Fails if there is no output. */
export async function runTranscoder(
	transcoder: MediaTranscoder,
	input: readonly AccessUnit[],
	speed = 1,
): Promise<TranscodeResult> {
	const collected = collect(transcoder);
	const writtenAtMs: number[] = [];
	const first = input[0]!;
	const startMs = systemClock.monotonicMs();
	for (const unit of input) {
		const restMs = startMs + ticksToMs(unit.decodeTimeTicks - first.decodeTimeTicks, unit.clockRate) / speed;
		await pauseUntil(restMs);
		writtenAtMs.push(systemClock.monotonicMs());
		transcoder.write(unit);
	}
	await waitUntilQuiet(collected.units);
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

/** Waits until nothing more comes: on a busy machine the encoder is behind by more than finish() waits for. */
async function waitUntilQuiet(units: readonly AccessUnit[]): Promise<void> {
	const endMs = systemClock.monotonicMs() + QUIET_DEADLINE_MS;
	for (let count = -1; units.length > count && systemClock.monotonicMs() < endMs;) {
		count = units.length;
		await sleep(systemClock, QUIET_MS);
	}
}

async function pauseUntil(dueMs: number): Promise<void> {
	const restMs = dueMs - systemClock.monotonicMs();
	if (restMs > 0) {
		await sleep(systemClock, restMs);
	}
}
