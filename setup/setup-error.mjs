/** The error of a set-up step that failed for a reason the user can do something about. Says what to do. */

/** A failed step: what went wrong, what to do about it, and what the tool in question printed. */
export class SetupError extends Error {
	/** @override */
	name = 'SetupError';

	/**
	 * @param {string} message What went wrong, as one sentence.
	 * @param {{ whatToDo: string[], output?: string[], cause?: unknown }} options `whatToDo` is printed line by line
	 * and may contain commands; it must not be empty, because an error without a way out helps nobody.
	 */
	constructor(message, { whatToDo, output = [], cause }) {
		super(message, cause === undefined ? undefined : { cause });
		this.whatToDo = whatToDo;
		this.output = output;
	}
}

/** Set-up was stopped by a signal. Not a failure: nothing is printed but that it stopped. */
export class SetupInterrupted extends Error {
	/** @override */
	name = 'SetupInterrupted';

	/** @param {NodeJS.Signals} signalName The signal that stopped it; decides the exit code. */
	constructor(signalName) {
		super(`Stopped by ${signalName}.`);
		this.signalName = signalName;
	}
}
