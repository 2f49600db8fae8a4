/** Playlist requests that the server must hold: more than the limit for one address, and some that are aborted. */
import { connect, type Socket } from 'node:net';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { parseMediaPlaylist, parseMultivariantPlaylist } from '../../clients/hls/media-playlist.ts';
import type { AttackContext } from './attack.ts';
import { AttackClient, atRate } from './attack-client.ts';

/** 1.5 times the limit for one address (hls.maxHeldRequestsPerAddress). */
const CONNECTION_COUNT = 6000;
const CONNECTIONS_PER_SECOND = 2000;
/** The server answers with Retry-After: 1. */
const AGAIN_AFTER_REFUSAL_MS = 1000;
const ABORTED_PER_SECOND = 200;
const ABORT_AFTER_MS = 100;
const EDGE_INTERVAL_MS = 500;
/** RFC 5737: an address for documentation. */
const SENDER = '203.0.113.9';

/** Each connection requests a playlist with a segment that is seconds away, again after each answer. */
export async function heldPlaylists(context: AttackContext): Promise<unknown> {
	const { config, count } = context;
	const client = new AttackClient({ ...context, count: () => undefined });
	const get = (url: string): Promise<string> =>
		client.request({ method: 'GET', path: new URL(url).pathname, sender: SENDER });
	const channelUrl = new URL(`/hls/${config.channel}/index.m3u8`, config.httpUrl).href;
	const url = parseMultivariantPlaylist(await get(channelUrl), channelUrl)?.at(-1)?.videoUrl;
	if (url === undefined) {
		throw new Error('The channel has no picture to ask for.');
	}
	let farSequence = 0;
	const readEdge = async (): Promise<void> => {
		const text = await get(url);
		farSequence = text === '' ? farSequence : parseMediaPlaylist(text, url).next.sequence + 1;
	};
	await readEdge();
	const ask = (socket: Socket): void => {
		const { host, pathname } = new URL(url);
		const path = `${pathname}?_HLS_msn=${farSequence}`;
		socket.write(
			`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-For: ${SENDER}\r\nAccept-Encoding: gzip\r\n\r\n`,
		);
	};
	const open = (): Socket => {
		const { hostname, port } = new URL(url);
		const socket = connect({ port: Number(port), host: hostname, localAddress: config.fromAddress });
		socket.on('error', () => count('connection lost'));
		socket.on('connect', () => ask(socket));
		return socket;
	};
	const hold = (): void => {
		const socket = open();
		socket.on('data', (data: Buffer) => {
			// An answer begins a packet, because each request waits for the answer to the previous one.
			const status = /^HTTP\/1\.1 (\d+)/.exec(data.toString('latin1', 0, 16))?.[1];
			if (status !== undefined) {
				count(status);
				const waitMs = status === '200' ? 1 : AGAIN_AFTER_REFUSAL_MS;
				systemClock.setTimeout(() => ask(socket), waitMs);
			}
		});
	};
	const giveUp = (): void => {
		const socket = open();
		socket.resume();
		systemClock.setTimeout(() => {
			count('given up');
			socket.destroy();
		}, ABORT_AFTER_MS);
	};
	let opened = 0;
	return Promise.all([
		atRate(CONNECTIONS_PER_SECOND, () => opened++ < CONNECTION_COUNT && hold()),
		atRate(ABORTED_PER_SECOND, giveUp),
		atRate(1000 / EDGE_INTERVAL_MS, () => void readEdge().catch(() => undefined)),
	]);
}
