/** Caches with a bounded number of entries. */
import { LRUCache } from 'lru-cache';

/**
 * Beyond `maxEntries` the entry that was used longest ago is evicted. Memory grows with the entries. With lru-cache's
 * own `max` an empty cache for 100 000 keys takes 2.7 MB, and each garbage collection reads them.
 */
export function createLruCache<Key extends NonNullable<unknown>, Value extends NonNullable<unknown>>(
	maxEntries: number,
): LRUCache<Key, Value> {
	return new LRUCache({ maxSize: maxEntries, sizeCalculation: () => 1 });
}
