/** Event emitter whose event map is its documentation. Code must not depend on the order of listeners. */
import type { Logger } from '../logger.ts';

type Listener<Args extends unknown[]> = (...args: Args) => void;

/** Options of {@link TypedEmitter.on}. */
export type ListenOptions = { once?: boolean; signal?: AbortSignal };

/** Base of everything that reports by events: `class Rendition extends TypedEmitter<RenditionEvents>`. */
export class TypedEmitter<Events extends Record<string, unknown[]>> {
	/** No array is changed in place: while it is called, a listener may add or remove listeners. */
	readonly #listeners = new Map<keyof Events, ReadonlyArray<Listener<never>>>();
	/** Where a throwing listener is reported. Without a logger its error becomes uncaught, so that tests fail. */
	readonly #listenerErrorLogger: Logger | undefined;

	constructor(listenerErrorLogger?: Logger) {
		this.#listenerErrorLogger = listenerErrorLogger;
	}

	/** Adds a listener and returns the function that removes it. */
	on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>, options: ListenOptions = {}): () => void {
		if (options.signal?.aborted) {
			return () => undefined;
		}
		const entry: Listener<Events[Name]> = options.once
			? (...args) => {
					remove();
					listener(...args);
				}
			: listener;
		let isRemoved = false;
		const remove = (): void => {
			if (!isRemoved) {
				isRemoved = true;
				this.#remove(name, entry as Listener<never>);
				options.signal?.removeEventListener('abort', remove);
			}
		};
		this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), entry as Listener<never>]);
		options.signal?.addEventListener('abort', remove, { once: true });
		return remove;
	}

	/** Calls every listener, also after one that throws. */
	protected emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
		const listeners = this.#listeners.get(name);
		if (listeners === undefined) {
			return;
		}
		for (const listener of listeners) {
			try {
				(listener as Listener<Events[Name]>)(...args);
			} catch (error) {
				if (this.#listenerErrorLogger === undefined) {
					queueMicrotask(() => {
						throw error;
					});
				} else {
					this.#listenerErrorLogger.error({ err: error, event: String(name) }, 'an event listener failed');
				}
			}
		}
	}

	#remove(name: keyof Events, entry: Listener<never>): void {
		const listeners = this.#listeners.get(name)!;
		this.#listeners.set(name, listeners.toSpliced(listeners.indexOf(entry), 1));
	}
}
