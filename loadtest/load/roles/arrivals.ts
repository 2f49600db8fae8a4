/** Starts viewers at their times and records how late each one starts. */
import type { CancelTimer } from '../../../core/lifecycle/clock.ts';
import type { RoleContext } from './role.ts';

/** Calls `arrive(index)` at each of the config's arrival times. The returned function cancels the remaining ones. */
export function scheduleArrivals(context: RoleContext, arrive: (index: number) => void): () => void {
	const { clock, config, figures } = context;
	const startedAtMs = clock.monotonicMs();
	let cancel: CancelTimer = () => undefined;
	let next = 0;
	const step = (): void => {
		for (; next < config.arrivalsMs.length; next++) {
			const lateMs = clock.monotonicMs() - startedAtMs - config.arrivalsMs[next]!;
			if (lateMs < 0) {
				cancel = clock.setTimeout(step, -lateMs);
				return;
			}
			figures.sample(`self.${config.processName}.startLate`, lateMs);
			arrive(next);
		}
	};
	step();
	return () => cancel();
}
