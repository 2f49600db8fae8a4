/** Makes access units like a publisher's: any frame rate, whole milliseconds, jitter, B-frames, AAC. For tests. */
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import { leastIntervalSeconds, type AudioRung, type Rung, type VideoRung } from '../../core/media/rung.ts';
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

/** The ladder below a source of 60 pictures a second, by track. */
export const SIMULATED_LADDER: ReadonlyMap<TrackId, Rung> = new Map<TrackId, Rung>([
	['video1', { kind: 'video', name: '720p60', heightPixels: 720, frameRate: 60, maxBitrateBps: 3_000_000 }],
	['video2', { kind: 'video', name: '480p30', heightPixels: 480, frameRate: 30, maxBitrateBps: 1_200_000 }],
	['video3', { kind: 'video', name: '360p30', heightPixels: 360, frameRate: 30, maxBitrateBps: 700_000 }],
	['video4', { kind: 'video', name: '160p30', heightPixels: 160, frameRate: 30, maxBitrateBps: 230_000 }],
	['audio1', { kind: 'audio', bitrateBps: 48_000 }],
]);

/** A rung's key frames are those of the source and one a second. */
const RUNG_GOP_SECONDS = 1;

/** What an encoder makes of the source's pictures or sound, in the order of its output. */
export function simulateRung(source: readonly AccessUnit[], trackId: TrackId, rung: Rung): AccessUnit[] {
	return rung.kind === 'video' ? videoRungUnits(source, trackId, rung) : audioRungUnits(source, trackId, rung);
}

function videoRungUnits(source: readonly AccessUnit[], trackId: TrackId, rung: VideoRung): AccessUnit[] {
	const least = leastIntervalSeconds(rung.frameRate);
	const pictures = source.filter((unit) => unit.trackId === 'video0').sort((a, b) => secondsOf(a) - secondsOf(b));
	const units: AccessUnit[] = [];
	let keptSeconds = -Infinity;
	let keySeconds = -Infinity;
	for (const picture of pictures) {
		const seconds = secondsOf(picture);
		if (!picture.isKeyFrame && seconds - keptSeconds < least) {
			continue;
		}
		keptSeconds = seconds;
		const isKeyFrame = picture.isKeyFrame || seconds - keySeconds >= RUNG_GOP_SECONDS - 1e-6;
		keySeconds = isKeyFrame ? seconds : keySeconds;
		units.push({
			...picture,
			trackId,
			decodeTimeTicks: picture.presentationTimeTicks,
			isKeyFrame,
			bytes: lengthPrefixed(isKeyFrame ? 0x65 : 0x41, isKeyFrame ? 1000 : 100, units.length),
		});
	}
	return units;
}

function audioRungUnits(source: readonly AccessUnit[], trackId: TrackId, rung: AudioRung): AccessUnit[] {
	return source
		.filter((unit) => unit.trackId === 'audio0')
		.map((unit, index) => {
			const sizeBytes = Math.round((rung.bitrateBps / 8) * (unit.durationTicks! / unit.clockRate));
			return { ...unit, trackId, bytes: new Uint8Array(sizeBytes).fill(index & 0xff) };
		});
}

function secondsOf(unit: AccessUnit): number {
	return unit.presentationTimeTicks / unit.clockRate;
}

/**
 * The units of several tracks in the order in which they arrive: each track's in its own order, each unit so many
 * seconds after its decode time.
 */
export function inArrivalOrder(units: readonly AccessUnit[], delaySeconds: (unit: AccessUnit) => number): AccessUnit[] {
	const latest = new Map<TrackId, number>();
	const timed = units.map((unit) => {
		const ownSeconds = unit.decodeTimeTicks / unit.clockRate + delaySeconds(unit);
		const atSeconds = Math.max(ownSeconds, latest.get(unit.trackId) ?? -Infinity);
		latest.set(unit.trackId, atSeconds);
		return { unit, atSeconds };
	});
	return timed.sort((one, other) => one.atSeconds - other.atSeconds).map(({ unit }) => unit);
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
		// Decode order I P b b P b b: an anchor is shown after its B-frames, a B-frame at once. All are shown before the
		// next key frame, so the last anchor of a GOP may have fewer.
		const inGroup = (inGop - 1) % (bFrames + 1);
		const isB = bFrames > 0 && !isKeyFrame && inGroup !== 0;
		const reorderFrames = bFrames === 0 || isB ? 0 : isKeyFrame ? 1 : Math.min(bFrames + 1, video.gopFrames - inGop);
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
