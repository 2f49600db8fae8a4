/** Loads pictures one at a time: what is wanted now comes first, what may be wanted next after it. */

/** Of a file, in its own pixels. */
export type PictureFile = {
	widthPixels: number;
	heightPixels: number;
	/** Held, so that the browser keeps the picture at hand. */
	image?: HTMLImageElement;
};
/** Pictures whose bytes the browser is asked to keep. @internal for tests */
export const MAX_KEPT = 64;
/** Those that failed are not tried again, but for the oldest beyond this. */
const MAX_FAILED = 64;

export class PictureQueue {
	readonly #load: (url: string) => Promise<PictureFile>;
	readonly #onLoaded: () => void;
	readonly #loaded = new Map<string, PictureFile>();
	readonly #failed = new Set<string>();
	#wanted: readonly string[] = [];
	#isLoading = false;

	/** `load` rejects for what cannot be loaded. */
	constructor(load: (url: string) => Promise<PictureFile>, onLoaded: () => void) {
		this.#load = load;
		this.#onLoaded = onLoaded;
	}

	/** Undefined until it is loaded. */
	picture(url: string): PictureFile | undefined {
		return this.#loaded.get(url);
	}

	/** Instead of what was wanted before: the first one most. */
	want(urls: readonly string[]): void {
		this.#wanted = urls;
		for (const url of urls) {
			const picture = this.#loaded.get(url);
			if (picture !== undefined) {
				// Again the newest.
				this.#loaded.delete(url);
				this.#loaded.set(url, picture);
			}
		}
		void this.#work();
	}

	async #work(): Promise<void> {
		if (this.#isLoading) {
			return;
		}
		this.#isLoading = true;
		for (let url = this.#next(); url !== undefined; url = this.#next()) {
			try {
				const picture = await this.#load(url);
				this.#loaded.set(url, picture);
				forgetOldest(this.#loaded, MAX_KEPT);
				this.#onLoaded();
			} catch {
				this.#failed.add(url);
				forgetOldest(this.#failed, MAX_FAILED);
			}
		}
		this.#isLoading = false;
	}

	#next(): string | undefined {
		return this.#wanted.find((url) => !this.#loaded.has(url) && !this.#failed.has(url));
	}
}

function forgetOldest(kept: Map<string, unknown> | Set<string>, most: number): void {
	if (kept.size > most) {
		kept.delete(kept.keys().next().value!);
	}
}
