/** Entries of a journal that are not in the database yet, in a file: one line each, with a checksum. */
import { open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { parseJournalEntry, type JournalEntry } from './journal-entry.ts';

/** Appends only. Calls must not overlap; a write that fails or is cut short spoils its own line at most. */
export class JournalFile {
	readonly path: string;
	readonly #handle: FileHandle;
	/** The last line may lack its end. */
	#isTorn = false;

	private constructor(path: string, handle: FileHandle) {
		this.path = path;
		this.#handle = handle;
	}

	/** Creates the file when it is missing. */
	static async open(path: string): Promise<JournalFile> {
		const handle = await open(path, 'a', 0o600);
		return new JournalFile(path, handle);
	}

	/** Resolves when the lines are in the file, so that they survive the end of the process. */
	async append(entries: readonly JournalEntry[]): Promise<void> {
		const text = (this.#isTorn ? '\n' : '') + entries.map(formatLine).join('');
		this.#isTorn = true;
		await this.#handle.appendFile(text);
		this.#isTorn = false;
	}

	/** Drops all lines. */
	async clear(): Promise<void> {
		await this.#handle.truncate(0);
		this.#isTorn = false;
	}

	close(): Promise<void> {
		return this.#handle.close();
	}

	/** Closes and deletes it. */
	async remove(): Promise<void> {
		await this.close();
		await rm(this.path, { force: true });
	}
}

/** The whole entries of a file, and the count of lines that are broken: a torn last one, or spoilt ones. */
export async function readJournalFile(path: string): Promise<{ entries: JournalEntry[]; brokenCount: number }> {
	const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
	const entries = lines.map(parseLine).filter((entry) => entry !== undefined);
	return { entries, brokenCount: lines.length - entries.length };
}

function formatLine(entry: JournalEntry): string {
	const text = JSON.stringify(entry);
	return `${checksum(text)} ${text}\n`;
}

function parseLine(line: string): JournalEntry | undefined {
	const text = line.slice(9);
	return line.slice(0, 9) === `${checksum(text)} ` ? parseJournalEntry(text) : undefined;
}

function checksum(text: string): string {
	return crc32(text).toString(16).padStart(8, '0');
}
