/** A process and everything it has started, from /proc: CPU time and memory are what a path costs the server. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Linux counts process times in hundredths of a second, whatever its own tick is (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** Fields of /proc/PID/stat that are needed (proc_pid_stat(5)). */
type ProcessTimes = { parentPid: number; ticks: number; endedChildrenTicks: number };

/** Reads one /proc/PID/stat. The name, in parentheses, may itself hold spaces and parentheses. @internal for tests */
export function parseProcessTimes(stat: string): ProcessTimes | undefined {
	const fields = stat
		.slice(stat.lastIndexOf(')') + 2)
		.trim()
		.split(' ');
	const [parentPid, user, system, endedUser, endedSystem] = [1, 11, 12, 13, 14].map((index) => Number(fields[index]));
	if ([parentPid, user, system, endedUser, endedSystem].some((value) => !Number.isFinite(value))) {
		return undefined;
	}
	return { parentPid: parentPid!, ticks: user! + system!, endedChildrenTicks: endedUser! + endedSystem! };
}

/** Seconds of CPU of a process with all its descendants, ended ones included; undefined where /proc is missing. */
export function treeCpuSeconds(pid: number): number | undefined {
	const ticks = treeSum(pid, ({ ticks, endedChildrenTicks }) => ticks + endedChildrenTicks);
	return ticks === undefined ? undefined : ticks / TICKS_PER_SECOND;
}

/**
 * Resident memory of a process and all its descendants in bytes; shared pages count once per process. Undefined without
 * /proc.
 */
export function treeRssBytes(pid: number): number | undefined {
	return treeSum(pid, (_times, child) => rssBytes(child) ?? 0);
}

/** Resident memory of one process in bytes; undefined where it is not known. */
export function rssBytes(pid: number): number | undefined {
	try {
		// VmRSS of proc_pid_status(5). A kernel thread has none.
		const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
		return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
	} catch {
		// It has ended meanwhile, or this is not Linux.
		return undefined;
	}
}

/** Living children of a process, without their own; empty where /proc is missing. */
export function childProcesses(parentPid: number): Array<{ pid: number; name: string }> {
	const children: Array<{ pid: number; name: string }> = [];
	for (const entry of existsSync('/proc') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : []) {
		try {
			const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
			const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(stat)!;
			const [state, parent] = rest!.split(' ');
			if (Number(parent) === parentPid && state !== 'Z') {
				children.push({ pid: Number(entry), name: name! });
			}
		} catch {
			// It ended while we looked.
		}
	}
	return children;
}

function readTimes(pid: string): ProcessTimes | undefined {
	try {
		return parseProcessTimes(readFileSync(`/proc/${pid}/stat`, 'utf8'));
	} catch {
		// It has ended meanwhile.
		return undefined;
	}
}

function treeSum(root: number, read: (times: ProcessTimes, pid: number) => number): number | undefined {
	const processes = new Map<number, ProcessTimes>();
	for (const entry of existsSync('/proc') ? readdirSync('/proc') : []) {
		const times = /^\d+$/.test(entry) ? readTimes(entry) : undefined;
		if (times !== undefined) {
			processes.set(Number(entry), times);
		}
	}
	const sum = (pid: number): number => {
		let total = read(processes.get(pid)!, pid);
		for (const [child, { parentPid }] of processes) {
			total += parentPid === pid ? sum(child) : 0;
		}
		return total;
	};
	return processes.has(root) ? sum(root) : undefined;
}
