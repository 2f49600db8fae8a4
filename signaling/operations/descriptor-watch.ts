/**
 * Notices that the process has no file descriptor left. Node then takes connections and closes them again without a
 * word to anybody, so that nothing else shows it.
 */
import { constants } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';

const CHECK_INTERVAL_MS = 2000;
/** While it lasts, one line says as much as many. */
const REPORT_INTERVAL_MS = 60_000;

/** Looks every two seconds. */
export class DescriptorWatch {
	readonly #tryOpen: () => Promise<void>;
	readonly #report: RateLimitedReport;
	readonly #cancel: () => void;
	#isExhausted = false;

	constructor(clock: Clock, logger: Logger, tryOpen = openSomething) {
		this.#tryOpen = tryOpen;
		this.#report = new RateLimitedReport(
			clock,
			logger,
			'there is no file descriptor left, so connections are lost: raise the limit (ulimit -n, LimitNOFILE)',
			REPORT_INTERVAL_MS,
		);
		this.#cancel = clock.setInterval(() => void this.#check(), CHECK_INTERVAL_MS);
	}

	/** At the last look. */
	get isExhausted(): boolean {
		return this.#isExhausted;
	}

	/** Looks that found none left. */
	get exhaustedCount(): number {
		return this.#report.total;
	}

	/** Looks no longer. */
	close(): void {
		this.#cancel();
	}

	async #check(): Promise<void> {
		try {
			await this.#tryOpen();
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

/** Descriptors that are open, and how many may be; undefined where the system does not tell. */
export async function readDescriptors(): Promise<{ open: number; max: number } | undefined> {
	try {
		const [names, limits] = await Promise.all([readdir('/proc/self/fd'), readFile('/proc/self/limits', 'utf8')]);
		const max = Number(/^Max open files +(\d+)/m.exec(limits)?.[1]);
		return { open: names.length, max };
	} catch {
		// No /proc, or no descriptor to read it by.
		return undefined;
	}
}
