/** CPU and memory of a local server with all its children, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import { parseProcessTimes, treeCpuSeconds } from '../bench/measure/process-cpu.ts';

/** Resident memory of a process and all its descendants in bytes; shared pages count once per process. Undefined without /proc. */
function treeRssBytes(pid: number): number | undefined {
	const processes = new Map<number, { parentPid: number; rssBytes: number }>();
	try {
		for (const entry of readdirSync('/proc')) {
			const found = /^\d+$/.test(entry) ? readProcess(entry) : undefined;
			if (found !== undefined) {
				processes.set(Number(entry), found);
			}
		}
	} catch {
		// Not Linux.
		return undefined;
	}
	const sum = (root: number): number => {
		let bytes = processes.get(root)?.rssBytes ?? 0;
		for (const [child, { parentPid }] of processes) {
			bytes += parentPid === root ? sum(child) : 0;
		}
		return bytes;
	};
	return processes.has(pid) ? sum(pid) : undefined;
}

/** VmRSS of /proc/PID/status (proc_pid_status(5)), in bytes; undefined for a kernel thread. */
function parseRssBytes(status: string): number | undefined {
	const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
	return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Cores' worth of CPU between two calls, and memory now. The first call gives no CPU. */
export class ServerWatch {
	readonly #pid: number;
	#cpuSeconds: number | undefined;
	#atMs = 0;

	constructor(pid: number) {
		this.#pid = pid;
	}

	/** Reads; absent is what the system does not tell. */
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

function readProcess(pid: string): { parentPid: number; rssBytes: number } | undefined {
	try {
		const parentPid = parseProcessTimes(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.parentPid;
		const rssBytes = parseRssBytes(readFileSync(`/proc/${pid}/status`, 'utf8'));
		return parentPid === undefined || rssBytes === undefined ? undefined : { parentPid, rssBytes };
	} catch {
		// It has ended meanwhile.
		return undefined;
	}
}
