/** A program of ours in its own process, connected over Node's IPC. */
import { type ChildProcess, fork, type Serializable } from 'node:child_process';
import { type Clock, withDeadline } from '../../core/lifecycle/clock.ts';

const MAX_ERROR_LENGTH = 2000;

/** One use: runs from its construction. */
export class ForkedProgram<Sent extends Serializable, Received> {
	readonly child: ChildProcess;
	/** Resolves when it has ended, with the reason and its last text on standard error. Never rejects. */
	readonly ended: Promise<string>;

	/** `execPath`: runs it instead of this process's own Node. */
	constructor(
		name: string,
		file: string,
		programArguments: readonly string[],
		onMessage: (message: Received) => void,
		execPath = process.execPath,
	) {
		const child = fork(file, programArguments, {
			execPath,
			execArgv: [],
			stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
		});
		let errorText = '';
		child.stderr!.setEncoding('utf8').on('data', (text: string) => {
			errorText = (errorText + text).slice(-MAX_ERROR_LENGTH);
		});
		child.on('message', (message) => onMessage(message as Received));
		this.child = child;
		this.ended = new Promise((resolve) => {
			child.once('error', (error) => resolve(`${name} cannot be started: ${error.message}`));
			child.once('exit', (code, signal) => resolve(`${name} ended with ${signal ?? code}: ${errorText.trim()}`));
		});
	}

	get hasExited(): boolean {
		return this.child.exitCode !== null || this.child.signalCode !== null;
	}

	/** Does nothing when it has ended. */
	send(message: Sent): void {
		if (this.child.connected) {
			// One that is just ending is noticed by its exit.
			this.child.send(message, () => undefined);
		}
	}

	/** The task's result. Rejects when the program ends first, or with `late` after the deadline. */
	inTime<Result>(clock: Clock, task: Promise<Result>, deadlineMs: number, late: () => Error): Promise<Result> {
		const failed = this.ended.then((reason) => {
			throw new Error(reason);
		});
		return withDeadline(clock, Promise.race([task, failed]), deadlineMs, late);
	}
}
