/** CPU and memory of a local server with all its children, from /proc. */
import { treeCpuSeconds, treeRssBytes } from '../bench/measure/process-cpu.ts';

/** Cores' worth of CPU between two calls, and memory now. The first call gives no CPU. */
export class ServerWatch {
	readonly #pid: number;
	#cpuSeconds: number | undefined;
	#atMs = 0;

	constructor(pid: number) {
		this.#pid = pid;
	}

	/** Values are absent where the system does not report them. */
	read(nowMs: number): { cores?: number; rssBytes?: number } {
		const cpuSeconds = treeCpuSeconds(this.#pid);
		const rssBytes = treeRssBytes(this.#pid);
		const before = this.#cpuSeconds;
		const cores =
			cpuSeconds === undefined || before === undefined || nowMs <= this.#atMs
				? undefined
				: Math.max(0, ((cpuSeconds - before) * 1000) / (nowMs - this.#atMs));
		[this.#cpuSeconds, this.#atMs] = [cpuSeconds, nowMs];
		return { ...(cores === undefined ? {} : { cores }), ...(rssBytes === undefined ? {} : { rssBytes }) };
	}
}
