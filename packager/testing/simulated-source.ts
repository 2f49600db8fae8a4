/** Makes access units like a publisher's: any frame rate, whole milliseconds, jitter, B-frames, AAC. For tests. */
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import { AAC_FRAME_SAMPLES, VIDEO_CLOCK_RATE } from '../../core/units.ts';

/** 320x180, Main profile, level 1.3, with parameter sets as x264 writes them. The slices are made up. */
export const SIMULATED_VIDEO: VideoTrackConfig = {
	kind: 'video',
	codec: 'h264',
	widthPixels: 320,
	heightPixels: 180,
	sps: [Uint8Array.of(0x67, 0x4d, 0x40, 0x0d, 0xec, 0xa0, 0xa0, 0xbf, 0x2e, 0x02, 0xd4, 0x04, 0x04, 0x05)],
	pps: [Uint8Array.of(0x68, 0xef, 0x38, 0x80)],
};

/** AAC-LC with its AudioSpecificConfig. */
export function simulatedAudio(sampleRate: number, channelCount = 2): AudioTrackConfig {
	const rateIndex = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000].indexOf(sampleRate);
	const bits = (2 << 11) | (rateIndex << 7) | (channelCount << 3);
	return {
		kind: 'audio',
		codec: 'aac',
		sampleRate,
		channelCount,
		audioSpecificConfig: Uint8Array.of(bits >> 8, bits & 0xff),
	};
}

/** How a simulated run looks. All times in seconds of the broadcast's timeline. */
type SimulatedRun = {
	run?: number;
	startSeconds: number;
	durationSeconds: number;
	/** Epoch milliseconds at which `startSeconds` was captured. */
	captureTimeMs?: number;
	video?: { frameRate: number; gopFrames: number; jitterMs?: number; isMilliseconds?: boolean; bFrames?: number };
	audio?: { sampleRate: number; isMilliseconds?: boolean };
	/** Returns repeatable numbers from 0 to 1. */
	random?: () => number;
};

/** A small repeatable generator (mulberry32). */
export function seededRandom(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** The access units of a run in decode order, as they arrive. */
export function simulateRun(run: SimulatedRun): AccessUnit[] {
	return inDecodeOrder([...videoUnits(run), ...audioUnits(run)]);
}

/** Sorts the units of several tracks. */
export function inDecodeOrder(units: AccessUnit[]): AccessUnit[] {
	return units.sort((one, other) => one.decodeTimeTicks / one.clockRate - other.decodeTimeTicks / other.clockRate);
}

function videoUnits(run: SimulatedRun): AccessUnit[] {
	const { video, startSeconds, random = () => 0.5 } = run;
	if (video === undefined) {
		return [];
	}
	const units: AccessUnit[] = [];
	const count = Math.floor(run.durationSeconds * video.frameRate);
	const bFrames = video.bFrames ?? 0;
	let lastTicks = -1;
	for (let index = 0; index < count; index++) {
		const jitterSeconds = index === 0 ? 0 : ((random() * 2 - 1) * (video.jitterMs ?? 0)) / 1000;
		let seconds = startSeconds + index / video.frameRate + jitterSeconds;
		if (video.isMilliseconds) {
			seconds = Math.round(seconds * 1000) / 1000;
		}
		const decodeTimeTicks = Math.max(lastTicks + 1, Math.round(seconds * VIDEO_CLOCK_RATE));
		lastTicks = decodeTimeTicks;
		const inGop = index % video.gopFrames;
		const isKeyFrame = inGop === 0;
		// Decode order I P b b P b b: an anchor is shown bFrames + 1 later than it is decoded, a B-frame at once.
		const isB = bFrames > 0 && !isKeyFrame && (inGop - 1) % (bFrames + 1) !== 0;
		const reorderFrames = bFrames === 0 || isB ? 0 : isKeyFrame ? 1 : bFrames + 1;
		const reorderTicks = Math.round((reorderFrames * VIDEO_CLOCK_RATE) / video.frameRate);
		units.push({
			trackId: 'video0',
			kind: 'video',
			codec: 'h264',
			clockRate: VIDEO_CLOCK_RATE,
			decodeTimeTicks,
			presentationTimeTicks: decodeTimeTicks + reorderTicks,
			captureTimeMs: (run.captureTimeMs ?? 0) + (decodeTimeTicks / VIDEO_CLOCK_RATE - startSeconds) * 1000,
			isKeyFrame,
			run: run.run ?? 0,
			bytes: lengthPrefixed(isKeyFrame ? 0x65 : 0x41, isKeyFrame ? 4000 : 400, index),
		});
	}
	return units;
}

function audioUnits(run: SimulatedRun): AccessUnit[] {
	const { audio, startSeconds } = run;
	if (audio === undefined) {
		return [];
	}
	const units: AccessUnit[] = [];
	const count = Math.floor((run.durationSeconds * audio.sampleRate) / AAC_FRAME_SAMPLES);
	for (let index = 0; index < count; index++) {
		let seconds = startSeconds + (index * AAC_FRAME_SAMPLES) / audio.sampleRate;
		if (audio.isMilliseconds) {
			seconds = Math.round(seconds * 1000) / 1000;
		}
		const decodeTimeTicks = Math.round(seconds * audio.sampleRate);
		units.push({
			trackId: 'audio0',
			kind: 'audio',
			codec: 'aac',
			clockRate: audio.sampleRate,
			decodeTimeTicks,
			presentationTimeTicks: decodeTimeTicks,
			durationTicks: AAC_FRAME_SAMPLES,
			captureTimeMs: (run.captureTimeMs ?? 0) + (seconds - startSeconds) * 1000,
			isKeyFrame: true,
			run: run.run ?? 0,
			bytes: new Uint8Array(200).fill(index & 0xff),
		});
	}
	return units;
}

function lengthPrefixed(firstByte: number, sizeBytes: number, seed: number): Uint8Array {
	const bytes = new Uint8Array(4 + sizeBytes).fill(seed & 0xff);
	new DataView(bytes.buffer).setUint32(0, sizeBytes);
	bytes[4] = firstByte;
	return bytes;
}
