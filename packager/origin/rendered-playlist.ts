/** The bytes of a rendition's playlist, made once per version and shared by everyone who asks. */
import { gzipSync } from 'node:zlib';

/** One body, plain and compressed. */
export type RenderedBody = { plain: Buffer; gzip: () => Buffer };

/** What is rendered. */
export interface PlaylistSource {
	/** Changes whenever the text would. */
	readonly version: number;
}

/** Keeps the newest full and delta body of one rendition. */
export class RenderedPlaylist {
	readonly #source: PlaylistSource;
	readonly #format: (isDelta: boolean) => string;
	#version = -1;
	#full: RenderedBody | undefined;
	#delta: RenderedBody | undefined;
	#renderCount = 0;
	#gzipCount = 0;

	constructor(source: PlaylistSource, format: (isDelta: boolean) => string) {
		this.#source = source;
		this.#format = format;
	}

	/** Texts written and bodies compressed so far: at most one each per version and kind. */
	get counts(): { renderCount: number; gzipCount: number } {
		return { renderCount: this.#renderCount, gzipCount: this.#gzipCount };
	}

	/** The body of the present version. */
	body(isDelta: boolean): RenderedBody {
		if (this.#version !== this.#source.version) {
			this.#version = this.#source.version;
			this.#full = undefined;
			this.#delta = undefined;
		}
		return isDelta ? (this.#delta ??= this.#render(true)) : (this.#full ??= this.#render(false));
	}

	#render(isDelta: boolean): RenderedBody {
		this.#renderCount++;
		const plain = Buffer.from(this.#format(isDelta));
		let compressed: Buffer | undefined;
		return {
			plain,
			gzip: () => {
				if (compressed === undefined) {
					this.#gzipCount++;
					// Some 50 µs for a playlist: handing it to a thread would cost more than it takes, and every waiter would wait.
					compressed = gzipSync(plain);
				}
				return compressed;
			},
		};
	}
}
