/** Watches how high the player is on the screen, so that no larger picture is sent than it shows. */
import type { CancelTimer, Clock } from '../../../core/lifecycle/clock.ts';

/** While a viewer drags the window's border the size changes with each picture. */
const SETTLE_MS = 500;

/** Reports the height in the screen's own pixels, at first soon and then with each change. Returns the end of it. */
export function watchScreenHeight(
	clock: Clock,
	element: HTMLElement,
	onHeight: (heightPixels: number) => void,
): () => void {
	let cancel: CancelTimer | undefined;
	let reported = 0;
	const observer = new ResizeObserver(() => {
		cancel?.();
		cancel = clock.setTimeout(() => {
			const height = Math.round(element.clientHeight * devicePixelRatio);
			if (height > 0 && height !== reported) {
				reported = height;
				onHeight(height);
			}
		}, SETTLE_MS);
	});
	observer.observe(element);
	return () => {
		observer.disconnect();
		cancel?.();
	};
}
