/** Detects that the process has no file descriptor left. Node then closes new connections silently. */
import { constants } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';

const CHECK_INTERVAL_MS = 2000;
const REPORT_INTERVAL_MS = 60_000;

type DescriptorWatchDependencies = { clock: Clock; logger: Logger; tryOpen?: () => Promise<void> };

export class DescriptorWatch {
	readonly #report: RateLimitedReport;
	readonly #cancel: () => void;
	#isExhausted = false;

	constructor({ clock, logger, tryOpen = openSomething }: DescriptorWatchDependencies) {
		this.#report = new RateLimitedReport(
			clock,
			logger,
			'there is no file descriptor left, so connections are lost: raise the limit (ulimit -n, LimitNOFILE)',
			REPORT_INTERVAL_MS,
		);
		this.#cancel = clock.setInterval(() => void this.#check(tryOpen), CHECK_INTERVAL_MS);
	}

	/** At the last check. */
	get isExhausted(): boolean {
		return this.#isExhausted;
	}

	get exhaustedCount(): number {
		return this.#report.total;
	}

	close(): void {
		this.#cancel();
	}

	async #check(tryOpen: () => Promise<void>): Promise<void> {
		try {
			await tryOpen();
			this.#isExhausted = false;
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			this.#isExhausted = code === 'EMFILE' || code === 'ENFILE';
			if (this.#isExhausted) {
				this.#report.count({ code });
			}
		}
	}
}

async function openSomething(): Promise<void> {
	await (await open('/dev/null', constants.O_RDONLY)).close();
}

/** Open descriptors and their limit; undefined where the system does not report them. */
export async function readDescriptors(): Promise<{ open: number; max: number } | undefined> {
	try {
		const [names, limits] = await Promise.all([readdir('/proc/self/fd'), readFile('/proc/self/limits', 'utf8')]);
		const max = Number(/^Max open files +(\d+)/m.exec(limits)?.[1]);
		return { open: names.length, max };
	} catch {
		// There is no /proc, or no descriptor left to read it.
		return undefined;
	}
}
