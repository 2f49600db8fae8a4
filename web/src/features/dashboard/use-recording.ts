/** A channel's recording, polled while its dashboard is open, and the owner's choice. */
import { onBeforeUnmount, ref, shallowRef } from 'vue';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import type { RecordingStatus } from '../../../../core/protocol/api/video.ts';
import { ApiError } from '../../api/request.ts';
import { changeRecording, fetchRecording } from '../../api/video-api.ts';
import type { RecordingChoice } from './recording-words.ts';
import { useAction } from './use-action.ts';

const REFRESH_MS = 10_000;

export type BoundRecording = ReturnType<typeof useRecording>;

export function useRecording(channelId: string) {
	/** Undefined until the first answer. */
	const status = shallowRef<RecordingStatus>();
	/** The latest request failed: the status may be old. */
	const problem = ref<string>();
	/** Chosen, and not confirmed yet. */
	const pending = ref<RecordingChoice>();
	const abort = new AbortController();
	const timer = new Timer(systemClock, () => void ask());

	async function ask(): Promise<void> {
		timer.disarm();
		try {
			const answer = await fetchRecording(channelId, abort.signal);
			// An answer from before the choice.
			if (pending.value === undefined) {
				status.value = answer;
			}
			problem.value = undefined;
		} catch (error) {
			problem.value = error instanceof ApiError ? error.message : 'The server sent a status that cannot be read.';
		}
		if (!abort.signal.aborted) {
			timer.arm(REFRESH_MS);
		}
	}

	const choosing = useAction(async (choice: RecordingChoice) => {
		pending.value = choice;
		try {
			status.value = await changeRecording(channelId, { choice: choice === 'account' ? null : choice === 'on' });
		} finally {
			pending.value = undefined;
		}
	});

	void ask();
	onBeforeUnmount(() => {
		abort.abort();
		timer.disarm();
	});
	return { status, problem, pending, choosing, choose: (choice: RecordingChoice) => choosing.run(choice), askNow: ask };
}
