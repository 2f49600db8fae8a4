/** The parent's side of one process of the load tester. */
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { type Clock, withDeadline } from '../../core/lifecycle/clock.ts';
import type { ChildMessage, FiguresData, ParentMessage, RoleConfig } from './figures/messages.ts';

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 9000;
const MAX_ERROR_LENGTH = 2000;

/** What a process tells. */
export type RoleProcessListener = {
	figures(processName: string, figures: FiguresData): void;
	note(processName: string, text: string): void;
	/** It ended although nobody had asked it to. */
	died(processName: string, reason: string): void;
};

/** A child that plays one role. One use. */
export class RoleProcess {
	readonly #config: RoleConfig;
	readonly #clock: Clock;
	readonly #listener: RoleProcessListener;
	#child: ChildProcess | undefined;
	#exited: Promise<void> = Promise.resolve();
	#isStopping = false;
	#errorText = '';

	constructor(clock: Clock, config: RoleConfig, listener: RoleProcessListener) {
		this.#clock = clock;
		this.#config = config;
		this.#listener = listener;
	}

	get name(): string {
		return this.#config.processName;
	}

	/** Forks, and resolves when the role has begun. Rejects when it could not; stop() must be called then as well. */
	async start(): Promise<void> {
		const child = fork(path.join(import.meta.dirname, 'roles/role-main.ts'), [], {
			execArgv: [],
			stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
		});
		this.#child = child;
		this.#exited = new Promise((resolve) => child.once('exit', () => resolve()));
		child.stderr!.setEncoding('utf8').on('data', (text: string) => {
			this.#errorText = (this.#errorText + text).slice(-MAX_ERROR_LENGTH);
		});
		const begun = new Promise<void>((resolve, reject) => {
			child.on('message', (message: ChildMessage) => this.#receive(message, resolve, reject));
			child.once('error', reject);
			child.once('exit', (code, signal) => {
				const reason = `${this.name} ended with ${signal ?? code}: ${this.#errorText.trim()}`;
				reject(new Error(reason));
				if (!this.#isStopping) {
					this.#listener.died(this.name, reason);
				}
			});
		});
		await withDeadline(this.#clock, begun, START_DEADLINE_MS, () => {
			return new Error(`${this.name} did not begin within ${START_DEADLINE_MS} ms.`);
		});
	}

	/** Tells the child something; nothing happens when it is gone. */
	send(message: ParentMessage): void {
		if (this.#child?.connected === true) {
			// A child that ends at this very moment is noticed by its exit.
			this.#child.send(message, () => undefined);
		}
	}

	/** Ends it: asks, waits, kills. Idempotent, never rejects. */
	async stop(): Promise<void> {
		this.#isStopping = true;
		if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) {
			return;
		}
		this.send({ type: 'stop' });
		await withDeadline(this.#clock, this.#exited, STOP_DEADLINE_MS, () => new Error('late')).catch(() => {
			this.#child!.kill('SIGKILL');
			return this.#exited;
		});
	}

	#receive(message: ChildMessage, resolve: () => void, reject: (error: Error) => void): void {
		switch (message.type) {
			case 'ready':
				this.send({ type: 'start', config: this.#config });
				break;
			case 'started':
				resolve();
				break;
			case 'figures':
				this.#listener.figures(this.name, message.figures);
				break;
			case 'note':
				this.#listener.note(this.name, message.text);
				break;
			case 'failed':
				reject(new Error(`${this.name}: ${message.message}`));
				break;
		}
	}
}
