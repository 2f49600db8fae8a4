/** Where IRC clients connect: `/api/v1/chat/{channel}`, and `/`, because most of them can be told a host and a port, but no path. */
import type { WebSocket } from '@fastify/websocket';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { CloseScope } from '../../../core/close-scope.ts';
import { SpillwayError } from '../../../core/errors.ts';
import { addressKey } from '../../channels/attempt-limiter.ts';
import { IrcSession, type IrcCredential, type IrcSessionDependencies } from './irc-session.ts';

/** Where a socket at `/` leads. */
const ANY_CHANNEL_PATH = '/api/v1/chat';
/** Connections of this node; each costs some 20 KB. */
const MAX_SESSIONS = 10_000;
/** Connections of one address: bots of a household, not a flood. */
const MAX_SESSIONS_PER_ADDRESS = 50;

/** Give it to fastify as `rewriteUrl`: pages keep the address `/`, IRC clients get theirs. No other socket lives there. */
export function rewriteIrcUrl(request: IncomingMessage): string {
	const url = request.url ?? '/';
	const isUpgrade = request.headers.upgrade?.toLowerCase() === 'websocket';
	return isUpgrade && url.split('?')[0] === '/' ? ANY_CHANNEL_PATH : url;
}

/** All IRC connections of this node. */
export class IrcConnections {
	readonly #dependencies: IrcSessionDependencies;
	readonly #sessions = new Map<IrcSession, WebSocket>();
	readonly #countByAddress = new Map<string, number>();
	readonly #scope: CloseScope<'server-shutdown'>;

	constructor(dependencies: IrcSessionDependencies) {
		this.#dependencies = dependencies;
		this.#scope = new CloseScope(dependencies.logger);
		this.#scope.onClose(async () => {
			for (const [session, socket] of [...this.#sessions]) {
				socket.close(1001, 'server-stopping');
				await session.close('server-stopping');
			}
		});
	}

	/**
	 * Needs @fastify/websocket on the same app. No check of the origin: nothing here believes a cookie, a page of somebody
	 * else's gets no more than any program does.
	 */
	readonly routes: FastifyPluginAsync = async (app) => {
		const handler = async (): Promise<never> => {
			throw new SpillwayError('REQUEST_INVALID', ['this address takes WebSocket connections only']);
		};
		app.route({
			method: 'GET',
			url: ANY_CHANNEL_PATH,
			handler,
			wsHandler: (socket, request) => this.#accept(socket, request, undefined),
		});
		app.route<{ Params: { channel: string } }>({
			method: 'GET',
			url: `${ANY_CHANNEL_PATH}/:channel`,
			handler,
			wsHandler: (socket, request) => this.#accept(socket, request, request.params.channel),
		});
	};

	/** Connections now, for metrics. */
	get sessionCount(): number {
		return this.#sessions.size;
	}

	/** Ends those that hang on a credential that is worth nothing any more. */
	endSessionsOf(ended: IrcCredential): void {
		for (const session of [...this.#sessions.keys()]) {
			if (session.credential?.kind === ended.kind && session.credential.id === ended.id) {
				session.credentialEnded();
			}
		}
	}

	/** What the open connections hang on. */
	credentialIds(kind: IrcCredential['kind']): Set<string> {
		const credentials = [...this.#sessions.keys()].flatMap(({ credential }) => credential ?? []);
		return new Set(credentials.filter((credential) => credential.kind === kind).map(({ id }) => id));
	}

	/** Ends all. Idempotent. */
	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	#accept(socket: WebSocket, request: Pick<FastifyRequest, 'ip'>, onlyChannel: string | undefined): void {
		const key = addressKey(request.ip);
		const count = this.#countByAddress.get(key) ?? 0;
		if (this.#scope.closed || this.#sessions.size >= MAX_SESSIONS || count >= MAX_SESSIONS_PER_ADDRESS) {
			socket.close(1013, this.#scope.closed ? 'server-stopping' : 'too-many-connections');
			return;
		}
		this.#countByAddress.set(key, count + 1);
		const session = new IrcSession(socket, { remoteAddress: request.ip, onlyChannel }, this.#dependencies);
		this.#sessions.set(session, socket);
		// https://ircv3.net/specs/extensions/websocket: some clients send binary frames; they hold the same UTF-8 lines.
		socket.on('message', (bytes) => session.receive(bytes.toString()));
		socket.on('error', () => socket.terminate());
		socket.on('close', () => {
			this.#sessions.delete(session);
			const left = (this.#countByAddress.get(key) ?? 1) - 1;
			if (left > 0) {
				this.#countByAddress.set(key, left);
			} else {
				this.#countByAddress.delete(key);
			}
			void session.close('socket-closed');
		});
	}
}
