/** One virtual viewer's signaling socket, in the protocol of core/protocol/signaling/signaling-messages.ts. */
import WebSocket from 'ws';
import { type Clock, withDeadline } from '../../../core/lifecycle/clock.ts';
import type { ClientMessage, ServerMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import { SIGNALING_CLOSE_CODES } from '../../../core/protocol/signaling/signaling-constants.ts';

type JoinedMessage = Extract<ServerMessage, { type: 'joined' }>;
export type JoinMessage = Extract<ClientMessage, { type: 'join' }>;

const JOIN_DEADLINE_MS = 15_000;
const MAX_FRAME_BYTES = 4_000_000;
/** Recent frames that are kept. A room's message is the same bytes for all its sockets, and is parsed once. */
const CACHE_SIZE = 8;
/** Shorter frames are for one socket. */
const CACHE_FROM_BYTES = 150;

type SignalingSocketOptions = {
	clock: Clock;
	url: string;
	join: JoinMessage;
	/** Of an account. */
	cookie?: string | undefined;
	reader: FrameReader;
	onMessage(message: ServerMessage): void;
	/** Called once when a socket that has joined is closed, unless by us. */
	onClosed(code: number): void;
};

/** Reads frames; shared by the sockets of a process. */
export class FrameReader {
	readonly #cache: { bytes: Buffer; message: ServerMessage }[] = [];

	/** The message; undefined for other bytes. */
	read(bytes: Buffer): ServerMessage | undefined {
		const known = this.#cache.find((entry) => entry.bytes.equals(bytes));
		if (known !== undefined) {
			return known.message;
		}
		try {
			const message = JSON.parse(bytes.toString('utf8')) as ServerMessage | null;
			if (typeof message !== 'object' || message === null || typeof message.type !== 'string') {
				return undefined;
			}
			if (bytes.length >= CACHE_FROM_BYTES) {
				this.#cache.unshift({ bytes, message });
				this.#cache.splice(CACHE_SIZE);
			}
			return message;
		} catch {
			return undefined;
		}
	}
}

/** One connection. One use; a reconnect is a new one with the resume token in its join. */
export class SignalingSocket {
	readonly #options: SignalingSocketOptions;
	#socket: WebSocket | undefined;
	#hasJoined = false;
	#isClosed = false;

	constructor(options: SignalingSocketOptions) {
		this.#options = options;
	}

	/** Connects and joins. Rejects with the close code or the reason when the server rejects it. */
	async open(): Promise<JoinedMessage> {
		const { clock, url, cookie, join } = this.#options;
		const socket = new WebSocket(url, {
			perMessageDeflate: false,
			maxPayload: MAX_FRAME_BYTES,
			handshakeTimeout: JOIN_DEADLINE_MS,
			headers: cookie === undefined ? {} : { cookie },
		});
		this.#socket = socket;
		const joined = new Promise<JoinedMessage>((resolve, reject) => {
			socket.on('open', () => this.send(join));
			socket.on('error', (error) => reject(error));
			socket.on('close', (code) => {
				reject(new Error(`the socket was closed with ${describeClose(code)}`));
				this.#closed(code);
			});
			socket.on('message', (data: Buffer) => this.#receive(data, resolve));
		});
		return withDeadline(clock, joined, JOIN_DEADLINE_MS, () => {
			return new Error(`the server did not let the viewer join within ${JOIN_DEADLINE_MS} ms`);
		});
	}

	/** Sends, if the socket is still open. */
	send(message: ClientMessage): void {
		if (this.#socket?.readyState === WebSocket.OPEN) {
			this.#socket.send(JSON.stringify(message));
		}
	}

	/** Leaves with a normal close. Idempotent. */
	close(): void {
		this.#isClosed = true;
		if (this.#socket?.readyState === WebSocket.CONNECTING) {
			this.#socket.terminate();
		} else {
			this.#socket?.close(1000);
		}
	}

	#receive(data: Buffer, resolve: (joined: JoinedMessage) => void): void {
		const message = this.#options.reader.read(data);
		if (message === undefined) {
			return;
		}
		if (message.type === 'joined' && !this.#hasJoined) {
			this.#hasJoined = true;
			resolve(message);
		} else {
			this.#options.onMessage(message);
		}
	}

	#closed(code: number): void {
		if (this.#hasJoined && !this.#isClosed) {
			this.#isClosed = true;
			this.#options.onClosed(code);
		}
	}
}

/** Whether a viewer reconnects after this close code: by the table, and after a broken connection. */
export function reconnectsAfter(code: number): boolean {
	const known = Object.values(SIGNALING_CLOSE_CODES).find((entry) => entry.code === code);
	return known === undefined ? code === 1001 || code === 1006 || code === 1012 : known.reconnects;
}

/** `4003 (busy)`. */
export function describeClose(code: number): string {
	const name = Object.entries(SIGNALING_CLOSE_CODES).find(([, entry]) => entry.code === code)?.[0];
	return name === undefined ? String(code) : `${code} (${name})`;
}
