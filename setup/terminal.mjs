/** What set-up prints: one line per step that has something to do, with progress and duration. Knows no step. */

/**
 * How often a step that takes long says so when nobody watches a terminal. A CI log shows that it lives without
 * drowning; most CI systems stop a job after minutes of silence, so that doubling it would still be safe.
 */
const PLAIN_PROGRESS_INTERVAL_MS = 15_000;

/** Redrawing faster than this makes the line flicker over a remote shell; the clock in it ticks in seconds anyway. */
const TTY_REDRAW_INTERVAL_MS = 200;

/**
 * Formats a duration as people say it.
 *
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
 * Creates the printer of steps. Everything goes to standard error, so that the standard output of the command that is
 * started afterwards stays clean.
 *
 * @param {{ write(text: string): unknown, isTTY?: boolean, columns?: number }} [stream] Default: standard error.
 * @param {() => number} [nowMs] The clock, in milliseconds; injectable for tests.
 */
export function createTerminal(stream = process.stderr, nowMs = () => performance.now()) {
	const isTty = stream.isTTY === true;

	const writeLine = (/** @type {string} */ text) => stream.write(isTty ? `\r\x1b[K${text}\n` : `${text}\n`);

	return {
		/** Prints one line of its own. */
		writeLine,

		/**
		 * Starts a step. Only call it when there is something to do: a warm pass prints nothing.
		 *
		 * @param {string} name As short as a label: `Node 24.21.0`, `mediasoup worker`.
		 * @returns The step: `progress` replaces what it is doing, `done` and `fail` end it with its duration.
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
					// Cut to the width, because a wrapped line could not be overwritten by the next one.
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
				/** @param {string} text What the step is doing now, for example `compiling 17/279`. */
				progress(text) {
					current = text;
				},
				/** @param {string} text What it did. */
				done(text) {
					end('✓', text);
				},
				/** @param {string} text Why it failed, in a few words; what to do is printed by the caller of all steps. */
				fail(text) {
					end('✗', text);
				},
			};
		},
	};
}
