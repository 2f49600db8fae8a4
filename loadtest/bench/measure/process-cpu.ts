/** CPU time and memory of a process and its descendants, from /proc. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Linux counts process times in hundredths of a second, whatever its own tick is (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** Fields of /proc/PID/stat (proc_pid_stat(5)). */
type ProcessStat = { name: string; state: string; parentPid: number; ticks: number; endedChildrenTicks: number };

/** Reads one /proc/PID/stat. The name, in parentheses, may itself hold spaces and parentheses. @internal for tests */
export function parseProcessStat(stat: string): ProcessStat | undefined {
	const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(stat) ?? [];
	const fields = rest?.split(' ') ?? [];
	const numbers = [1, 11, 12, 13, 14].map((index) => Number(fields[index]));
	if (name === undefined || numbers.some((value) => !Number.isFinite(value))) {
		return undefined;
	}
	const [parentPid, user, system, endedUser, endedSystem] = numbers as [number, number, number, number, number];
	return { name, state: fields[0]!, parentPid, ticks: user + system, endedChildrenTicks: endedUser + endedSystem };
}

/** Seconds of CPU of a process and all its descendants, ended ones included; undefined where /proc is missing. */
export function treeCpuSeconds(pid: number | undefined): number | undefined {
	const ticks = treeSum(pid, ({ ticks, endedChildrenTicks }) => ticks + endedChildrenTicks);
	return ticks === undefined ? undefined : ticks / TICKS_PER_SECOND;
}

/** Resident bytes of a process and its descendants; shared pages count once per process. Undefined without /proc. */
export function treeRssBytes(pid: number): number | undefined {
	return treeSum(pid, (_stat, child) => rssBytes(child) ?? 0);
}

/** Resident memory of one process in bytes; undefined where it is not known. */
export function rssBytes(pid: number): number | undefined {
	// VmRSS of proc_pid_status(5). A kernel thread has none.
	return readKibibytes(readProcess(pid, 'status'), 'VmRSS');
}

// proc_pid_smaps_rollup(5), for processes of the same user.
function pssBytes(pid: number): number | undefined {
	return readKibibytes(readProcess(pid, 'smaps_rollup'), 'Pss');
}

/** One process now. Its CPU time includes that of its ended children. */
export type ProcessReading = {
	name: string;
	cpuSeconds: number;
	/** Its share of memory: a page that several processes have is divided among them. Undefined where it is unknown. */
	pssBytes: number | undefined;
};

/** A process and its descendants by process id, the process first; empty where /proc is missing. */
export function readProcessTree(root: number): Map<number, ProcessReading> {
	const processes = readProcesses();
	const readings = new Map<number, ProcessReading>();
	const add = (pid: number): void => {
		const { name, ticks, endedChildrenTicks } = processes.get(pid)!;
		const cpuSeconds = (ticks + endedChildrenTicks) / TICKS_PER_SECOND;
		readings.set(pid, { name, cpuSeconds, pssBytes: pssBytes(pid) });
		for (const [child, { parentPid }] of processes) {
			if (parentPid === pid) {
				add(child);
			}
		}
	};
	if (processes.has(root)) {
		add(root);
	}
	return readings;
}

/** Living children of a process, without their own; empty where /proc is missing. */
export function childProcesses(parentPid: number): Array<{ pid: number; name: string }> {
	return [...readProcesses()]
		.filter(([, stat]) => stat.parentPid === parentPid && stat.state !== 'Z')
		.map(([pid, { name }]) => ({ pid, name }));
}

function treeSum(root: number | undefined, read: (stat: ProcessStat, pid: number) => number): number | undefined {
	const processes = readProcesses();
	const sum = (pid: number): number => {
		let total = read(processes.get(pid)!, pid);
		for (const [child, { parentPid }] of processes) {
			total += parentPid === pid ? sum(child) : 0;
		}
		return total;
	};
	return root !== undefined && processes.has(root) ? sum(root) : undefined;
}

function readProcesses(): Map<number, ProcessStat> {
	const pids = existsSync('/proc') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [];
	const stats = pids.map((pid) => [Number(pid), parseProcessStat(readProcess(Number(pid), 'stat'))] as const);
	return new Map(stats.filter((entry): entry is [number, ProcessStat] => entry[1] !== undefined));
}

function readKibibytes(text: string, name: string): number | undefined {
	const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
	return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

function readProcess(pid: number, file: 'stat' | 'status' | 'smaps_rollup'): string {
	try {
		return readFileSync(`/proc/${pid}/${file}`, 'utf8');
	} catch {
		// It has ended, or this is not Linux.
		return '';
	}
}
