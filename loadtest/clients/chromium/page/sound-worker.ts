/**
 * Runs in a worker of the page: finds the tone code in the sound that a video element plays. In a worker, because the
 * page's main thread is busy with pictures and misses chunks.
 */
import { ToneDetector } from '../../../source/tone-code.ts';
import type { HeardTone } from '../../../source/tone-code.ts';
import type { PageAudioData, PageAudioStream } from './dom-types.ts';

type WorkerScope = {
	onmessage: (event: { data: { readable: PageAudioStream } }) => void;
	postMessage(message: HeardTone): void;
};

const scope = globalThis as unknown as WorkerScope;
/** Chunks over which the shortest delay of arrival counts: about a second. */
const ENVELOPE_CHUNKS = 100;

/** Waits for the stream and reports each burst; `heardAtMs` is epoch milliseconds on the page's clock. */
export function listenForMessages(): void {
	scope.onmessage = ({ data }) => void readSound(data.readable);
}

async function readSound(readable: PageAudioStream): Promise<void> {
	const reader = readable.getReader();
	let detector: ToneDetector | undefined;
	const envelope: number[] = [];
	for (;;) {
		const { done, value } = await reader.read();
		if (done || value === undefined) {
			return;
		}
		detector ??= new ToneDetector(value.sampleRate);
		const chunkMs = value.timestamp / 1000;
		// Scheduling makes chunks late, never early: the smallest recent (arrival − chunk time) is right.
		envelope.push(performance.timeOrigin + performance.now() - chunkMs);
		if (envelope.length > ENVELOPE_CHUNKS) {
			envelope.shift();
		}
		const startMs = Math.min(...envelope) + chunkMs;
		for (const tone of detector.push(monoSamples(value), startMs)) {
			scope.postMessage(tone);
		}
		value.close();
	}
}

function monoSamples(chunk: PageAudioData): Float32Array {
	const samples = new Float32Array(chunk.numberOfFrames);
	chunk.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
	return samples;
}
