/** Signaling sockets and IRC connections of one address: each joins, gets the chat's history, leaves and returns. */
import WebSocket from 'ws';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { AttackContext } from './attack.ts';

/** More than the limits for one address (http.maxSocketsPerAddress, and 50 of IRC). */
const SOCKET_COUNT = 800;
const IRC_COUNT = 100;
const STAYS_MS = 2000;
const AGAIN_AFTER_MS = 1000;
/** The first visits are spread over this time. */
const SPREAD_MS = 2000;
/** RFC 5737: an address for documentation. */
const SENDER = '203.0.113.20';

export async function socketsAndChat(context: AttackContext): Promise<unknown> {
	const { httpUrl, channel } = context.config;
	const url = httpUrl.replace('http', 'ws');
	const join = { type: 'join', protocol: 1, channel, canWebRtc: true, canHls: true, isPinnedToHls: false };
	return Promise.all([
		visitAgainAndAgain(SOCKET_COUNT, () => {
			return visit(context, 'socket', `${url}/api/v1/signaling`, JSON.stringify(join));
		}),
		visitAgainAndAgain(IRC_COUNT, () => {
			return visit(context, 'IRC', `${url}/api/v1/chat`, `NICK justinfan7\r\nJOIN #${channel}\r\n`);
		}),
	]);
}

function visitAgainAndAgain(visitorCount: number, visit: () => Promise<void>): Promise<unknown> {
	const visitor = async (index: number): Promise<never> => {
		for (await sleep(systemClock, (index * SPREAD_MS) / visitorCount); ; await sleep(systemClock, AGAIN_AFTER_MS)) {
			await visit();
		}
	};
	return Promise.all(Array.from({ length: visitorCount }, (_, index) => visitor(index)));
}

async function visit(context: AttackContext, kind: string, url: string, message: string): Promise<void> {
	const { config, count } = context;
	const socket = new WebSocket(url, {
		perMessageDeflate: false,
		localAddress: config.fromAddress,
		headers: { 'x-forwarded-for': SENDER },
	});
	let isLetIn = false;
	const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
	socket.on('error', () => undefined);
	socket.on('open', () => socket.send(message));
	socket.on('message', () => {
		if (!isLetIn) {
			isLetIn = true;
			count(`${kind}: let in`);
		}
	});
	await Promise.race([closed, sleep(systemClock, STAYS_MS)]);
	if (!isLetIn) {
		count(`${kind}: refused`);
	}
	socket.terminate();
}
