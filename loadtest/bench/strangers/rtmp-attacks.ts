/** Attacks over RTMP: connections that never publish, and wrong stream keys. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { HANDSHAKE_PACKET_BYTES } from '../../../core/wire/rtmp/handshake.ts';
import { RtmpConnection } from '../../clients/rtmp/rtmp-connection.ts';
import type { AttackContext } from './attack.ts';
import { atRate } from './attack-client.ts';

/** Connections of one address at a time: half are silent, half finish the handshake and then are silent. */
const CONNECTION_COUNT = 1000;
/** Rate of new ones: four times the rate that locks streamers out of a server without a limit on connections. */
const CONNECTIONS_PER_SECOND = 500;
/** C0, C1 and C2 in one (RTMP 1.0 §5.2), without waiting for the server's part. */
const HANDSHAKE = Buffer.concat([Buffer.of(3), Buffer.alloc(2 * HANDSHAKE_PACKET_BYTES)]);
/** More than the server answers at once: it delays wrong keys of one address. */
const WRONG_KEYS_PER_SECOND = 10;

/** One address opens as many connections as it can, and replaces those that are closed. */
export function rtmpConnections({ config, count }: AttackContext): Promise<never> {
	const { hostname, port } = new URL(config.rtmpUrl);
	let openCount = 0;
	return atRate(CONNECTIONS_PER_SECOND, (number) => {
		if (openCount < CONNECTION_COUNT) {
			openCount++;
			const socket = connect({ port: Number(port), host: hostname, localAddress: config.fromAddress });
			socket.once('close', () => openCount--);
			beSilent(socket, number % 2 === 0, count);
		}
	});
}

/** Wrong keys from the address of a streamer: many people share one behind a mobile network or a proxy. */
export function wrongKeys({ config, count }: AttackContext): Promise<never> {
	return atRate(WRONG_KEYS_PER_SECOND, () => {
		const key = `wrong_${randomBytes(12).toString('hex')}`;
		RtmpConnection.publish(config.rtmpUrl, key, config.streamerAddress).then(
			(connection) => {
				count('accepted');
				connection.abort();
			},
			() => count('refused'),
		);
	});
}

function beSilent(socket: Socket, doesHandshake: boolean, count: AttackContext['count']): void {
	socket.on('connect', () => {
		count('connected');
		if (doesHandshake) {
			socket.write(HANDSHAKE);
		}
	});
	socket.on('error', () => count('reset or refused'));
	socket.resume();
}
