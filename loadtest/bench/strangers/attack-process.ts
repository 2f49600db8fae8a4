/** The parent's side of an attack: a process that waits for `begin` and then sends its counts. */
import path from 'node:path';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { ForkedProgram } from '../../load/forked-program.ts';
import { ownChild } from '../../source/owned-children.ts';
import type { AttackConfig, AttackCounts, AttackMessage } from './attack.ts';

const START_DEADLINE_MS = 30_000;
/** A machine under attack ends processes slowly. */
const SPARE_MS = 20_000;

/** One use. */
export class AttackProcess {
	readonly #config: AttackConfig;
	readonly #program: ForkedProgram<'begin', AttackMessage>;
	readonly #ready: Promise<void>;
	readonly #counts: Promise<AttackCounts>;

	private constructor(config: AttackConfig) {
		this.#config = config;
		const ready = Promise.withResolvers<void>();
		const counts = Promise.withResolvers<AttackCounts>();
		[this.#ready, this.#counts] = [ready.promise, counts.promise];
		const file = path.join(import.meta.dirname, 'attack-main.ts');
		this.#program = new ForkedProgram(`The attack "${config.name}"`, file, [JSON.stringify(config)], (message) => {
			if (message.type === 'ready') {
				ready.resolve();
			} else {
				counts.resolve(message.counts);
			}
		});
		ownChild(this.#program.child, 'SIGKILL');
	}

	/** Resolves when the process is ready to begin. */
	static async start(config: AttackConfig): Promise<AttackProcess> {
		const attack = new AttackProcess(config);
		await attack.#inTime(attack.#ready, START_DEADLINE_MS);
		return attack;
	}

	/** Rejects when the attack fails by itself: measurements of that time say nothing about the server. */
	run(): Promise<AttackCounts> {
		this.#program.send('begin');
		return this.#inTime(this.#counts, this.#config.durationMs + SPARE_MS);
	}

	async #inTime<Result>(task: Promise<Result>, deadlineMs: number): Promise<Result> {
		const late = (): Error => new Error(`The attack "${this.#config.name}" was not done after ${deadlineMs} ms.`);
		try {
			return await this.#program.inTime(systemClock, task, deadlineMs, late);
		} catch (error) {
			this.#program.child.kill('SIGKILL');
			throw error;
		}
	}
}
