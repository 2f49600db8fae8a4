/** A temporary file that takes the media of a clip while it is put together, so that memory does not. */
import { open, type FileHandle } from 'node:fs/promises';
import { SpillwayError } from '../../core/errors/errors.ts';

/** Bytes in a file. */
export type Stored = { at: number; sizeBytes: number };

/** More than 90 s of any source that a broadcast may have. */
const MAX_BYTES = 2 ** 31;

/** Owns the file handle, not the file. */
export class Spool {
	readonly #file: FileHandle;
	#sizeBytes = 0;

	private constructor(file: FileHandle) {
		this.#file = file;
	}

	static async create(path: string): Promise<Spool> {
		return new Spool(await open(path, 'wx+'));
	}

	/** Calls may overlap. Throws CLIP_NOT_EXPORTED when it becomes too large. */
	async append(bytes: Uint8Array): Promise<Stored> {
		const stored = { at: this.#sizeBytes, sizeBytes: bytes.length };
		if (stored.at + bytes.length > MAX_BYTES) {
			throw new SpillwayError('CLIP_NOT_EXPORTED', [`it has more than ${MAX_BYTES} bytes of media`]);
		}
		this.#sizeBytes += bytes.length;
		for (let written = 0; written < bytes.length;) {
			const rest = bytes.length - written;
			written += (await this.#file.write(bytes, written, rest, stored.at + written)).bytesWritten;
		}
		return stored;
	}

	async read({ at, sizeBytes }: Stored): Promise<Buffer> {
		const bytes = Buffer.allocUnsafe(sizeBytes);
		for (let read = 0; read < sizeBytes;) {
			const { bytesRead } = await this.#file.read(bytes, read, sizeBytes - read, at + read);
			if (bytesRead === 0) {
				throw new RangeError('The spool has no such bytes.');
			}
			read += bytesRead;
		}
		return bytes;
	}

	close(): Promise<void> {
		return this.#file.close();
	}
}
