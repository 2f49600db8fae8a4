/** Runs in the page: hls.js or shaka-player with default settings on the page's video element, and figures of it. */
import type { PageVideo, PageWindow } from '../clients/chromium/page/dom-types.ts';
import type { BrowserPlayback } from './player-result.ts';

type PlayerVideo = PageVideo & {
	buffered: { length: number };
	getVideoPlaybackQuality(): { totalVideoFrames: number; droppedVideoFrames: number };
};

type HlsPlayer = {
	on(event: string, listener: (event: string, detail: { details?: string; fatal?: boolean }) => void): void;
	loadSource(url: string): void;
	attachMedia(video: PlayerVideo): void;
	latency: number;
};

type ShakaError = { severity?: number; category?: number; code?: number; message?: string; stack?: string };

type ShakaPlayer = {
	attach(video: PlayerVideo): Promise<void>;
	configure(name: string, value: unknown): void;
	addEventListener(name: 'error', listener: (event: { detail: ShakaError }) => void): void;
	load(url: string): Promise<void>;
	getStats(): { liveLatency: number };
};

type PlayerWindow = PageWindow & {
	Hls: { new (config: object): HlsPlayer; Events: { ERROR: string } };
	shaka: { Player: new () => ShakaPlayer; polyfill: { installAll(): void } };
};

export type PageReport = BrowserPlayback & { frameCount: number; complaints: string[] };

const page = globalThis as unknown as PlayerWindow;
const FREEZE_MS = 250;
const MAX_ENTRIES = 200;
const complaints: string[] = [];
const freezesMs: number[] = [];
let readLatency: () => number = () => NaN;
let calledAtMs = 0;
let firstFrameMs: number | undefined;
let lastFrameAtMs = 0;
let bufferedRangeCount = 0;

function video(): PlayerVideo {
	return page.document.querySelector('video') as unknown as PlayerVideo;
}

function addTo(list: unknown[], entry: unknown): void {
	if (list.length < MAX_ENTRIES) {
		list.push(entry);
	}
}

function watch(element: PlayerVideo): void {
	calledAtMs = performance.now();
	const onFrame = (nowMs: number): void => {
		if (firstFrameMs === undefined) {
			firstFrameMs = nowMs - calledAtMs;
		} else if (nowMs - lastFrameAtMs > FREEZE_MS) {
			addTo(freezesMs, Math.round(nowMs - lastFrameAtMs));
		}
		lastFrameAtMs = nowMs;
		element.requestVideoFrameCallback(onFrame);
	};
	element.requestVideoFrameCallback(onFrame);
	setInterval(() => {
		bufferedRangeCount = Math.max(bufferedRangeCount, element.buffered.length);
	}, 100);
}

export function playHlsJs(url: string): void {
	const element = video();
	watch(element);
	const player = new page.Hls({ lowLatencyMode: true });
	player.on(page.Hls.Events.ERROR, (_event, detail) => {
		addTo(complaints, `${detail.fatal ? 'fatal ' : ''}${detail.details ?? 'unknown'}`);
	});
	player.attachMedia(element);
	player.loadSource(url);
	readLatency = () => player.latency;
	// Rejected when the page goes away first.
	void element.play().catch(() => undefined);
}

/** Plays with shaka-player. Resolves once it has loaded or failed. */
export async function playShaka(url: string, isLowLatency: boolean): Promise<void> {
	const element = video();
	page.shaka.polyfill.installAll();
	const player = new page.shaka.Player();
	await player.attach(element);
	player.configure('streaming.lowLatencyMode', isLowLatency);
	player.addEventListener('error', (event) => addTo(complaints, describe(event.detail)));
	readLatency = () => player.getStats().liveLatency;
	watch(element);
	try {
		await player.load(url);
		await element.play();
	} catch (error) {
		addTo(complaints, `load failed: ${describe(error as ShakaError)}`);
	}
}

function describe(error: ShakaError): string {
	return error.code === undefined
		? `${error.stack ?? error.message ?? 'unknown'}`.slice(0, 500)
		: `severity ${error.severity}, category ${error.category}, code ${error.code}`;
}

/** The figures so far. */
export function playerReport(): PageReport {
	const element = video();
	const now = performance.now();
	// A freeze may not be over yet.
	const openFreeze =
		firstFrameMs !== undefined && now - lastFrameAtMs > FREEZE_MS ? [Math.round(now - lastFrameAtMs)] : [];
	const { totalVideoFrames, droppedVideoFrames } = element.getVideoPlaybackQuality();
	const latencySeconds = readLatency();
	return {
		frameCount: totalVideoFrames - droppedVideoFrames,
		complaints: [...complaints],
		...(firstFrameMs === undefined ? {} : { firstFrameMs }),
		freezesMs: [...freezesMs, ...openFreeze],
		droppedFrameCount: droppedVideoFrames,
		bufferedRangeCount,
		...(Number.isFinite(latencySeconds) ? { latencySeconds } : {}),
	};
}
