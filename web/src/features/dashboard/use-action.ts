/** A form's action: runs once at a time, and keeps its result for the page. */
import { ref } from 'vue';
import { ApiError } from '../../api/request.ts';

/** Wraps a request. A second run during the first does nothing. */
export function useAction<Arguments extends unknown[]>(perform: (...values: Arguments) => Promise<void>) {
	const isBusy = ref(false);
	/** Why the last run failed; undefined when it succeeded. */
	const problem = ref<string>();
	/** True after a run that succeeded, until the next one. */
	const isDone = ref(false);
	async function run(...values: Arguments): Promise<void> {
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
	}
	return { isBusy, problem, isDone, run };
}
