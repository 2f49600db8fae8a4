/** What one worker does for viewers: CPU time, Consumers, bits per second. Reads only; budgets are set elsewhere. */
import type { WebRtcTransport, Worker } from 'mediasoup/types';

/** One reading of one worker. */
export type WorkerLoad = {
	/** Place in the pool. */
	index: number;
	/** A new one at the same place is another process, whose CPU time began at 0. */
	pid: number;
	/** User and system time since the process started, milliseconds; all its threads. */
	cpuTimeMs: number;
	/** Consumers on connected WebRTC transports: not those of pipes and taps, nor of offers alone. */
	viewerConsumerCount: number;
	/** What those transports send, retransmissions included: the mean of a sample times their number. */
	viewerBitrateBps: number;
};

/** Transports whose rate is read with each reading, in turns; each is a request to the worker. */
const SAMPLED_TRANSPORTS = 8;

export class WorkerLoadProbe {
	readonly #worker: Worker;
	readonly #consumerCounts = new Map<WebRtcTransport, number>();
	#turn = 0;

	constructor(worker: Worker) {
		this.#worker = worker;
		worker.observer.on('newrouter', (router) => {
			router.observer.on('newtransport', (transport) => {
				if (transport.type === 'webrtc') {
					this.#watch(transport as WebRtcTransport);
				}
			});
		});
	}

	/** Rejects when the worker is gone. */
	async read(): Promise<Omit<WorkerLoad, 'index'>> {
		const usage = await this.#worker.getResourceUsage();
		return {
			pid: this.#worker.pid,
			cpuTimeMs: usage.ru_utime + usage.ru_stime,
			viewerConsumerCount: this.#connected().reduce((sum, [, count]) => sum + count, 0),
			viewerBitrateBps: await this.#readBitrateBps(),
		};
	}

	#connected(): [WebRtcTransport, number][] {
		return [...this.#consumerCounts].filter(([transport]) => transport.dtlsState === 'connected');
	}

	#watch(transport: WebRtcTransport): void {
		const add = (change: number): void => {
			const count = (this.#consumerCounts.get(transport) ?? 0) + change;
			if (count > 0) {
				this.#consumerCounts.set(transport, count);
			} else {
				this.#consumerCounts.delete(transport);
			}
		};
		transport.observer.on('newconsumer', (consumer) => {
			add(1);
			consumer.observer.once('close', () => add(-1));
		});
	}

	async #readBitrateBps(): Promise<number> {
		const transports = this.#connected().map(([transport]) => transport);
		const sampleCount = Math.min(SAMPLED_TRANSPORTS, transports.length);
		const sample = Array.from(
			{ length: sampleCount },
			(_, offset) => transports[(this.#turn + offset) % transports.length]!,
		);
		this.#turn = transports.length === 0 ? 0 : (this.#turn + sampleCount) % transports.length;
		const reports = await Promise.allSettled(sample.map((transport) => transport.getStats()));
		// A viewer may leave meanwhile.
		const rates = reports.flatMap((report) => (report.status === 'fulfilled' ? [report.value[0]!.sendBitrate] : []));
		const sum = rates.reduce((total, rate) => total + rate, 0);
		return rates.length === 0 ? 0 : (sum / rates.length) * transports.length;
	}
}
