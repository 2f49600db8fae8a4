/**
 * Ends this process when the set-up process that started it has ended. `run.mjs` loads it into every command before the
 * command's code, which does not need to know about it.
 *
 * Why: `npm start` is npm → run.mjs → the command. A `kill -9` of run.mjs (or of npm and run.mjs, by a supervisor or
 * the out-of-memory killer) cannot be forwarded, and the command keeps its ports. So run.mjs keeps one end of a pipe
 * open and never writes to it. The other end, here, reports the end of the stream when run.mjs has ended in any way.
 * This process then sends itself the SIGTERM, and shuts down as usual.
 */
import net from 'node:net';
import { isMainThread } from 'node:worker_threads';

/** Time for an orderly shutdown. The product's deadline is shorter; this is for commands without one, or that hang. */
const SHUTDOWN_TIMEOUT_MS = 20_000;

const descriptor = Number(process.env['SPILLWAY_LIFELINE_FD']);
// Programs that this one starts do not inherit the descriptor; this program ends them.
delete process.env['SPILLWAY_LIFELINE_FD'];

// Worker threads and forked processes inherit the command line and load this as well; only the main thread counts.
if (isMainThread && Number.isInteger(descriptor) && descriptor > 2) {
	const lifeline = new net.Socket({ fd: descriptor, readable: true, writable: false });
	let isCut = false;
	const cut = () => {
		if (isCut) {
			return;
		}
		isCut = true;
		// Does not delay a process that ends by itself.
		setTimeout(() => process.kill(process.pid, 'SIGKILL'), SHUTDOWN_TIMEOUT_MS).unref();
		process.kill(process.pid, 'SIGTERM');
	};
	lifeline.once('end', cut);
	lifeline.once('close', cut);
	lifeline.once('error', cut);
	lifeline.resume();
	lifeline.unref();
}
