/** Runs in the page: shaka-player in low-latency mode, with the picture that is asked for. */
import type { PageVideo, PageWindow } from './dom-types.ts';

type Variant = { height: number | null };

type ShakaPlayer = {
	attach(video: PageVideo): Promise<void>;
	configure(name: string, value: unknown): void;
	load(url: string): Promise<void>;
	getVariantTracks(): Variant[];
	selectVariantTrack(track: Variant): void;
};

type ShakaWindow = PageWindow & {
	shaka: { Player: new () => ShakaPlayer; polyfill: { installAll(): void } };
};

const page = globalThis as unknown as ShakaWindow;
let player: ShakaPlayer | undefined;

/** Plays a multivariant playlist. The script of shaka-player must be in the page. */
export async function playByShaka(url: string): Promise<void> {
	const video = page.document.querySelector('video') as unknown as PageVideo;
	page.shaka.polyfill.installAll();
	player = new page.shaka.Player();
	await player.attach(video);
	player.configure('streaming.lowLatencyMode', true);
	player.configure('abr.enabled', false);
	await player.load(url);
	void video.play().catch(() => undefined);
}

/** Heights of the pictures that can be played; empty until they are known. */
export function shakaHeights(): number[] {
	return player?.getVariantTracks().flatMap(({ height }) => height ?? []) ?? [];
}

/** Plays the picture of that height after what is buffered. */
export function showShakaHeight(heightPixels: number): void {
	player!.selectVariantTrack(player!.getVariantTracks().find(({ height }) => height === heightPixels)!);
}
