/**
 * Runs in the page: reads the time pattern of each picture that a video element really shows, and the bursts of its
 * sound. The bench collects its logs, which are bounded.
 */
import { PATTERN_COLUMNS, PATTERN_ROW_RATIO, PATTERN_ROWS, readPattern } from '../../../source/time-pattern.ts';
import type { HeardTone } from '../../../source/tone-code.ts';
import type { PageCanvas, PageStream, PageTrack, PageVideo, PageWindow, PageWorker } from './dom-types.ts';

/** One picture as it was shown. Times are epoch milliseconds on the page's clock (timeOrigin + performance.now()). */
export type PageFrame = {
	/** −1 when the pattern could not be read. */
	frameNumber: number;
	/** Epoch milliseconds on the source's clock; −1 when unread. */
	captureTimeMs: number;
	/**
	 * The later of requestVideoFrameCallback's expectedDisplayTime and presentationTime. The first is right for MSE. For
	 * MediaStreams Chromium derives it from the frame's age, so that it may be earlier than the second, the hand-over to
	 * the compositor.
	 */
	shownAtMs: number;
	/** The browser's count of pictures handed to the compositor, per element: a gap is missed callbacks. */
	presentedCount: number;
	/** Which video element, counted from 0 in order of discovery. */
	elementIndex: number;
	/** The size of the picture as it was decoded, not of the element. */
	widthPixels: number;
	heightPixels: number;
};

/** Tones are on the page's clock, too. */
export type PageReadings = { frames: PageFrame[]; tones: HeardTone[] };

const page = globalThis as unknown as PageWindow & { spillwaySoundWorker: string };
/** 20 minutes at 30 pictures a second; older ones are dropped. */
const MAX_FRAMES = 36_000;
const MAX_TONES = 2000;
/** Each way, of the small canvas that the band is scaled into. */
const SAMPLES_PER_CELL = 4;

const readings: PageReadings = { frames: [], tones: [] };
const watched = new Map<PageVideo, number>();
const listening = new Map<PageVideo, { track: PageTrack; worker: PageWorker }>();
const capturedStreams = new Map<PageVideo, PageStream>();

/** Starts reading every video element that matches, now or later, while it is visible. */
export function startReading(videoSelector: string, withSound: boolean): void {
	const look = (): void => {
		for (const element of page.document.querySelectorAll(videoSelector)) {
			const video = element as PageVideo;
			if (!watched.has(video)) {
				watched.set(video, watched.size);
				watchPictures(video, watched.get(video)!);
			}
			if (withSound) {
				listenTo(video);
			}
		}
	};
	look();
	setInterval(look, 50);
}

/** Returns the readings since the last call. */
export function collectReadings(): PageReadings {
	return { frames: readings.frames.splice(0), tones: readings.tones.splice(0) };
}

/** Number of the picture that an element shows now, which may stand; −1 when it shows none that can be read. */
export function readNumber(videoSelector: string): number {
	const video = page.document.querySelector(videoSelector) as PageVideo | null;
	return video === null || video.videoWidth === 0 ? -1 : (bandReader(video)()?.frameNumber ?? -1);
}

function watchPictures(video: PageVideo, elementIndex: number): void {
	const readBand = bandReader(video);
	video.requestVideoFrameCallback(function onFrame(_nowMs, metadata) {
		video.requestVideoFrameCallback(onFrame);
		const reading = readBand();
		const frame: PageFrame = {
			frameNumber: reading?.frameNumber ?? -1,
			captureTimeMs: reading?.captureTimeMs ?? -1,
			shownAtMs: performance.timeOrigin + Math.max(metadata.expectedDisplayTime, metadata.presentationTime),
			presentedCount: metadata.presentedFrames,
			elementIndex,
			widthPixels: metadata.width,
			heightPixels: metadata.height,
		};
		// Other callbacks of the same refresh may show or hide the element: its state when it is painted counts.
		page.requestAnimationFrame(() => {
			if (isVisible(video)) {
				readings.frames.push(frame);
				readings.frames.splice(0, readings.frames.length - MAX_FRAMES);
			}
		});
	});
}

function bandReader(video: PageVideo): () => { frameNumber: number; captureTimeMs: number } | undefined {
	const canvas = page.document.createElement('canvas') as PageCanvas;
	canvas.width = PATTERN_COLUMNS * SAMPLES_PER_CELL;
	canvas.height = PATTERN_ROWS * SAMPLES_PER_CELL;
	const context = canvas.getContext('2d', { willReadFrequently: true, alpha: false });
	return () => {
		const bandHeight = video.videoHeight * PATTERN_ROWS * PATTERN_ROW_RATIO;
		context.drawImage(video, 0, 0, video.videoWidth, bandHeight, 0, 0, canvas.width, canvas.height);
		const picture = {
			samples: context.getImageData(0, 0, canvas.width, canvas.height).data,
			width: canvas.width,
			pictureHeight: SAMPLES_PER_CELL / PATTERN_ROW_RATIO,
			rowStride: canvas.width * 4,
			sampleStride: 4,
			firstIndex: 1,
		};
		return readPattern(picture, performance.timeOrigin + performance.now());
	};
}

// A player may have a second element that is invisible until it takes over.
function isVisible(video: PageVideo): boolean {
	const style = page.getComputedStyle(video);
	return Number(style.opacity) > 0.5 && style.visibility !== 'hidden' && style.display !== 'none';
}

// captureStream() of the element gives the sound as it is played, whatever its source.
function listenTo(video: PageVideo): void {
	if (video.readyState < 2 || video.paused) {
		return;
	}
	// Each call of captureStream() makes a new stream with new tracks, so one is kept for each element.
	const captured = capturedStreams.get(video) ?? (video.srcObject === null ? video.captureStream() : undefined);
	if (captured !== undefined) {
		capturedStreams.set(video, captured);
	}
	const stream = video.srcObject ?? captured!;
	const track = stream.getAudioTracks()[0];
	const current = listening.get(video);
	if (track === undefined || current?.track === track || track.readyState !== 'live') {
		return;
	}
	// A captured element may get a new track once it knows its media; two readers would report everything twice.
	current?.worker.terminate();
	// A clone, so that the processor does not disturb playback.
	const { readable } = new page.MediaStreamTrackProcessor({ track: track.clone() });
	const worker = new page.Worker(
		URL.createObjectURL(new Blob([page.spillwaySoundWorker], { type: 'text/javascript' })),
	);
	worker.onmessage = ({ data }) => {
		readings.tones.push(data);
		readings.tones.splice(0, readings.tones.length - MAX_TONES);
	};
	worker.postMessage({ readable }, [readable]);
	listening.set(video, { track, worker });
}

/** Plays a file (base64) whose pictures and sound are in step, which shows the offset of the sound tap. */
export function playFile(base64: string, mediaType: string): void {
	const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
	const video = page.document.querySelector('video') as unknown as PageVideo;
	video.src = URL.createObjectURL(new Blob([bytes], { type: mediaType }));
	// Rejected when the page goes away first.
	void video.play().catch(() => undefined);
}
