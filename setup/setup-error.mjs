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
