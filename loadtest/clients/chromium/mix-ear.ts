/**
 * Records what a page sends to the loudspeaker: the sum of everything that its AudioContexts play. A script that runs
 * before the page's own, and taps every connection to a context's destination.
 */
import type { HeardTone } from '../../source/tone-code.ts';

/** A stretch of silence in the mix; epoch milliseconds on the page's clock. */
type QuietStretch = { fromMs: number; durationMs: number };

/** Result of {@link COLLECT_MIX}. `contextCount` 0: the page's sound does not go through a context. */
export type MixReadings = {
	quiet: QuietStretch[];
	/** Since when it is silent now. */
	quietSinceMs: number | null;
	tones: HeardTone[];
	contextCount: number;
};

/** Quieter than this is silence: a tenth of the hum under the source's bursts. */
const QUIET_RMS = 0.0015;
/** Each block is silence or not. */
const BLOCK_MS = 5;
const MAX_ENTRIES = 5000;

const QUIET_WORKER = `onmessage = async ({ data }) => {
	const reader = data.readable.getReader();
	const envelope = [];
	let quietFromMs;
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return;
		const chunkMs = value.timestamp / 1000;
		envelope.push(performance.timeOrigin + performance.now() - chunkMs);
		if (envelope.length > 100) envelope.shift();
		const startMs = Math.min(...envelope) + chunkMs;
		const samples = new Float32Array(value.numberOfFrames);
		value.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
		const block = Math.round(value.sampleRate * ${BLOCK_MS} / 1000);
		for (let from = 0; from < samples.length; from += block) {
			const end = Math.min(samples.length, from + block);
			let sum = 0;
			for (let index = from; index < end; index++) sum += samples[index] ** 2;
			const atMs = startMs + from * 1000 / value.sampleRate;
			const isQuiet = Math.sqrt(sum / (end - from)) < ${QUIET_RMS};
			if (isQuiet && quietFromMs === undefined) {
				quietFromMs = atMs;
				postMessage({ quietSinceMs: atMs });
			}
			if (!isQuiet && quietFromMs !== undefined) {
				postMessage({ quietSinceMs: null });
				if (atMs - quietFromMs >= ${BLOCK_MS}) postMessage({ fromMs: quietFromMs, durationMs: atMs - quietFromMs });
				quietFromMs = undefined;
			}
		}
		value.close();
	}
};`;

/** Text for `addInitScript`. The page program brings the tone worker's text, a moment later. */
export const MIX_EAR = `(() => {
	const readings = { quiet: [], quietSinceMs: null, tones: [], contextCount: 0 };
	globalThis.spillwayMixEar = readings;
	const taps = new Map();
	const connect = AudioNode.prototype.connect;
	const start = (stream, text, list) => {
		const { readable } = new MediaStreamTrackProcessor({ track: stream.getAudioTracks()[0].clone() });
		const worker = new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
		worker.onmessage = ({ data }) => {
			if (data.quietSinceMs !== undefined) {
				readings.quietSinceMs = data.quietSinceMs;
				return;
			}
			list.push(data);
			list.splice(0, list.length - ${MAX_ENTRIES});
		};
		worker.postMessage({ readable }, [readable]);
	};
	AudioNode.prototype.connect = function (target, ...rest) {
		if (target instanceof AudioDestinationNode) {
			let tap = taps.get(target.context);
			if (tap === undefined) {
				tap = target.context.createMediaStreamDestination();
				taps.set(target.context, tap);
				readings.contextCount++;
				start(tap.stream, ${JSON.stringify(QUIET_WORKER)}, readings.quiet);
				const wait = setInterval(() => {
					if (globalThis.spillwaySoundWorker !== undefined) {
						clearInterval(wait);
						start(tap.stream, globalThis.spillwaySoundWorker, readings.tones);
					}
				}, 50);
			}
			connect.call(this, tap);
		}
		return connect.call(this, target, ...rest);
	};
})();`;

/** Expression for the page: returns the readings since the last time. */
export const COLLECT_MIX = `(() => {
	const { quiet, quietSinceMs, tones, contextCount } = globalThis.spillwayMixEar;
	return { quiet: quiet.splice(0), quietSinceMs, tones: tones.splice(0), contextCount };
})()`;
