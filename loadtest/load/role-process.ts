/** The parent's side of one process of the load tester. */
import path from 'node:path';
import { type Clock, withDeadline } from '../../core/lifecycle/clock.ts';
import type { ChildMessage, FiguresData, ParentMessage, RoleConfig } from './figures/messages.ts';
import { ForkedProgram } from './forked-program.ts';

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 9000;

type RoleProcessDeps = {
	clock: Clock;
	config: RoleConfig;
	listener: {
		figures(processName: string, figures: FiguresData): void;
		note(processName: string, text: string): void;
		/** It has ended by itself. */
		died(processName: string, reason: string): void;
	};
};

/** One use. */
export class RoleProcess {
	readonly #deps: RoleProcessDeps;
	#program: ForkedProgram<ParentMessage, ChildMessage> | undefined;
	#isStopping = false;

	constructor(deps: RoleProcessDeps) {
		this.#deps = deps;
	}

	get name(): string {
		return this.#deps.config.processName;
	}

	/** Resolves when the role has begun. Call stop() also when it rejects. */
	async start(): Promise<void> {
		const { clock, listener } = this.#deps;
		const file = path.join(import.meta.dirname, 'roles/role-main.ts');
		const begun = new Promise<void>((resolve, reject) => {
			this.#program = new ForkedProgram(this.name, file, [], (message) => this.#receive(message, resolve, reject));
		});
		const program = this.#program!;
		void program.ended.then((reason) => {
			if (!this.#isStopping) {
				listener.died(this.name, reason);
			}
		});
		await program.inTime(clock, begun, START_DEADLINE_MS, () => {
			return new Error(`${this.name} did not begin within ${START_DEADLINE_MS} ms.`);
		});
	}

	/** Does nothing when the child has ended. */
	send(message: ParentMessage): void {
		this.#program?.send(message);
	}

	/** Sends `stop`, waits, then kills. Idempotent, never rejects. */
	async stop(): Promise<void> {
		this.#isStopping = true;
		const program = this.#program;
		if (program === undefined || program.hasExited) {
			return;
		}
		program.send({ type: 'stop' });
		await withDeadline(this.#deps.clock, program.ended, STOP_DEADLINE_MS, () => new Error('late')).catch(() => {
			program.child.kill('SIGKILL');
			return program.ended;
		});
	}

	#receive(message: ChildMessage, resolve: () => void, reject: (error: Error) => void): void {
		const { config, listener } = this.#deps;
		switch (message.type) {
			case 'ready':
				this.send({ type: 'start', config });
				break;
			case 'started':
				resolve();
				break;
			case 'figures':
				listener.figures(this.name, message.figures);
				break;
			case 'note':
				listener.note(this.name, message.text);
				break;
			case 'failed':
				reject(new Error(`${this.name}: ${message.message}`));
				break;
		}
	}
}
