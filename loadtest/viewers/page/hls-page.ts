/** Runs in the page: hls.js as it comes, in low-latency mode, on the page's video element. */
import type { PageVideo, PageWindow } from './dom-types.ts';

type HlsPlayer = {
	on(event: string, listener: (event: string, detail: { details?: string; fatal?: boolean }) => void): void;
	loadSource(url: string): void;
	attachMedia(video: PageVideo): void;
	latency: number;
	targetLatency: number | null;
};

type HlsWindow = PageWindow & {
	Hls: { new (config: object): HlsPlayer; Events: { ERROR: string } };
};

const page = globalThis as unknown as HlsWindow;
const problems: string[] = [];
let player: HlsPlayer | undefined;

/** Plays a multivariant playlist. The script of hls.js must be in the page. */
export function playByHls(url: string): void {
	const video = page.document.querySelector('video') as unknown as PageVideo;
	player = new page.Hls({
		lowLatencyMode: true,
		backBufferLength: 10,
		// hls.js 1.7.4: each stall adds its default of 1 s to the latency, for good.
		liveSyncOnStallIncrease: 0.1,
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
}

/** Where hls.js believes to be, and what it complained of. */
export function hlsFacts(): { latencySeconds: number; targetLatencySeconds: number | null; problems: string[] } {
	return {
		latencySeconds: player?.latency ?? 0,
		targetLatencySeconds: player?.targetLatency ?? null,
		problems: [...problems],
	};
}
