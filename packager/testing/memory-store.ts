/** An object store in memory that can be away, full, or slow, for tests of what writes to it. */
import { SpillwayError } from '../../core/errors/errors.ts';
import { isObjectName, type ByteRange, type ObjectStore, type StoredObject } from '../store/object-store.ts';

export class MemoryStore implements ObjectStore {
	readonly objects = new Map<string, Uint8Array>();
	/** What the next puts throw; undefined: they succeed. */
	failure: 'OBJECT_STORE_UNAVAILABLE' | 'OBJECT_STORE_FULL' | undefined;
	/** Puts wait for it. */
	held: Promise<void> = Promise.resolve();

	async put(name: string, bytes: Uint8Array): Promise<void> {
		if (!isObjectName(name)) {
			throw new TypeError(`${name} is no name of an object`);
		}
		await this.held;
		if (this.failure !== undefined) {
			throw new SpillwayError(this.failure, ['it is a test']);
		}
		this.objects.set(name, bytes);
	}

	async get(name: string, { startByte, endByte }: Partial<ByteRange> = {}): Promise<StoredObject> {
		const bytes = this.objects.get(name);
		if (bytes === undefined) {
			throw new SpillwayError('OBJECT_NOT_FOUND', [name]);
		}
		return { bytes: bytes.subarray(startByte, endByte), totalBytes: bytes.length };
	}

	async *list(prefix: string): AsyncIterable<string> {
		yield* [...this.objects.keys()].filter((name) => name.startsWith(prefix));
	}

	async delete(names: readonly string[]): Promise<void> {
		names.forEach((name) => this.objects.delete(name));
	}

	async presign(): Promise<undefined> {
		return undefined;
	}

	async close(): Promise<void> {
		this.objects.clear();
	}
}
