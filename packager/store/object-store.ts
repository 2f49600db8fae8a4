/** Where finished media lies for good: a folder, or a service that speaks S3. Not on the live path. */

/** Bytes from `startByte` up to, not including, `endByte`. */
export type ByteRange = { startByte: number; endByte: number };

export type StoredObject = {
	/** Of the range asked for, cut at the object's end. */
	bytes: Uint8Array;
	/** Of the whole object. */
	totalBytes: number;
};

/**
 * Objects by name. A name is written once and never reused, so its bytes never change; putting the same bytes again is
 * allowed, because a put may be repeated after a failure. What exists is known from the journal, never from a list.
 *
 * Every method throws OBJECT_STORE_UNAVAILABLE by its own deadline when the store does not answer or refuses the
 * server's credentials, SERVER_STOPPING after close(), and TypeError for a name that is not {@link isObjectName}. No
 * object's name may be the folder of another one.
 */
export interface ObjectStore {
	/** Readers see the whole object or none. Throws OBJECT_STORE_FULL when there is no room. */
	put(name: string, bytes: Uint8Array): Promise<void>;
	/** Throws OBJECT_NOT_FOUND; a range behind the end has no bytes. */
	get(name: string, range?: ByteRange): Promise<StoredObject>;
	/** Names that begin with `prefix`, which ends with a slash; for deleting and for people, not for decisions. */
	list(prefix: string): AsyncIterable<string>;
	/** Idempotent. */
	delete(names: readonly string[]): Promise<void>;
	/**
	 * An address at which anybody can fetch the object for so many seconds; undefined when the server has to send the
	 * bytes itself.
	 */
	presign(name: string, seconds: number): Promise<string | undefined>;
	/**
	 * Moves objects into another storage class of the service, which keeps their names and bytes; those that are missing
	 * are none of its business. Absent where there are no classes.
	 */
	changeStorageClass?(names: readonly string[], storageClass: string): Promise<void>;
	/** Gives up what runs. Idempotent. */
	close(): Promise<void>;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,7}$/;

/** Up to eight steps of letters, digits, points, hyphens and underscores; no step begins with a point. */
export function isObjectName(name: string): boolean {
	return NAME.test(name);
}
