/** Where this browser stopped in each video; of a bounded number of videos. Without storage, nothing. */

const STORAGE_KEY = 'spillway.resume';
const MAX_VIDEOS = 50;
/** So near to the start, or to the end of a complete video, nothing is worth to be continued. */
const START_SECONDS = 10;
const END_SECONDS = 15;
/** As a part of the length, for long videos whose last minutes are a farewell. */
const END_SHARE = 0.03;

/** The newest first. */
type Entry = readonly [video: string, seconds: number];

type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem'>;

export class ResumeMemory {
	readonly #storage: () => Storage;

	/** `storage`: throws where storage is off. */
	constructor(storage: () => Storage = () => localStorage) {
		this.#storage = storage;
	}

	/** Undefined where the video begins at its start. */
	read(video: string): number | undefined {
		return this.#read().find(([id]) => id === video)?.[1];
	}

	/** `endSeconds`: of a complete video; undefined while it grows. */
	note(video: string, seconds: number, endSeconds: number | undefined): void {
		const others = this.#read().filter(([id]) => id !== video);
		const isAtEnd = endSeconds !== undefined && seconds > endSeconds - Math.max(END_SECONDS, endSeconds * END_SHARE);
		const entry: Entry = [video, Math.floor(seconds)];
		const entries = seconds < START_SECONDS || isAtEnd ? others : [entry, ...others].slice(0, MAX_VIDEOS);
		try {
			this.#storage().setItem(STORAGE_KEY, JSON.stringify(entries));
		} catch {
			// Storage is off, or full.
		}
	}

	#read(): readonly Entry[] {
		try {
			const stored: unknown = JSON.parse(this.#storage().getItem(STORAGE_KEY) ?? '[]');
			return Array.isArray(stored) ? stored.filter(isEntry).slice(0, MAX_VIDEOS) : [];
		} catch {
			// Storage is off, or holds another format.
			return [];
		}
	}
}

function isEntry(value: unknown): value is Entry {
	return (
		Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number' && Number.isFinite(value[1])
	);
}
