/** Child processes that end with this one, unless SIGKILL ends it. */
import type { ChildProcess } from 'node:child_process';

const owned = new Map<ChildProcess, NodeJS.Signals>();
let isWatching = false;

/** Sends `signal` to the child when this process exits before it. */
export function ownChild(child: ChildProcess, signal: NodeJS.Signals): void {
	if (!isWatching) {
		isWatching = true;
		process.once('exit', endOwned);
	}
	owned.set(child, signal);
	child.once('exit', () => owned.delete(child));
}

function endOwned(): void {
	for (const [child, signal] of owned) {
		child.kill(signal);
	}
}
