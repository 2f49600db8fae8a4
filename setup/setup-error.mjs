/** Errors of set-up. */

/** A step failed, and the user can correct the reason. `output`: printed by the tool that failed. */
export class SetupError extends Error {
	/** @override */
	name = 'SetupError';

	/**
	 * @param {string} message One sentence.
	 * @param {{ whatToDo: string[], output?: string[], cause?: unknown }} options `whatToDo` is printed line by line and
	 * may contain commands; it must not be empty.
	 */
	constructor(message, { whatToDo, output = [], cause }) {
		super(message, cause === undefined ? undefined : { cause });
		this.whatToDo = whatToDo;
		this.output = output;
	}
}

/**
 * The failure of a tool as an error of set-up. A SetupError, and the end of a stopped set-up, stay as they are.
 *
 * @param {{ signal: AbortSignal }} context
 * @param {any} error
 * @param {string} message Without the reason, which is added.
 * @param {string[]} whatToDo
 */
export function toSetupError(context, error, message, whatToDo) {
	return error instanceof SetupError || context.signal.aborted
		? error
		: new SetupError(`${message}: ${error.message}.`, { whatToDo, output: error.output, cause: error });
}

/** A signal stopped set-up. Not a failure, so that no advice is printed. */
export class SetupInterrupted extends Error {
	/** @override */
	name = 'SetupInterrupted';

	/** @param {NodeJS.Signals} signalName Decides the exit code. */
	constructor(signalName) {
		super(`Stopped by ${signalName}.`);
		this.signalName = signalName;
	}
}
