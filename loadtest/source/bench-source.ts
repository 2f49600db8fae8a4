/** The bench's picture and sound with the encoder that they feed. */
import { systemClock } from '../../core/lifecycle/clock.ts';
import { BenchPicture } from './bench-picture.ts';
import { EncoderProcess } from './encoder-process.ts';
import type { EncoderSettings } from './encoder-settings.ts';
import { SourceLoop } from './source-loop.ts';

/** Starts FFmpeg with a loop that feeds it. Start the loop once there is a listener for the encoder's output. */
export function benchSource(
	ffmpegArguments: readonly string[],
	settings: EncoderSettings,
): { encoder: EncoderProcess; loop: SourceLoop } {
	const { widthPixels, heightPixels, soundLeadMs, patienceMs = 0 } = settings;
	const encoder = new EncoderProcess(ffmpegArguments, settings, new BenchPicture(widthPixels, heightPixels));
	encoder.patienceMs = patienceMs;
	return { encoder, loop: new SourceLoop(systemClock, settings, encoder, soundLeadMs) };
}
