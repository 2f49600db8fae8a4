/** The parent's side of an attack: a process that waits until it is told to begin, and its counts when it has ended. */
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { systemClock, withDeadline } from '../../../core/lifecycle/clock.ts';
import { ownChild } from '../../source/owned-children.ts';
import type { AttackConfig, AttackCounts, AttackMessage } from './attack.ts';

const START_DEADLINE_MS = 30_000;
/** A machine under attack is slow to end anything. */
const SPARE_MS = 20_000;
const MAX_ERROR_LENGTH = 2000;

/** One use. */
export class AttackProcess {
	readonly #config: AttackConfig;
	readonly #child: ChildProcess;
	readonly #counts: Promise<AttackCounts>;

	private constructor(config: AttackConfig) {
		this.#config = config;
		const child = fork(path.join(import.meta.dirname, 'attack-main.ts'), [JSON.stringify(config)], {
			execArgv: [],
			stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
		});
		this.#child = child;
		ownChild(child, 'SIGKILL');
		let errorText = '';
		child.stderr!.setEncoding('utf8').on('data', (text: string) => {
			errorText = (errorText + text).slice(-MAX_ERROR_LENGTH);
		});
		this.#counts = new Promise((resolve, reject) => {
			child.on('message', (message: AttackMessage) => message.type === 'counts' && resolve(message.counts));
			child.once('exit', (code, signal) => {
				reject(new Error(`The attack "${config.name}" ended with ${signal ?? code}: ${errorText.trim()}`));
			});
		});
		// Looked at by whoever waits; nobody may be waiting when it happens.
		this.#counts.catch(() => undefined);
	}

	/** Resolves when the process waits for its beginning. */
	static async start(config: AttackConfig): Promise<AttackProcess> {
		const attack = new AttackProcess(config);
		const ready = new Promise<void>((resolve) => {
			attack.#child.on('message', (message: AttackMessage) => message.type === 'ready' && resolve());
		});
		await attack.#inTime(Promise.race([ready, attack.#counts]), START_DEADLINE_MS);
		return attack;
	}

	/** Rejects when the attack fails by itself: what was measured beside it says nothing then. */
	run(): Promise<AttackCounts> {
		this.#child.send('begin');
		return this.#inTime(this.#counts, this.#config.durationMs + SPARE_MS);
	}

	async #inTime<T>(promise: Promise<T>, deadlineMs: number): Promise<T> {
		const late = (): Error => new Error(`The attack "${this.#config.name}" was not done after ${deadlineMs} ms.`);
		try {
			return await withDeadline(systemClock, promise, deadlineMs, late);
		} catch (error) {
			this.#child.kill('SIGKILL');
			throw error;
		}
	}
}
