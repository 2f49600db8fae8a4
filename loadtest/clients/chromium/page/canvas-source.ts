/**
 * Runs in the page: makes a MediaStream to publish. A canvas shows the moving test picture with its time pattern; Web
 * Audio plays the tone code on the same clock.
 */
import { PATTERN_BLACK_LUMA, PATTERN_WHITE_LUMA, patternCellBox, patternCells } from '../../../source/time-pattern.ts';
import { TONE_CODE_COUNT, TONE_DURATION_MS, toneSampleAt } from '../../../source/tone-code.ts';
import type { SentFrame } from '../../../source/source-loop.ts';
import type { PageAudioContext, PageCanvas, PageContext2d, PageStream, PageWindow } from './dom-types.ts';

export type CanvasSourceOptions = { widthPixels: number; heightPixels: number; frameRate: number };

const page = globalThis as unknown as PageWindow;
const MAX_DRAWN = 36_000;
/** Epoch milliseconds on this page's clock. */
const drawn: SentFrame[] = [];

/** Returns the pictures drawn since the last call. */
export function collectDrawn(): SentFrame[] {
	return drawn.splice(0);
}

/** Starts drawing and returns the stream. Runs until the page is closed. */
export function createCanvasSource(options: CanvasSourceOptions): PageStream {
	const canvas = page.document.createElement('canvas') as PageCanvas;
	canvas.width = options.widthPixels;
	canvas.height = options.heightPixels;
	const context = canvas.getContext('2d', { alpha: false });
	// Rate 0: a picture leaves at each requestFrame(), once for each drawing.
	const stream = canvas.captureStream(0);
	const track = stream.getVideoTracks()[0]!;
	const intervalMs = 1000 / options.frameRate;
	let frameNumber = 0;
	let dueMs = performance.now();
	const onAnimationFrame = (nowMs: number): void => {
		page.requestAnimationFrame(onAnimationFrame);
		// Half a display refresh of tolerance, so that 30 pictures a second are exactly every second refresh of 60.
		if (nowMs < dueMs - 8) {
			return;
		}
		dueMs = nowMs - dueMs > intervalMs ? nowMs + intervalMs : dueMs + intervalMs;
		const captureTimeMs = performance.timeOrigin + performance.now();
		drawPicture(context, options, frameNumber, captureTimeMs);
		track.requestFrame();
		drawn.push({ frameNumber, captureTimeMs });
		if (drawn.length > MAX_DRAWN) {
			drawn.shift();
		}
		frameNumber++;
	};
	page.requestAnimationFrame(onAnimationFrame);
	stream.addTrack(createToneStream().getAudioTracks()[0]!);
	return stream;
}

function drawPicture(
	context: PageContext2d,
	options: CanvasSourceOptions,
	frameNumber: number,
	captureTimeMs: number,
): void {
	const { widthPixels, heightPixels } = options;
	context.fillStyle = `hsl(${frameNumber % 360} 40% 30%)`;
	context.fillRect(0, 0, widthPixels, heightPixels);
	for (let index = 0; index < 12; index++) {
		context.fillStyle = `hsl(${index * 30} 70% 55%)`;
		const x = (((index * widthPixels) / 12 + frameNumber * (3 + (index % 4))) % (widthPixels + 120)) - 120;
		context.fillRect(x, heightPixels * (0.15 + 0.065 * index), 120, heightPixels * 0.06);
	}
	context.fillStyle = 'white';
	context.font = `${Math.round(heightPixels / 9)}px monospace`;
	context.fillText(String(frameNumber), widthPixels * 0.05, heightPixels * 0.95);
	const cells = patternCells(frameNumber, captureTimeMs);
	for (let index = 0; index < cells.length; index++) {
		const level = cells[index] ? PATTERN_WHITE_LUMA : PATTERN_BLACK_LUMA;
		context.fillStyle = `rgb(${level} ${level} ${level})`;
		const box = patternCellBox(index, widthPixels, heightPixels);
		context.fillRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
	}
}

function createToneStream(): PageStream {
	const context = new page.AudioContext({ sampleRate: 48_000, latencyHint: 'interactive' });
	void context.resume();
	const destination = context.createMediaStreamDestination();
	const bursts = Array.from({ length: TONE_CODE_COUNT }, (_, code) => {
		const samples = Float32Array.from({ length: (TONE_DURATION_MS * 48_000) / 1000 }, (_sample, index) =>
			toneSampleAt(code * 1000 + index / 48),
		);
		const buffer = context.createBuffer(1, samples.length, 48_000);
		buffer.copyToChannel(samples, 0);
		return buffer;
	});
	startFaintHum(context, destination);
	// The audio clock advances in steps of a buffer: it is right at a step and lags after it. So the smallest recent
	// (page clock − audio clock) is the relation between the two.
	const envelope: number[] = [];
	let scheduledSecond = 0;
	setInterval(() => {
		const nowMs = performance.timeOrigin + performance.now();
		if (context.currentTime === 0) {
			return;
		}
		envelope.push(nowMs - context.currentTime * 1000);
		if (envelope.length > 50) {
			envelope.shift();
		}
		const nextSecond = Math.ceil((nowMs + 50) / 1000);
		if (envelope.length < 20 || nextSecond === scheduledSecond || nextSecond * 1000 - nowMs > 500) {
			return;
		}
		scheduledSecond = nextSecond;
		const source = context.createBufferSource();
		source.buffer = bursts[nextSecond % TONE_CODE_COUNT]!;
		source.connect(destination);
		source.start((nextSecond * 1000 - Math.min(...envelope)) / 1000);
	}, 10);
	return destination.stream;
}

// Chromium 156: a MediaStreamAudioDestinationNode without an active source sends nothing instead of silence. The
// receiver then conceals, builds up seconds of jitter buffer, and delays the picture to keep lips in sync.
function startFaintHum(context: PageAudioContext, destination: unknown): void {
	const samples = Float32Array.from(
		{ length: 48_000 },
		(_sample, index) => 0.001 * Math.sin((2 * Math.PI * 100 * index) / 48_000),
	);
	const buffer = context.createBuffer(1, samples.length, 48_000);
	buffer.copyToChannel(samples, 0);
	const source = context.createBufferSource();
	source.buffer = buffer;
	source.loop = true;
	source.connect(destination);
	source.start(0);
}
