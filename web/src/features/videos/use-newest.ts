/** A channel's videos or clips, newest first, with older ones on request. */
import { computed, onBeforeUnmount, ref, shallowRef } from 'vue';
import { ApiError } from '../../api/request.ts';
import { useAccount } from '../account/account-store.ts';

type Fetch<Item> = (
	/** `before`: id of an item; only older ones. */
	page: { limit: number; before?: string | undefined },
	signal: AbortSignal,
) => Promise<{ items: readonly Item[]; next: string | null }>;

/** Loads the first ones now. */
export function useNewest<Item extends { id: string }>(fetchPage: Fetch<Item>, limit: number) {
	/** Undefined until the first answer. */
	const items = shallowRef<readonly Item[]>();
	const next = ref<string | null>(null);
	const isBusy = ref(false);
	const isMissing = ref(false);
	/** Why the latest request failed. */
	const problem = ref<string>();
	const abort = new AbortController();

	async function load(before: string | undefined): Promise<void> {
		if (isBusy.value) {
			return;
		}
		isBusy.value = true;
		try {
			const answer = await fetchPage({ limit, before }, abort.signal);
			items.value = before === undefined ? answer.items : [...(items.value ?? []), ...answer.items];
			next.value = answer.next;
			problem.value = undefined;
		} catch (error) {
			if (!abort.signal.aborted) {
				isMissing.value = error instanceof ApiError && error.code === 'CHANNEL_NOT_FOUND';
				problem.value = error instanceof ApiError ? error.message : 'The server sent a list that cannot be read.';
			}
		} finally {
			isBusy.value = false;
		}
	}

	/** Loads the first ones again, and keeps older ones that are listed. A failure changes nothing. */
	async function refresh(): Promise<void> {
		if (isBusy.value || items.value === undefined) {
			return;
		}
		const before = items.value;
		const answer = await fetchPage({ limit }, abort.signal).catch(() => undefined);
		// Meanwhile older ones may have come, or one may have been deleted.
		if (answer !== undefined && items.value === before) {
			const place = before.findIndex(({ id }) => id === answer.items.at(-1)?.id);
			const older = place < 0 ? [] : before.slice(place + 1);
			items.value = [...answer.items, ...older];
			next.value = older.length === 0 ? answer.next : next.value;
		}
	}

	// Owners get more, and their log-in may have to be renewed first.
	void useAccount()
		.load()
		.then(() => load(undefined));
	onBeforeUnmount(() => abort.abort());
	return {
		items,
		hasOlder: computed(() => next.value !== null),
		isBusy,
		isMissing,
		problem,
		loadOlder: () => load(next.value ?? undefined),
		reload: () => load(undefined),
		refresh,
		replace(item: Item): void {
			items.value = items.value?.map((other) => (other.id === item.id ? item : other));
		},
		remove(id: string): void {
			items.value = items.value?.filter((other) => other.id !== id);
		},
	};
}
