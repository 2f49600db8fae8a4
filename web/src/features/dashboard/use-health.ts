/** The health of a broadcast for its owner, polled every two seconds, with ten minutes of latency samples. */
import { onBeforeUnmount, ref, shallowRef } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import { addSample, type LatencySample } from './latency-chart.ts';
import type { ChannelHealth } from '../../../../core/protocol/api/channel-health.ts';
import { fetchHealth } from '../../api/own-channel-api.ts';
import { ApiError } from '../../api/request.ts';

const REFRESH_MS = 2000;

export function useHealth(channelId: string) {
	const health = shallowRef<ChannelHealth>();
	const samples = shallowRef<readonly LatencySample[]>([]);
	/** The latest request failed: the figures are old. */
	const problem = ref<string>();
	const abort = new AbortController();
	const timer = new Timer(systemClock, () => void ask());
	let isAsking = false;

	async function ask(): Promise<void> {
		timer.disarm();
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
				timer.arm(REFRESH_MS);
			}
		}
	}

	void ask();
	onBeforeUnmount(() => {
		abort.abort();
		timer.disarm();
	});
	return { health, samples, problem, askNow: () => void ask() };
}
