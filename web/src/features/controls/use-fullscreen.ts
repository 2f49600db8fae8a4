/** Shows a player's frame on the full screen. */
import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue';

/** `video`: on iPhones only the video element itself can fill the screen. */
export function useFullscreen(
	frame: Readonly<Ref<HTMLElement | null>>,
	video: () => HTMLVideoElement | undefined,
): { isFullscreen: Ref<boolean>; toggleFullscreen: () => void } {
	const isFullscreen = ref(false);
	const onChange = (): void => {
		isFullscreen.value = document.fullscreenElement !== null && document.fullscreenElement === frame.value;
	};
	function toggleFullscreen(): void {
		if (document.fullscreenElement !== null) {
			void document.exitFullscreen();
		} else if (frame.value?.requestFullscreen !== undefined) {
			frame.value.requestFullscreen().catch(() => undefined);
		} else {
			video()?.webkitEnterFullscreen?.();
		}
	}
	onMounted(() => document.addEventListener('fullscreenchange', onChange));
	onBeforeUnmount(() => document.removeEventListener('fullscreenchange', onChange));
	return { isFullscreen, toggleFullscreen };
}
