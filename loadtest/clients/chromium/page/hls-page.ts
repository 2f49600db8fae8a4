/** Runs in the page: hls.js in low-latency mode on the page's video element, steered to its own target latency. */
import type { PageVideo, PageWindow } from './dom-types.ts';

type HlsPlayer = {
	on(event: string, listener: (event: string, detail: { details?: string; fatal?: boolean }) => void): void;
	loadSource(url: string): void;
	attachMedia(video: PageVideo): void;
	latency: number;
	targetLatency: number | null;
	liveSyncPosition: number | null;
	levels: Array<{ height: number }>;
	nextLevel: number;
};

type HlsWindow = PageWindow & {
	Hls: { new (config: object): HlsPlayer; Events: { ERROR: string } };
};

const page = globalThis as unknown as HlsWindow;
const problems: string[] = [];
let player: HlsPlayer | undefined;
let jumpedAtMs = -Infinity;
/** Jumps when it is further behind the target, at most every JUMP_PAUSE_MS. Plays faster when it is less behind. */
const JUMP_SECONDS = 1;
const JUMP_PAUSE_MS = 2000;
const TOLERANCE_SECONDS = 0.08;
const CATCH_UP_RATE = 1.06;

/**
 * Plays a multivariant playlist. The script of hls.js must be in the page. `isStock`: with the settings and the latency
 * of hls.js itself.
 */
export function playByHls(url: string, isStock = false): void {
	const video = page.document.querySelector('video') as unknown as PageVideo;
	player = new page.Hls({
		lowLatencyMode: true,
		backBufferLength: 10,
		// hls.js 1.7.4: each stall adds this to the latency permanently, by default 1 s.
		...(isStock ? {} : { liveSyncOnStallIncrease: 0.1 }),
	});
	player.on(page.Hls.Events.ERROR, (_event, detail) => {
		if (problems.length < 100) {
			problems.push(`${detail.fatal ? 'fatal ' : ''}${detail.details ?? 'unknown'}`);
		}
	});
	player.attachMedia(video);
	player.loadSource(url);
	// Rejected when the page goes away first.
	void video.play().catch(() => undefined);
	if (!isStock) {
		setInterval(() => steer(video), 100);
	}
}

// hls.js 1.7.4 catches up only with more than a second in the buffer, which a low-latency stream never has. After a
// stall it stays behind, and all later figures are about that stall.
function steer(video: PageVideo): void {
	const target = player?.targetLatency ?? null;
	const livePosition = player?.liveSyncPosition ?? null;
	if (target === null || livePosition === null || video.readyState < 3) {
		return;
	}
	const behindSeconds = player!.latency - target;
	if (behindSeconds > JUMP_SECONDS && performance.now() - jumpedAtMs > JUMP_PAUSE_MS) {
		jumpedAtMs = performance.now();
		video.currentTime = livePosition;
	}
	video.playbackRate = behindSeconds > TOLERANCE_SECONDS ? CATCH_UP_RATE : 1;
}

/** Heights of the pictures that can be played; empty until they are known. */
export function hlsHeights(): number[] {
	return player?.levels.map(({ height }) => height) ?? [];
}

/** Plays the picture of that height from the next fragment on. */
export function showHlsHeight(heightPixels: number): void {
	player!.nextLevel = player!.levels.findIndex(({ height }) => height === heightPixels);
}

/** The latency that hls.js reports, and its errors. */
export function hlsFacts(): { latencySeconds: number; targetLatencySeconds: number | null; problems: string[] } {
	return {
		latencySeconds: player?.latency ?? 0,
		targetLatencySeconds: player?.targetLatency ?? null,
		problems: [...problems],
	};
}
