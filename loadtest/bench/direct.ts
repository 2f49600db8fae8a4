/**
 * The command `direct`, and the direct connection that the paths are compared with: one browser sends to another
 * without a server.
 */
import { formatRows, pathRows, type ReferenceRun } from './measure/paths-report.ts';
import { type BenchCommand, type BenchOptions, say } from './bench-options.ts';
import { measureDirectReference, measureHarness, type ReferenceOptions } from './measure/direct-reference.ts';
import { measureEncoderDelay } from './measure/encoder-delay.ts';
import { watchSelf } from './measure/self-watch.ts';

/** How long the encoder's own delay is measured. */
export const ENCODER_DELAY_MS = 10_000;

export const direct: BenchCommand = {
	summary: "only the direct Chromium-to-Chromium connection, the bench's own delay and the encoder's",
	async run(options) {
		const { settings, runCount } = options;
		const references: ReferenceRun[] = [];
		for (let run = 1; run <= runCount; run++) {
			references.push(await runReference(options, run));
		}
		const { summary: harness } = await measureHarness(referenceOptions(options));
		const encoderDelayMs = await measureEncoderDelay(settings, ENCODER_DELAY_MS);
		const rows = pathRows(references, []);
		return { result: { settings, rows, harness, encoderDelayMs, references }, markdown: formatRows(rows) };
	},
};

/** Measures the direct connection once and prints the result. */
export async function runReference(options: BenchOptions, run: number): Promise<ReferenceRun> {
	const endWatch = watchSelf();
	const { summary } = await measureDirectReference(referenceOptions(options));
	const reference = { summary, selfWatch: endWatch() };
	say(`run ${run}: direct ${oneLine(reference)}`);
	return reference;
}

export function oneLine({ summary, selfWatch }: ReferenceRun): string {
	const { glassToGlassMs: latency, audioVideoSkewMs: skew } = summary;
	const isVoid = selfWatch.voidReasons.length > 0 ? ` VOID: ${selfWatch.voidReasons.join('; ')}` : '';
	return (
		`p50 ${latency?.p50.toFixed(1)} p95 ${latency?.p95.toFixed(1)} ms, shown ${summary.shownCount} of ${summary.sentCount}, ` +
		`skipped ${summary.skippedCount}, freeze ${summary.longestFreezeMs.toFixed(0)} ms, skew ${skew?.p50.toFixed(0)} ms${isVoid}`
	);
}

function referenceOptions({ settings, settleMs, referenceMs, keyFrameIntervalMs }: BenchOptions): ReferenceOptions {
	const { widthPixels, heightPixels, frameRate, videoBitrateBps } = settings;
	return {
		widthPixels,
		heightPixels,
		frameRate,
		videoBitrateBps,
		keyFrameIntervalMs,
		settleMs,
		durationMs: referenceMs,
	};
}
