/** Prints one line for each step that has work to do, with progress and duration. */

/** Progress of a long step without a terminal. Most CI systems stop a job after minutes without output. */
const PLAIN_PROGRESS_INTERVAL_MS = 15_000;

/** With a shorter interval the line flickers over a remote shell. */
const TTY_REDRAW_INTERVAL_MS = 200;

/**
 * @param {number} durationMs
 * @returns {string} For example `0.4 s`, `12 s`, `5 min 07 s`.
 */
export function formatDuration(durationMs) {
	if (durationMs < 9_950) {
		return `${(durationMs / 1000).toFixed(1)} s`;
	}
	const wholeSeconds = Math.round(durationMs / 1000);
	if (wholeSeconds < 60) {
		return `${wholeSeconds} s`;
	}
	return `${Math.floor(wholeSeconds / 60)} min ${String(wholeSeconds % 60).padStart(2, '0')} s`;
}

/**
 * @param {{ write(text: string): unknown, isTTY?: boolean, columns?: number }} [stream] Standard error by default, so
 * that the standard output is that of the started command alone.
 * @param {() => number} [nowMs] The clock, for tests.
 */
export function createTerminal(stream = process.stderr, nowMs = () => performance.now()) {
	const isTty = stream.isTTY === true;

	const writeLine = (/** @type {string} */ text) => stream.write(isTty ? `\r\x1b[K${text}\n` : `${text}\n`);

	return {
		writeLine,

		/**
		 * Starts a step. Only call it when there is work to do: a set-up without work prints nothing.
		 *
		 * @param {string} name As short as a label: `Node 24.21.0`, `mediasoup worker`.
		 * @returns The step: `progress` replaces its current work (`compiling 17/279`). `done` and `fail` end it with the
		 * result or the failure in a few words, without advice.
		 */
		startStep(name) {
			const startedAtMs = nowMs();
			let current = '';
			const describe = () => {
				const elapsed = formatDuration(nowMs() - startedAtMs);
				return current === '' ? `${name} … (${elapsed})` : `${name}: ${current} (${elapsed})`;
			};
			const redraw = () => {
				if (isTty) {
					// Cut to the width, because the next line cannot overwrite a wrapped one.
					stream.write(`\r\x1b[K  ${describe()}`.slice(0, (stream.columns || 80) + 4));
				} else {
					stream.write(`  ${describe()}\n`);
				}
			};
			const timer = setInterval(redraw, isTty ? TTY_REDRAW_INTERVAL_MS : PLAIN_PROGRESS_INTERVAL_MS);
			timer.unref();
			if (isTty) {
				redraw();
			}
			const end = (/** @type {string} */ mark, /** @type {string} */ text) => {
				clearInterval(timer);
				writeLine(`${mark} ${name}: ${text} (${formatDuration(nowMs() - startedAtMs)})`);
			};
			return {
				progress: (/** @type {string} */ text) => void (current = text),
				done: (/** @type {string} */ text) => end('✓', text),
				fail: (/** @type {string} */ text) => end('✗', text),
			};
		},
	};
}
