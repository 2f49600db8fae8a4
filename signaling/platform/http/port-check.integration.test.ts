/** Tests of ports that cannot be opened, against real sockets. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { checkPorts, toPortError, type WantedPort } from './port-check.ts';

const wanted = (port: number, more: Partial<WantedPort> = {}): WantedPort => ({
	setting: 'http.port',
	environmentName: 'SPILLWAY_HTTP_PORT',
	host: '127.0.0.1',
	port,
	...more,
});

it('names the setting of a port in use, and accepts a free port', async () => {
	const other = createServer();
	other.listen(0, '127.0.0.1');
	await once(other, 'listening');
	const { port } = other.address() as AddressInfo;
	await expect(checkPorts([wanted(0), wanted(port)])).rejects.toMatchObject({
		code: 'CONFIG_INVALID',
		message: expect.stringContaining(
			`http.port (SPILLWAY_HTTP_PORT) is ${port}, and another program uses that port already.`,
		) as string,
	});
	other.close();
	await once(other, 'close');
	// Twice, because the check must free the port.
	await checkPorts([wanted(port)]);
	await checkPorts([wanted(port)]);
});

it('checks UDP as well where it is needed', async () => {
	const other = createSocket('udp4');
	other.bind(0, '127.0.0.1');
	await once(other, 'listening');
	const { port } = other.address();
	try {
		await checkPorts([wanted(port)]);
		await expect(checkPorts([wanted(port, { isUdpToo: true })])).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
	} finally {
		other.close();
	}
});

it('explains a missing right and an address of another machine, and passes other errors', async () => {
	const denied = Object.assign(new Error('listen'), { code: 'EACCES' });
	expect(toPortError(denied, wanted(80))).toMatchObject({ message: expect.stringContaining('above 1023') as string });
	await expect(checkPorts([wanted(20_000, { host: '192.0.2.1' })])).rejects.toThrow(/http\.host.*192\.0\.2\.1/);
	const bug = new TypeError('x');
	expect(toPortError(bug, wanted(80))).toBe(bug);
});
