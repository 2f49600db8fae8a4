/** The delay of the source's own encoder and muxer: picture made → FLV tag complete. */
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { flvCompositionOffsetMs, FlvReader } from '../../../core/wire/flv.ts';
import { MESSAGE_TYPE } from '../../../core/wire/rtmp/rtmp-messages.ts';
import { benchSource } from '../../source/bench-source.ts';
import type { EncoderSettings } from '../../source/encoder-settings.ts';
import { rtmpArguments } from '../../clients/rtmp/rtmp-publisher.ts';
import { throwFailure } from '../../source/publisher.ts';
import { type Spread, spreadOf } from './frame-log.ts';

/** Runs the RTMP publisher's FFmpeg arguments with a pipe instead of a connection. */
export async function measureEncoderDelay(settings: EncoderSettings, durationMs: number): Promise<Spread> {
	const { encoder, loop } = benchSource(rtmpArguments(settings, 'pipe:1'), settings);
	const delays: number[] = [];
	const reader = new FlvReader();
	let firstPresentationMs: number | undefined;
	encoder.output.on('data', (bytes: Buffer) => {
		const arrivedAtMs = systemClock.nowMs();
		for (const tag of reader.push(bytes)) {
			const offsetMs = tag.typeId === MESSAGE_TYPE.VIDEO ? flvCompositionOffsetMs(tag.body) : undefined;
			if (offsetMs !== undefined) {
				const presentationMs = tag.timestampMs + offsetMs;
				firstPresentationMs ??= presentationMs;
				const index = Math.round(((presentationMs - firstPresentationMs) * settings.frameRate) / 1000);
				const frame = loop.sent[index];
				if (frame !== undefined) {
					delays.push(arrivedAtMs - frame.captureTimeMs);
				}
			}
		}
	});
	loop.start();
	try {
		await sleep(systemClock, durationMs);
	} finally {
		loop.stop();
		await encoder.stop();
	}
	throwFailure(encoder);
	// The first second includes the start of the process.
	const settled = spreadOf(delays.slice(Math.round(settings.frameRate)));
	if (settled === undefined) {
		throw new Error(`FFmpeg gave only ${delays.length} pictures in ${durationMs} ms.`);
	}
	return settled;
}
