/** Decodes units with FFmpeg for tests, and finds the clicks and flashes that test media carry. */
import type { AccessUnit } from '../../../core/media/access-unit.ts';
import type { TrackConfig, VideoTrackConfig } from '../../../core/media/codecs.ts';
import { ticksToSeconds } from '../../../core/units.ts';
import { toNutFrame } from '../encoding.ts';
import { nutStreamHeader } from '../../../core/wire/nut/nut-writer.ts';
import { ffmpeg } from './test-media.ts';

const DECODED_SIZE = 16;

/** All of a track as NUT, as FFmpeg gets it. */
function toNut(config: TrackConfig, units: readonly AccessUnit[]): Buffer {
	return Buffer.concat([nutStreamHeader(config), ...units.map((unit) => toNutFrame(unit, config))]);
}

/** The left channel. Sample k is at the first unit's time plus k, if the units follow each other without a hole. */
export function decodeAudio(config: TrackConfig, units: readonly AccessUnit[]): Float32Array {
	const left = ['-af', 'pan=mono|c0=c0', '-f', 'f32le', '-'];
	const raw = ffmpeg(['-f', 'nut', '-i', '-', ...left], toNut(config, units));
	return new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
}

/** Mean brightness (0–255) of each picture in presentation order. */
export function decodeBrightness(config: VideoTrackConfig, units: readonly AccessUnit[]): number[] {
	const filter = `scale=${DECODED_SIZE}:${DECODED_SIZE}`;
	const output = ['-fps_mode', 'passthrough', '-vf', filter, '-pix_fmt', 'gray', '-f', 'rawvideo', '-'];
	const raw = ffmpeg(['-f', 'nut', '-i', '-', ...output], toNut(config, units));
	const size = DECODED_SIZE * DECODED_SIZE;
	const means: number[] = [];
	for (let offset = 0; offset + size <= raw.length; offset += size) {
		means.push(raw.subarray(offset, offset + size).reduce((sum, value) => sum + value, 0) / size);
	}
	return means;
}

/** Seconds on the timeline at which the bursts of clickExpression() have their middle, as decoded. */
export function clickTimes(config: TrackConfig, units: readonly AccessUnit[]): number[] {
	const { clockRate, presentationTimeTicks } = units[0]!;
	const startSeconds = ticksToSeconds(presentationTimeTicks, clockRate);
	return clicksIn(decodeAudio(config, units), clockRate).map((seconds) => startSeconds + seconds);
}

/** As {@link clickTimes}, from the first sample on. */
export function clicksIn(samples: Float32Array, sampleRate: number): number[] {
	const window = Math.round(sampleRate * 0.01);
	const times: number[] = [];
	for (let index = 0; index < samples.length; index++) {
		if (Math.abs(samples[index]!) > 0.2) {
			times.push(ticksToSeconds(energyCentre(samples, index, window), sampleRate));
			index += 2 * window;
		}
	}
	return times;
}

function energyCentre(samples: Float32Array, around: number, window: number): number {
	let energy = 0;
	let moment = 0;
	for (let index = Math.max(0, around - window); index < Math.min(samples.length, around + window); index++) {
		const square = samples[index]! ** 2;
		energy += square;
		moment += square * index;
	}
	return moment / energy;
}

/** Ticks of the pictures that are white. */
export function flashTicks(config: VideoTrackConfig, units: readonly AccessUnit[]): number[] {
	const inOrder = units.map((unit) => unit.presentationTimeTicks).sort((one, other) => one - other);
	return decodeBrightness(config, units).flatMap((brightness, index) => (brightness > 128 ? [inOrder[index]!] : []));
}
