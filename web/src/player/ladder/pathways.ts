/**
 * Content steering (draft-pantos-hls-rfc8216bis §7) below the ladder: several CDNs, the pathways, have the same media.
 * The ladder has the addresses of the first one. Here a request goes to the one that the steering manifest puts first,
 * and to the next one when it fails.
 */
import type { CancelTimer, Clock } from '../../../../core/lifecycle/clock.ts';
import { HttpStatusError, type HttpAnswer, type HttpRequest } from './http-request.ts';

/** A CDN, and what the addresses of its media begin with. */
export type Pathway = { id: string; base: string };

/** Of a multivariant playlist: address of the manifest, and the pathways; the ladder's addresses are of the first. */
export type Steering = { url: string; pathways: readonly Pathway[] };

/** No server holds a request of media for so long. */
const SILENCE_MS = 4000;
/** §7.2: "If TTL is not present, … 300 seconds"; a server that asks for less than the least has a mistake. */
const DEFAULT_TTL_SECONDS = 300;
const LEAST_TTL_SECONDS = 10;

type Manifest = { TTL?: unknown; 'RELOAD-URI'?: unknown; 'PATHWAY-PRIORITY'?: unknown };

export class Pathways {
	readonly #deps: { clock: Clock; request: HttpRequest };
	readonly #pathways: readonly Pathway[];
	readonly #abort = new AbortController();
	/** Ids, the best first; one that has failed is last. */
	#order: readonly string[];
	/** Failed since the last manifest, which may not know it. */
	readonly #failed = new Set<string>();
	#cancelReload: CancelTimer = () => undefined;

	/** `steering`: undefined for a channel without CDNs. */
	constructor(deps: { clock: Clock; request: HttpRequest }, steering: Steering | undefined) {
		this.#deps = deps;
		this.#pathways = steering?.pathways ?? [];
		this.#order = this.#pathways.map(({ id }) => id);
		if (steering !== undefined && this.#pathways.length > 1) {
			void this.#follow(steering.url);
		}
	}

	/** As the given request, with the ladder's addresses also in the answers. */
	readonly request: HttpRequest = async (url, options) => {
		const first = this.#pathways[0];
		if (first === undefined || !url.startsWith(first.base)) {
			return this.#deps.request(url, options);
		}
		const path = url.slice(first.base.length);
		const tried = new Set<string>();
		for (;;) {
			const pathway = this.#best(tried);
			try {
				const answer = await this.#requestOrGiveUp(pathway.base + path, options);
				return { ...answer, url };
			} catch (error) {
				if (options.signal.aborted || !isOfPathway(error)) {
					throw error;
				}
				tried.add(pathway.id);
				this.#fail(pathway.id);
				if (tried.size === this.#pathways.length) {
					throw error;
				}
			}
		}
	};

	/** Asks for no more manifests. */
	close(): void {
		this.#abort.abort();
		this.#cancelReload();
	}

	#best(tried: ReadonlySet<string>): Pathway {
		const id = this.#order.find((candidate) => !tried.has(candidate)) ?? this.#order[0];
		return this.#pathways.find((pathway) => pathway.id === id) ?? this.#pathways[0]!;
	}

	#fail(id: string): void {
		this.#failed.add(id);
		this.#order = [...this.#order.filter((other) => other !== id), id];
	}

	/** Also rejects when nothing comes for too long. */
	async #requestOrGiveUp(url: string, options: Parameters<HttpRequest>[1]): Promise<HttpAnswer> {
		const silent = new AbortController();
		const cancel = this.#deps.clock.setTimeout(() => silent.abort(new SilenceError()), SILENCE_MS);
		try {
			return await this.#deps.request(url, {
				...options,
				signal: AbortSignal.any([options.signal, silent.signal]),
				onProgress: (progress) => {
					if (progress.firstByteAtMs !== undefined) {
						cancel();
					}
					options.onProgress?.(progress);
				},
			});
		} finally {
			cancel();
		}
	}

	async #follow(url: string): Promise<void> {
		let next = url;
		let ttlSeconds = DEFAULT_TTL_SECONDS;
		try {
			const answer = await this.#deps.request(url, { signal: this.#abort.signal });
			const manifest = JSON.parse(new TextDecoder().decode(answer.bytes)) as Manifest;
			this.#apply(manifest['PATHWAY-PRIORITY']);
			ttlSeconds = Math.max(LEAST_TTL_SECONDS, Number(manifest.TTL) || DEFAULT_TTL_SECONDS);
			next = new URL(String(manifest['RELOAD-URI'] ?? ''), url).href;
		} catch {
			// The present order stays; the manifest is asked for again.
		}
		if (!this.#abort.signal.aborted) {
			this.#cancelReload = this.#deps.clock.setTimeout(() => void this.#follow(next), ttlSeconds * 1000);
		}
	}

	#apply(priority: unknown): void {
		const known = new Set(this.#pathways.map(({ id }) => id));
		const listed = (Array.isArray(priority) ? priority : []).map(String).filter((id) => known.has(id));
		const order = [...new Set([...listed, ...known])];
		// One that failed a moment ago stays last until the next manifest.
		this.#order = [...order.filter((id) => !this.#failed.has(id)), ...order.filter((id) => this.#failed.has(id))];
		this.#failed.clear();
	}
}

class SilenceError extends Error {
	override readonly name = 'SilenceError';
}

/** Another pathway may answer: no answer, or a failure of the server. A 404 is the same everywhere. */
function isOfPathway(error: unknown): boolean {
	return !(error instanceof HttpStatusError) || error.status >= 500;
}
