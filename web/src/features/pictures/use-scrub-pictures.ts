/** The pictures over a seek bar: nothing is loaded before the bar is used, and then only what is near. */
import { onBeforeUnmount, shallowRef, triggerRef, watch } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { loadPicture } from './load-storyboard.ts';
import { PictureQueue } from './picture-queue.ts';
import { findTile, neighbourUrls, type Tile } from './storyboard.ts';
import { scrubPreview, type ScrubPreview } from './scrub-preview.ts';

/** Times are those of the bar. */
export type ScrubPictures = {
	/** Call it for each place that the viewer looks at. */
	want(seconds: number): void;
	/** Undefined: there is none. Reactive. `roomPixels`: the height that is free for it. */
	preview(seconds: number, roomPixels: number): ScrubPreview | undefined;
};

type ScrubSource = {
	/** Null: there are no pictures. Another address has other ones. */
	url: () => string | null;
	load: (url: string, signal: AbortSignal) => Promise<readonly Tile[]>;
	/** How long the list is new enough. */
	freshForMs: number;
	/** The storyboard's time at the begin of the bar. */
	startSeconds?: () => number;
};

/** After a failure. */
const RETRY_MS = 10_000;

export function useScrubPictures({ url, load, freshForMs, startSeconds = () => 0 }: ScrubSource): ScrubPictures {
	const tiles = shallowRef<readonly Tile[]>([]);
	let abort = new AbortController();
	let nextLoadMs = -Infinity;
	let lookedAt: number | undefined;
	const newQueue = (): PictureQueue => new PictureQueue(loadPicture, () => triggerRef(queue));
	const queue = shallowRef<PictureQueue>(newQueue());

	watch(url, () => {
		abort.abort();
		abort = new AbortController();
		queue.value.want([]);
		queue.value = newQueue();
		tiles.value = [];
		nextLoadMs = -Infinity;
	});
	onBeforeUnmount(() => {
		abort.abort();
		queue.value.want([]);
	});

	function wantNear(seconds: number): void {
		const index = findTile(tiles.value, seconds);
		if (index >= 0) {
			queue.value.want([tiles.value[index]!.url, ...neighbourUrls(tiles.value, index)]);
		}
	}

	async function refresh(address: string): Promise<void> {
		nextLoadMs = Infinity;
		const { signal } = abort;
		try {
			const loaded = await load(address, signal);
			if (!signal.aborted) {
				tiles.value = loaded;
				nextLoadMs = systemClock.monotonicMs() + freshForMs;
				if (lookedAt !== undefined) {
					wantNear(lookedAt);
				}
			}
		} catch {
			// The bar shows times alone, or what it has.
			if (!signal.aborted) {
				nextLoadMs = systemClock.monotonicMs() + RETRY_MS;
			}
		}
	}

	return {
		want(seconds) {
			lookedAt = startSeconds() + seconds;
			const address = url();
			if (address !== null && systemClock.monotonicMs() >= nextLoadMs) {
				void refresh(address);
			}
			wantNear(lookedAt);
		},
		preview(seconds, roomPixels) {
			const own = startSeconds() + seconds;
			const tile = tiles.value[findTile(tiles.value, own)];
			return tile && scrubPreview(tile, queue.value.picture(tile.url), { seconds: own, roomPixels });
		},
	};
}
