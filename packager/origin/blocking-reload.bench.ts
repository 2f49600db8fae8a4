/** 20 000 held requests that share the broadcast's signal: held, then released, aborted or checked. */
import { describe, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { BlockingReload, type WaitResult } from './blocking-reload.ts';

const WAITER_COUNT = 20_000;
/** Of two tracks, parts and whole segments. */
const KEY_COUNT = 16;

class Source {
	#listener: () => void = () => undefined;
	on(_name: 'advanced', listener: () => void): () => void {
		this.#listener = listener;
		return () => undefined;
	}
	advance(): void {
		this.#listener();
	}
}

function hold(): { source: Source; clients: AbortController[]; waits: Promise<WaitResult>[]; release: () => void } {
	const source = new Source();
	const reload = new BlockingReload({ source, clock: systemClock });
	const broadcast = new AbortController().signal;
	const clients = Array.from({ length: WAITER_COUNT }, () => new AbortController());
	let isReady = false;
	const waits = clients.map(({ signal }, index) =>
		reload.wait(() => isReady, 60_000, [signal, broadcast], index % KEY_COUNT),
	);
	return {
		source,
		clients,
		waits,
		release: () => {
			isReady = true;
			source.advance();
		},
	};
}

describe('BlockingReload', () => {
	it('holds 20 000 requests', async ({ bench }) => {
		await bench.compare(
			bench('held and released in one pass', async () => {
				const { waits, release } = hold();
				release();
				await Promise.all(waits);
			}),
			bench('held and aborted one after the other', async () => {
				const { waits, clients } = hold();
				for (const client of clients.toReversed()) {
					client.abort();
				}
				await Promise.all(waits);
			}),
			bench('checked five times while none is ready, then released', () => {
				const { source, release } = hold();
				for (let part = 0; part < 5; part++) {
					source.advance();
				}
				release();
			}),
		);
	});
});
