/** IRC over WebSocket: at `/api/v1/chat/{channel}`, and at `/`, because most clients accept no path. */
import type { WebSocket } from '@fastify/websocket';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { addressKey } from '../../../core/limits/address-key.ts';
import { SharePool, type SharePoolLimits } from '../../../core/limits/share-pool.ts';
import type { SocketAdmission } from '../../platform/sockets/socket-admission.ts';
import { IrcSession, type IrcCredential, type IrcSessionDependencies } from './irc-session.ts';

/** Sockets at `/` are routed here. */
const ANY_CHANNEL_PATH = '/api/v1/chat';
/**
 * IRC connections of this node, each about 20 KB, and of one address group: enough for the bots of a household. They
 * also count among the server's sockets.
 */
const LIMITS: SharePoolLimits = { capacity: 10_000, reserve: 0, share: 50 };
/** "Try again later" in the IANA registry of WebSocket close codes. */
const TRY_AGAIN_LATER = 1013;
const TOO_MANY = 'too-many-connections';

/** For fastify's `rewriteUrl`: sockets at `/` become IRC connections, pages keep the address. */
export function rewriteIrcUrl(request: IncomingMessage): string {
	const url = request.url ?? '/';
	const isUpgrade = request.headers.upgrade?.toLowerCase() === 'websocket';
	return isUpgrade && url.split('?')[0] === '/' ? ANY_CHANNEL_PATH : url;
}

/** `admission`: shared with the viewers' sockets. */
type IrcConnectionsDependencies = IrcSessionDependencies & { admission: SocketAdmission };

export class IrcConnections {
	readonly #deps: IrcConnectionsDependencies;
	readonly #sessions = new Map<IrcSession, WebSocket>();
	readonly #pool = new SharePool<WebSocket>(LIMITS, 'refuse');
	readonly #scope: CloseScope<'server-shutdown'>;

	constructor(deps: IrcConnectionsDependencies) {
		this.#deps = deps;
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose(async () => {
			for (const [session, socket] of [...this.#sessions]) {
				socket.close(1001, 'server-stopping');
				await session.close('server-stopping');
			}
		});
	}

	/**
	 * Needs @fastify/websocket on the same app. The origin is not checked: no cookie is read here, so a foreign page gets
	 * no more than any other client.
	 */
	readonly routes: FastifyPluginAsync = async (app) => {
		for (const url of [ANY_CHANNEL_PATH, `${ANY_CHANNEL_PATH}/:channel`]) {
			app.route<{ Params: { channel?: string } }>({
				method: 'GET',
				url,
				handler: async () => {
					throw new SpillwayError('REQUEST_INVALID', ['this address takes WebSocket connections only']);
				},
				wsHandler: (socket, request) => this.#accept(socket, request, request.params.channel),
			});
		}
	};

	get sessionCount(): number {
		return this.#sessions.size;
	}

	/** Ends the connections of a credential that has ended. */
	endSessionsOf(ended: IrcCredential): void {
		for (const session of [...this.#sessions.keys()]) {
			if (session.credential?.kind === ended.kind && session.credential.id === ended.id) {
				session.endCredential();
			}
		}
	}

	/** The credential ids of the open connections. */
	credentialIds(kind: IrcCredential['kind']): Set<string> {
		const credentials = [...this.#sessions.keys()].flatMap(({ credential }) => credential ?? []);
		return new Set(credentials.filter((credential) => credential.kind === kind).map(({ id }) => id));
	}

	/** Ends all connections. Idempotent. */
	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	#accept(socket: WebSocket, request: Pick<FastifyRequest, 'ip'>, onlyChannel: string | undefined): void {
		if (this.#scope.closed) {
			socket.close(TRY_AGAIN_LATER, 'server-stopping');
			return;
		}
		const release = this.#admit(socket, request.ip);
		if (release === undefined) {
			socket.close(TRY_AGAIN_LATER, TOO_MANY);
			return;
		}
		const session = new IrcSession(this.#deps, { socket, remoteAddress: request.ip, onlyChannel });
		this.#sessions.set(session, socket);
		// https://ircv3.net/specs/extensions/websocket: some clients send the same UTF-8 lines in binary frames.
		socket.on('message', (bytes) => session.receive(bytes.toString()));
		socket.on('error', () => socket.terminate());
		socket.on('close', () => {
			this.#sessions.delete(session);
			release();
			void session.close('socket-closed');
		});
	}

	/** Reserves the places of a connection and returns the function that frees them; undefined when there are none. */
	#admit(socket: WebSocket, address: string): (() => void) | undefined {
		const displace = (displaced: WebSocket): void => displaced.close(TRY_AGAIN_LATER, TOO_MANY);
		const own = this.#pool.admit(socket, addressKey(address), false);
		if (!own.isAdmitted) {
			return undefined;
		}
		if (own.displaced !== undefined) {
			displace(own.displaced);
		}
		const release = this.#deps.admission.admit({ address, isKnown: false }, () => displace(socket));
		if (release === undefined) {
			this.#pool.release(socket);
			return undefined;
		}
		return () => {
			this.#pool.release(socket);
			release();
		};
	}
}
