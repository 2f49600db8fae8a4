/** Watches how large the player is on the screen, so that no larger picture is sent than it shows. */
import type { CancelTimer, Clock } from '../../../core/lifecycle/clock.ts';

/** While a viewer drags the window's border the size changes with each picture. */
const SETTLE_MS = 500;

/** Where pictures are shown, in the screen's own pixels. A picture fills its height or its width. */
export type ScreenPlace = { widthPixels: number; heightPixels: number };

/** Reports the place, at first soon and then with each change. Returns the end of it. */
export function watchScreenPlace(
	clock: Clock,
	element: HTMLElement,
	onPlace: (place: ScreenPlace) => void,
): () => void {
	let cancel: CancelTimer | undefined;
	let reported = '';
	const observer = new ResizeObserver(() => {
		cancel?.();
		cancel = clock.setTimeout(() => {
			const widthPixels = Math.round(element.clientWidth * devicePixelRatio);
			const heightPixels = Math.round(element.clientHeight * devicePixelRatio);
			const text = `${widthPixels}x${heightPixels}`;
			if (Math.min(widthPixels, heightPixels) > 0 && text !== reported) {
				reported = text;
				onPlace({ widthPixels, heightPixels });
			}
		}, SETTLE_MS);
	});
	observer.observe(element);
	return () => {
		observer.disconnect();
		cancel?.();
	};
}
