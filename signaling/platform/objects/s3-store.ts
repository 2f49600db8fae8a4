/** Objects in one bucket of any service that speaks S3. Single PUTs, path-style addresses, signature version 4. */
import { createHash } from 'node:crypto';
import { SpillwayError } from '../../../core/errors/errors.ts';
import {
	isObjectName,
	type ByteRange,
	type ObjectStore,
	type StoredObject,
} from '../../../packager/store/object-store.ts';
import { assertByteRange, assertObjectName, assertPrefix, storeUnavailable } from './object-work.ts';
import { S3Connection, type S3ConnectionDependencies, type S3Options } from './s3-connection.ts';
import { readTag, readTags, S3Failure } from './s3-failure.ts';

/** S3 API reference, DeleteObjects: "You can specify up to 1000 object keys". */
const DELETE_AT_ONCE = 1000;

/** Requests that delete or copy one object each. */
const PARALLEL_REQUESTS = 8;

/** A presigned address outlives a change of who may watch by this long. */
const MAX_PRESIGN_SECONDS = 300;

/** Services refuse positions above 2^63 and some above 2^53; nothing single is that long. */
const MAX_RANGE_BYTE = 2 ** 48;

/** For presigned addresses, whose answers the server cannot correct. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
	mp4: 'video/mp4',
	m4s: 'video/iso.segment',
	jpg: 'image/jpeg',
	webp: 'image/webp',
	vtt: 'text/vtt; charset=utf-8',
	json: 'application/json',
};

export class S3Store implements ObjectStore {
	readonly #options: S3Options;
	readonly #connection: S3Connection;
	#canDeleteMany = true;

	constructor(deps: S3ConnectionDependencies, options: S3Options) {
		this.#options = options;
		this.#connection = new S3Connection(deps, options);
	}

	/** Throws as every method does when the service cannot be used, so that an operator sees it before a broadcast. */
	async checkAccess(): Promise<void> {
		await this.#listPage('', undefined, 1);
	}

	async put(name: string, bytes: Uint8Array): Promise<void> {
		assertObjectName(name);
		await this.#connection.send({
			method: 'PUT',
			key: name,
			body: bytes,
			headers: { 'content-type': contentTypeOf(name), 'content-md5': md5(bytes) },
			accepts: [200, 201, 204],
		});
	}

	async get(name: string, range?: ByteRange): Promise<StoredObject> {
		assertObjectName(name);
		assertByteRange(range);
		if (range !== undefined && range.startByte === range.endByte) {
			return { bytes: new Uint8Array(0), totalBytes: await this.#readTotalBytes(name) };
		}
		const headers = range === undefined ? {} : { range: formatRange(range) };
		const answer = await this.#connection.send({ method: 'GET', key: name, headers, accepts: [200, 206, 416, 404] });
		if (answer.status === 404) {
			throw notFound(name);
		}
		// RFC 9110 §14.4: "bytes 0-99/1234", and with 416 "bytes */1234".
		const [, position, total] = /^bytes (\*|\d+)(?:-\d+)?\/(\d+)$/.exec(String(answer.headers['content-range'])) ?? [];
		if (answer.status === 416) {
			const totalBytes = total === undefined ? await this.#readTotalBytes(name) : Number(total);
			return { bytes: new Uint8Array(0), totalBytes };
		}
		if (answer.status === 200) {
			return cut(answer.body, range);
		}
		if (range === undefined || total === undefined || Number(position) !== range.startByte) {
			throw storeUnavailable(`the S3 service answered with another range (${String(answer.headers['content-range'])})`);
		}
		return { bytes: answer.body, totalBytes: Number(total) };
	}

	async *list(prefix: string): AsyncGenerator<string> {
		assertPrefix(prefix);
		let continuation: string | undefined;
		do {
			const page = await this.#listPage(prefix, continuation, 1000);
			// Others may keep files in the bucket that cannot be ours.
			yield* page.names.filter(isObjectName);
			if (page.continuation !== undefined && page.continuation === continuation) {
				throw storeUnavailable('the S3 service answers with the same page of a list again');
			}
			continuation = page.continuation;
		} while (continuation !== undefined);
	}

	async delete(names: readonly string[]): Promise<void> {
		names.forEach(assertObjectName);
		for (let start = 0; start < names.length; start += DELETE_AT_ONCE) {
			await this.#deleteSome(names.slice(start, start + DELETE_AT_ONCE));
		}
	}

	async presign(name: string, seconds: number): Promise<string | undefined> {
		await Promise.resolve();
		this.#connection.assertOpen();
		assertObjectName(name);
		if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_PRESIGN_SECONDS) {
			throw new TypeError(`An address is signed for 1 to ${MAX_PRESIGN_SECONDS} s, not for ${seconds} s.`);
		}
		const { publicEndpoint } = this.#options;
		return publicEndpoint === undefined ? undefined : this.#connection.presign(publicEndpoint, name, seconds);
	}

	/**
	 * By copying each object onto itself: S3 API reference, CopyObject, "you can use the x-amz-storage-class header to
	 * change the storage class of an object that is already stored".
	 */
	async changeStorageClass(names: readonly string[], storageClass: string): Promise<void> {
		names.forEach(assertObjectName);
		const { bucket, prefix } = this.#options;
		await this.#inLanes(names, async (name) => {
			const key = prefix === '' ? name : `${prefix}/${name}`;
			const headers = {
				'x-amz-copy-source': `/${bucket}/${key}`,
				'x-amz-storage-class': storageClass,
				// SeaweedFS 4.48 refuses a copy onto itself that replaces nothing else.
				'x-amz-metadata-directive': 'REPLACE',
				'content-type': contentTypeOf(name),
			};
			const answer = await this.#connection.send({ method: 'PUT', key: name, headers, accepts: [200, 404] });
			// A copy that fails midway is answered with 200 and an error.
			const code = answer.status === 200 ? readTag(answer.body, 'Code') : undefined;
			if (code !== undefined) {
				throw storeUnavailable(`the S3 service cannot move an object into ${storageClass} (${code})`);
			}
		});
	}

	close(): Promise<void> {
		return this.#connection.close();
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	async #readTotalBytes(name: string): Promise<number> {
		const { status, headers } = await this.#connection.send({ method: 'HEAD', key: name, accepts: [200, 404] });
		if (status === 404) {
			throw notFound(name);
		}
		return Number(headers['content-length']);
	}

	async #listPage(
		prefix: string,
		continuation: string | undefined,
		count: number,
	): Promise<{ names: string[]; continuation: string | undefined }> {
		const start = this.#options.prefix === '' ? '' : `${this.#options.prefix}/`;
		const query = {
			'list-type': '2',
			'max-keys': String(count),
			prefix: start + prefix,
			...(continuation === undefined ? {} : { 'continuation-token': continuation }),
		};
		const { body } = await this.#connection.send({ method: 'GET', key: '', query, accepts: [200] });
		const xml = Buffer.from(body).toString();
		return {
			names: readTags(xml, 'Key')
				.filter((key) => key.startsWith(start))
				.map((key) => key.slice(start.length)),
			continuation: readTags(xml, 'IsTruncated')[0] === 'true' ? readTags(xml, 'NextContinuationToken')[0] : undefined,
		};
	}

	async #deleteSome(names: readonly string[]): Promise<void> {
		if (this.#canDeleteMany && names.length > 1) {
			try {
				return await this.#deleteAtOnce(names);
			} catch (error) {
				if (!isUnknownRequest(error)) {
					throw error;
				}
				this.#canDeleteMany = false;
			}
		}
		await this.#inLanes(names, async (name) => {
			await this.#connection.send({ method: 'DELETE', key: name, accepts: [200, 204, 404] });
		});
	}

	async #inLanes(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
		const waiting = [...names];
		const lanes = Array.from({ length: Math.min(PARALLEL_REQUESTS, waiting.length) }, async () => {
			for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
				await work(name);
			}
		});
		await Promise.all(lanes);
	}

	async #deleteAtOnce(names: readonly string[]): Promise<void> {
		const { prefix } = this.#options;
		const objects = names.map((name) => `<Object><Key>${prefix === '' ? name : `${prefix}/${name}`}</Key></Object>`);
		const body = Buffer.from(
			`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>${objects.join('')}</Delete>`,
		);
		const headers = { 'content-type': 'application/xml', 'content-md5': md5(body) };
		const query = { delete: '' };
		const answer = await this.#connection.send({ method: 'POST', key: '', query, headers, body, accepts: [200] });
		// Missing objects are no errors.
		const codes = readTags(Buffer.from(answer.body).toString(), 'Code').filter((code) => code !== 'NoSuchKey');
		if (codes.length > 0) {
			throw storeUnavailable(`the S3 service refuses to delete ${codes.length} objects (${codes[0]})`);
		}
	}
}

/** Of a service without DeleteObjects. */
function isUnknownRequest(error: unknown): boolean {
	const failure = error instanceof SpillwayError ? error.cause : undefined;
	return failure instanceof S3Failure && failure.kind === 'unexpected-answer' && !failure.isBrief;
}

function contentTypeOf(name: string): string {
	return CONTENT_TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
}

/**
 * RFC 1864. Of all checksums the one that every service compares with what arrives; so none stores a damaged object or
 * half of one, and DeleteObjects requires a checksum anyway.
 */
function md5(bytes: Uint8Array): string {
	return createHash('md5').update(bytes).digest('base64');
}

function notFound(name: string): SpillwayError {
	return new SpillwayError('OBJECT_NOT_FOUND', [name]);
}

function formatRange({ startByte, endByte }: ByteRange): string {
	return endByte > MAX_RANGE_BYTE ? `bytes=${startByte}-` : `bytes=${startByte}-${endByte - 1}`;
}

/** For a service that ignores ranges. */
function cut(bytes: Uint8Array, range: ByteRange | undefined): StoredObject {
	return {
		bytes: range === undefined ? bytes : bytes.subarray(range.startByte, range.endByte),
		totalBytes: bytes.length,
	};
}
