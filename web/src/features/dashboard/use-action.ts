/** One thing that a form does: runs once at a time, and keeps what came of it for the page to show. */
import { ref, type Ref } from 'vue';
import { ApiError } from '../../api/request.ts';

type Action<Arguments extends unknown[]> = {
	isBusy: Ref<boolean>;
	/** The refusal in words; undefined when the last run went well. */
	problem: Ref<string | undefined>;
	/** True after a run that went well, until the next one. */
	isDone: Ref<boolean>;
	run(...values: Arguments): Promise<void>;
};

/** Wraps a request. A second run while the first is out does nothing. */
export function useAction<Arguments extends unknown[]>(
	perform: (...values: Arguments) => Promise<void>,
): Action<Arguments> {
	const isBusy = ref(false);
	const problem = ref<string>();
	const isDone = ref(false);
	return {
		isBusy,
		problem,
		isDone,
		async run(...values) {
			if (isBusy.value) {
				return;
			}
			isBusy.value = true;
			isDone.value = false;
			problem.value = undefined;
			try {
				await perform(...values);
				isDone.value = true;
			} catch (error) {
				problem.value = error instanceof ApiError ? error.message : 'That did not work. Try again in a moment.';
			} finally {
				isBusy.value = false;
			}
		},
	};
}
