/** The owner's view of their broadcast, asked for every two seconds while somebody looks, with ten minutes of latency. */
import { onBeforeUnmount, ref, shallowRef, type Ref } from 'vue';
import { systemClock, type CancelTimer } from '../../../../core/lifecycle/clock.ts';
import { addSample, type LatencySample } from './latency-chart.ts';
import { ApiError } from '../../signaling/channel-api.ts';
import { fetchHealth, type ChannelHealth } from '../../signaling/own-channel-api.ts';

const REFRESH_MS = 2000;

/** What the dashboard shows. */
export type HealthWatch = {
	health: Ref<ChannelHealth | undefined>;
	samples: Ref<readonly LatencySample[]>;
	/** The latest question brought no answer; figures are old. */
	problem: Ref<string | undefined>;
	askNow(): void;
};

/** Watches until the component goes. */
export function useHealth(channelId: string): HealthWatch {
	const health = shallowRef<ChannelHealth>();
	const samples = shallowRef<readonly LatencySample[]>([]);
	const problem = ref<string>();
	const abort = new AbortController();
	let cancel: CancelTimer | undefined;
	let isAsking = false;

	async function ask(): Promise<void> {
		cancel?.();
		if (isAsking || abort.signal.aborted) {
			return;
		}
		isAsking = true;
		try {
			const answer = await fetchHealth(channelId, abort.signal);
			health.value = answer;
			problem.value = undefined;
			const { webrtc, 'll-hls': llHls } = answer.audience.byTier;
			samples.value = addSample(samples.value, {
				atMs: systemClock.monotonicMs(),
				webrtc: webrtc.latencyMs,
				'll-hls': llHls.latencyMs,
			});
		} catch (error) {
			problem.value = error instanceof ApiError ? error.message : 'The server sent figures that cannot be read.';
		} finally {
			isAsking = false;
			if (!abort.signal.aborted) {
				cancel = systemClock.setTimeout(() => void ask(), REFRESH_MS);
			}
		}
	}

	void ask();
	onBeforeUnmount(() => {
		abort.abort();
		cancel?.();
	});
	return { health, samples, problem, askNow: () => void ask() };
}
