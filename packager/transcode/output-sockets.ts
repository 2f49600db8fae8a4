/** Unix sockets on which a process delivers its outputs, in a folder that only this user can enter. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Clock, withDeadline } from '../../core/lifecycle/clock.ts';

/** What a process that is gone has written is in the kernel; reading it takes this long at most. */
const READ_REST_TIMEOUT_MS = 2000;

type OutputSocketsOptions = {
	count: number;
	onChunk: (chunk: Uint8Array, index: number) => void;
};

/** One connection to each; with the last one the folder is removed, so that a killed server leaves nothing behind. */
export class OutputSockets {
	readonly #clock: Clock;
	readonly #onChunk: OutputSocketsOptions['onChunk'];
	readonly #folder: string;
	readonly #waiting = new Set<Server>();
	readonly #sockets = new Set<Socket>();
	#onSocketClosed: () => void = () => undefined;

	private constructor(clock: Clock, onChunk: OutputSocketsOptions['onChunk'], folder: string) {
		this.#clock = clock;
		this.#onChunk = onChunk;
		this.#folder = folder;
	}

	/** Listens on all. Rejects when the folder or a socket cannot be made, and leaves none. */
	static async open(clock: Clock, { count, onChunk }: OutputSocketsOptions): Promise<OutputSockets> {
		// Made with mode 0700.
		const folder = await mkdtemp(path.join(tmpdir(), 'spillway-encoder-'));
		const sockets = new OutputSockets(clock, onChunk, folder);
		try {
			await Promise.all(Array.from({ length: count }, (_, index) => sockets.#listen(index)));
		} catch (error) {
			sockets.close();
			throw error;
		}
		return sockets;
	}

	/** Where the output with this index is expected. */
	path(index: number): string {
		return path.join(this.#folder, String(index));
	}

	/** Call when the process is gone. Resolves when all that it wrote has been passed on. */
	async readToEnd(): Promise<void> {
		// A connection of which we do not know yet becomes known in the next turn of the event loop.
		await nextTurn();
		await nextTurn();
		const allClosed = new Promise<void>((resolve) => {
			this.#onSocketClosed = () => this.#sockets.size === 0 && resolve();
			this.#onSocketClosed();
		});
		try {
			await withDeadline(this.#clock, allClosed, READ_REST_TIMEOUT_MS, () => new Error('an output does not end'));
		} catch {
			// Another process holds a connection; close() ends it.
		}
	}

	/** Ends what is open and removes the folder. Idempotent, never throws. */
	close(): void {
		this.#waiting.forEach((server) => server.close());
		this.#waiting.clear();
		this.#sockets.forEach((socket) => socket.destroy());
		this.#removeFolder();
	}

	#listen(index: number): Promise<void> {
		return new Promise((resolve, reject) => {
			const server = createServer((socket) => {
				this.#stopListening(server);
				this.#read(socket, index);
			});
			this.#waiting.add(server);
			server.once('error', (error) => {
				this.#waiting.delete(server);
				reject(error);
			});
			server.listen(this.path(index), () => resolve());
		});
	}

	#stopListening(server: Server): void {
		// Removes the socket from its folder; what is connected stays.
		server.close();
		this.#waiting.delete(server);
		if (this.#waiting.size === 0) {
			this.#removeFolder();
		}
	}

	#read(socket: Socket, index: number): void {
		this.#sockets.add(socket);
		socket.on('data', (chunk) => this.#onChunk(chunk, index));
		// The process was killed. `close` follows.
		socket.on('error', () => undefined);
		socket.on('close', () => {
			this.#sockets.delete(socket);
			this.#onSocketClosed();
		});
	}

	// At once, because media may follow, and the server may be killed at any time.
	#removeFolder(): void {
		try {
			rmSync(this.#folder, { recursive: true, force: true });
		} catch {
			// Someone else's doing; the system empties its folder for temporary files.
		}
	}
}

function nextTurn(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}
