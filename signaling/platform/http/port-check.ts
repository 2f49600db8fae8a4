/** Checks ports before the slow steps of a start, and names the setting of one that cannot be opened. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { SpillwayError } from '../../../core/errors/errors.ts';

/** A port that the server is about to open. */
export type WantedPort = {
	/** Its names in the configuration file and in the environment. */
	setting: string;
	environmentName: string;
	port: number;
	/** Undefined: every address. */
	host: string | undefined;
	/** For WebRTC. */
	isUdpToo?: boolean;
};

/** Maps the system's errors of opening a port to CONFIG_INVALID; returns other errors unchanged. */
export function toPortError(error: unknown, { setting, environmentName, port, host }: WantedPort): unknown {
	const { code } = error as NodeJS.ErrnoException;
	const what = `${setting} (${environmentName}) is ${port}`;
	const sentences: Record<string, string> = {
		EADDRINUSE: `${what}, and another program uses that port already. Stop it ("ss -tulnp" lists who holds which port), or choose another port.`,
		EACCES: `${what}, and this account may not open that port. Choose one above 1023, or give the program the right to.`,
		EADDRNOTAVAIL: `http.host (SPILLWAY_HTTP_HOST) is ${host}, which is no address of this machine.`,
	};
	const sentence = sentences[code ?? ''];
	return sentence === undefined ? error : new SpillwayError('CONFIG_INVALID', [sentence], { cause: error });
}

/** Opens and closes each port once, except port 0. Rejects with CONFIG_INVALID for the first that cannot be opened. */
export async function checkPorts(wanted: readonly WantedPort[]): Promise<void> {
	for (const port of wanted.filter((entry) => entry.port !== 0)) {
		try {
			await tryTcp(port);
			if (port.isUdpToo === true) {
				await tryUdp(port);
			}
		} catch (error) {
			throw toPortError(error, port);
		}
	}
}

async function tryTcp({ port, host }: WantedPort): Promise<void> {
	const server = createServer();
	server.listen({ port, ...(host === undefined ? {} : { host }) });
	await once(server, 'listening');
	server.close();
	await once(server, 'close');
}

async function tryUdp({ port, host }: WantedPort): Promise<void> {
	const socket = createSocket('udp4');
	try {
		socket.bind({ port, ...(host === undefined ? {} : { address: host }) });
		await once(socket, 'listening');
	} finally {
		socket.close();
	}
}
