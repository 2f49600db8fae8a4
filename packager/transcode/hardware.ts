/**
 * Which of FFmpeg's H.264 encoders is used: those that exist are tried with real pictures, the fastest one that works
 * is the first choice, and one that fails on the air is abandoned.
 */
import { type Clock, withDeadline } from '../../core/lifecycle/clock.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { H264_ENCODER_NAMES, type H264EncoderName } from '../../core/media/transcoder.ts';

/** libx264 needs no device: it is always there and always the last resort. */
const LAST_RESORT: H264EncoderName = 'libx264';
/** A process that ends before has not worked. A second one in a row is not a chance. */
const FIRST_SECONDS_MS = 5000;
const MAX_EARLY_FAILURES = 2;

/** One trial: pictures a second, or why the encoder cannot be used. */
type EncoderTrial = { name: H264EncoderName } & ({ framesPerSecond: number } | { problem: string });

/** For people: what is used, and why. */
export type EncoderReport = {
	name: H264EncoderName;
	/** Of 1280x720 in its trial; undefined before, or without one. */
	framesPerSecond: number | undefined;
	reason: string;
	tried: readonly EncoderTrial[];
};

/** `auto`: the fastest one that works. A name: that one where it works, else libx264. */
export type EncoderSetting = 'auto' | H264EncoderName;

type EncoderChoiceOptions = {
	setting: EncoderSetting;
	/** For all trials together; those that are left are not made. */
	trialsTimeoutMs: number;
};

type EncoderChoiceDependencies = {
	clock: Clock;
	logger: Logger;
	/** The encoders that this FFmpeg has. */
	list(): Promise<ReadonlySet<string>>;
	/** Encodes pictures and returns how many a second. Rejects when they are not as they must be; bounded in time. */
	tryEncoder(name: H264EncoderName): Promise<number>;
};

/** For all encoders of the server. Until the trials are over, libx264 is used. */
export class EncoderChoice {
	readonly #deps: EncoderChoiceDependencies;
	readonly #setting: EncoderSetting;
	readonly #trialsTimeoutMs: number;
	readonly #tried: EncoderTrial[] = [];
	/** Best first. */
	#ranking: readonly H264EncoderName[] = [LAST_RESORT];
	#reason: string;

	constructor(deps: EncoderChoiceDependencies, { setting, trialsTimeoutMs }: EncoderChoiceOptions) {
		this.#deps = deps;
		this.#setting = setting;
		this.#trialsTimeoutMs = trialsTimeoutMs;
		this.#reason = setting === LAST_RESORT ? 'it is configured' : 'the trials are not over';
	}

	/** Best first. The last is libx264. */
	get ranking(): readonly H264EncoderName[] {
		return this.#ranking;
	}

	get report(): EncoderReport {
		const name = this.#ranking[0]!;
		return { name, framesPerSecond: this.#speedOf(name), reason: this.#reason, tried: [...this.#tried] };
	}

	/** Tries what there is, one after the other, because they are measured. Call once. Never rejects. */
	async probe(): Promise<void> {
		if (this.#setting === LAST_RESORT) {
			return;
		}
		try {
			await this.#tryAll();
		} catch (error) {
			this.#reason = `FFmpeg does not list its encoders: ${errorMessage(error)}`;
			this.#deps.logger.warn(this.report, 'no encoder of a graphics card is used');
			return;
		}
		const wanted = this.#wanted().filter((name) => this.#speedOf(name) !== undefined);
		const ranking = wanted.toSorted((one, other) => this.#speedOf(other)! - this.#speedOf(one)!);
		// Behind libx264 nothing is needed: it does not fail for lack of a device.
		const end = ranking.indexOf(LAST_RESORT);
		this.#ranking = [...(end < 0 ? ranking : ranking.slice(0, end)), LAST_RESORT];
		this.#reason = this.#reasonAfterTrials();
		this.#deps.logger.info(this.report, 'the encoder of pictures is chosen');
	}

	/** It failed on the air: it is not used any more for as long as this server runs. */
	abandon(name: H264EncoderName, why: string): void {
		if (name === LAST_RESORT || !this.#ranking.includes(name)) {
			return;
		}
		this.#ranking = this.#ranking.filter((other) => other !== name);
		this.#reason = `${name} failed on the air: ${why}`;
		this.#deps.logger.error(this.report, 'an encoder failed on the air and is not used any more');
	}

	async #tryAll(): Promise<void> {
		const { clock, list, tryEncoder } = this.#deps;
		const timeoutMs = this.#trialsTimeoutMs;
		const existing = await withDeadline(clock, list(), timeoutMs, () => new Error('no answer in time'));
		const endMs = clock.monotonicMs() + timeoutMs;
		for (const name of this.#wanted().filter((wanted) => existing.has(wanted))) {
			const restMs = endMs - clock.monotonicMs();
			if (restMs <= 0) {
				this.#tried.push({ name, problem: 'there was no time left to try it' });
				continue;
			}
			try {
				const trial = tryEncoder(name);
				const framesPerSecond = await withDeadline(clock, trial, restMs, () => new Error('it took too long'));
				this.#tried.push({ name, framesPerSecond });
			} catch (error) {
				this.#tried.push({ name, problem: errorMessage(error) });
			}
		}
	}

	#wanted(): readonly H264EncoderName[] {
		return this.#setting === 'auto' ? H264_ENCODER_NAMES : [this.#setting];
	}

	#reasonAfterTrials(): string {
		const isFirst = this.#ranking[0] !== LAST_RESORT;
		if (this.#setting !== 'auto') {
			const problem = this.#tried.map((trial) => ('problem' in trial ? trial.problem : '')).join('');
			return isFirst
				? 'it is configured'
				: `${this.#setting} cannot be used: ${problem || 'this FFmpeg does not have it'}`;
		}
		const others = this.#tried.filter((trial) => trial.name !== LAST_RESORT && 'framesPerSecond' in trial);
		return isFirst || others.length > 0 ? 'it is the fastest that works' : 'no other works';
	}

	#speedOf(name: H264EncoderName): number | undefined {
		const trial = this.#tried.find((other) => other.name === name);
		return trial !== undefined && 'framesPerSecond' in trial ? trial.framesPerSecond : undefined;
	}
}

/**
 * The choice for the processes of one transcoder. An encoder that fails there becomes a suspect, and the next best one
 * takes over. When that one works, the suspect is abandoned everywhere; when libx264 fails as well, the cause is
 * something else, such as pictures that nobody can decode.
 */
export class EncoderSeat {
	readonly #choice: Pick<EncoderChoice, 'ranking' | 'abandon'>;
	readonly #suspects = new Map<H264EncoderName, string>();
	#name: H264EncoderName = LAST_RESORT;
	#earlyFailureCount = 0;

	constructor(choice: Pick<EncoderChoice, 'ranking' | 'abandon'>) {
		this.#choice = choice;
	}

	/** The encoder of the next process. */
	next(): H264EncoderName {
		const name = this.#choice.ranking.find((other) => !this.#suspects.has(other)) ?? LAST_RESORT;
		if (name !== this.#name) {
			this.#earlyFailureCount = 0;
		}
		this.#name = name;
		return name;
	}

	/** The process puts out media. */
	recordOutput(): void {
		for (const [name, why] of this.#suspects) {
			this.#choice.abandon(name, why);
		}
		this.#suspects.clear();
	}

	/** The process failed. */
	recordFailure(ageMs: number, isHang: boolean, why: string): void {
		if (this.#name === LAST_RESORT) {
			this.#suspects.clear();
			return;
		}
		this.#earlyFailureCount = ageMs < FIRST_SECONDS_MS ? this.#earlyFailureCount + 1 : 0;
		if (isHang || this.#earlyFailureCount >= MAX_EARLY_FAILURES) {
			this.#suspects.set(this.#name, why);
		}
	}
}
