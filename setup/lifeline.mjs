/**
 * Ends this process when the set-up process that started it is gone. Loaded by `run.mjs` into every command it starts,
 * before the command itself; the command needs to know nothing of it.
 *
 * Why: `npm start` is npm → run.mjs → the command. A `kill -9` of run.mjs (or of npm and run.mjs, by a supervisor or
 * the out-of-memory killer) cannot be forwarded, and the command would hold its ports for ever. So run.mjs keeps one
 * end of a pipe open and never writes to it: the other end, here, reports the end of the stream exactly when run.mjs
 * has ended, however it did. This process then gets the SIGTERM that could not be forwarded, and so shuts down in its
 * usual way.
 */
import net from 'node:net';
import { isMainThread } from 'node:worker_threads';

/**
 * How long an orderly shutdown may take before it is cut short. The product's own deadline is shorter; this one is for
 * commands that have none, or that hang in it.
 */
const SHUTDOWN_TIMEOUT_MS = 20_000;

const descriptor = Number(process.env['SPILLWAY_LIFELINE_FD']);
// Programs that this one starts do not have the descriptor. They are this program's to end.
delete process.env['SPILLWAY_LIFELINE_FD'];

// Worker threads and forked processes load this again, because they inherit the command line; only the first one
// counts.
if (isMainThread && Number.isInteger(descriptor) && descriptor > 2) {
	const lifeline = new net.Socket({ fd: descriptor, readable: true, writable: false });
	let isCut = false;
	const cut = () => {
		if (isCut) {
			return;
		}
		isCut = true;
		// Does not hold a process that ends by itself.
		setTimeout(() => process.kill(process.pid, 'SIGKILL'), SHUTDOWN_TIMEOUT_MS).unref();
		process.kill(process.pid, 'SIGTERM');
	};
	lifeline.once('end', cut);
	lifeline.once('close', cut);
	lifeline.once('error', cut);
	lifeline.resume();
	lifeline.unref();
}
