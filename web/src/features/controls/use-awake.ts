/** Hides a player's controls after some seconds without a movement. */
import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';

const HIDE_AFTER_MS = 2600;

/** `isHideable`: a picture plays, and the viewer need not see the controls. */
export function useAwake(isHideable: () => boolean): {
	isIdle: Ref<boolean>;
	/** Shows the controls, and hides them later. */
	stayAwake: () => void;
	/** Hides them now, where they may be hidden. */
	rest: () => void;
} {
	const isIdle = ref(false);
	const rest = (): void => {
		isIdle.value = isHideable();
	};
	const timer = new Timer(systemClock, rest);
	function stayAwake(): void {
		isIdle.value = false;
		timer.arm(HIDE_AFTER_MS);
	}
	onMounted(stayAwake);
	onBeforeUnmount(timer.disarm);
	return { isIdle, stayAwake, rest };
}
