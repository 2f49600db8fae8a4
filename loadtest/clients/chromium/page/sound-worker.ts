/**
 * Runs in a worker of the page: hears the tone code in the sound that a video element plays. In a worker, because the
 * page's main thread, busy with pictures, would miss chunks.
 */
import { ToneDetector } from '../../../source/tone-code.ts';
import type { PageAudioData, PageAudioStream } from './dom-types.ts';

type WorkerScope = {
	onmessage: (event: { data: { readable: PageAudioStream } }) => void;
	postMessage(message: { code: number; heardAtMs: number }): void;
};

const scope = globalThis as unknown as WorkerScope;
/** Chunks over which the least delay of arrival is looked for: a second or so. */
const ENVELOPE_CHUNKS = 100;

/** Waits for the stream and reports each burst with the epoch milliseconds (page clock) at which it was played. */
export function listenForMessages(): void {
	scope.onmessage = ({ data }) => {
		void readSound(data.readable);
	};
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
		// Chunks arrive late by scheduling, never early: the least (arrival − chunk time) of late is the truth.
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
