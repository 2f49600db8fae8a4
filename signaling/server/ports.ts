/** The configured ports of a server, and its endpoints once they are open. */
import type { FastifyInstance } from 'fastify';
import type { AddressInfo } from 'node:net';
import { LISTEN_BACKLOG } from '../../core/limits/listen-backlog.ts';
import type { Sfu } from '../../sfu/create-sfu.ts';
import { toPortError, type WantedPort } from '../platform/http/port-check.ts';
import type { ServerConfig } from './server-config.ts';

/** The addresses on which the server listens; also in `endpoints.json`, for tests and scripts. */
export type Endpoints = {
	httpUrl: string;
	rtmpUrl: string;
	httpPort: number;
	rtmpPort: number;
	rtcPorts: string;
	processId: number;
};

/** The ports that a start checks before its slow steps. */
export function wantedPorts({ http, rtmp, rtc }: ServerConfig): [http: WantedPort, rtmp: WantedPort, rtc: WantedPort] {
	const { host } = http;
	return [
		{ setting: 'http.port', environmentName: 'SPILLWAY_HTTP_PORT', port: http.port, host },
		{ setting: 'rtmp.port', environmentName: 'SPILLWAY_RTMP_PORT', port: rtmp.port, host },
		// The next ports are for workers that start on demand.
		{ setting: 'rtc.port', environmentName: 'SPILLWAY_RTC_PORT', port: rtc.port, host: undefined, isUdpToo: true },
	];
}

/** Opens HTTP, then RTMP; the SFU has opened WebRTC. Rejects with CONFIG_INVALID when one cannot be opened. */
export async function openPorts(
	config: ServerConfig,
	{ app, rtmp, sfu }: { app: FastifyInstance; rtmp: { listen(): Promise<{ port: number }> }; sfu: Sfu },
): Promise<Endpoints> {
	const [httpWanted, rtmpWanted] = wantedPorts(config);
	await app
		.listen({ host: config.http.host, port: config.http.port, backlog: LISTEN_BACKLOG })
		.catch((error: unknown) => {
			throw toPortError(error, httpWanted);
		});
	const httpPort = (app.server.address() as AddressInfo).port;
	const { port: rtmpPort } = await rtmp.listen().catch((error: unknown) => {
		throw toPortError(error, rtmpWanted);
	});
	const scheme = config.http.tlsCertificateFile === undefined ? 'http' : 'https';
	const host = config.http.host === '0.0.0.0' || config.http.host === '::' ? 'localhost' : config.http.host;
	const { publicUrl } = config.http;
	return {
		httpUrl: publicUrl?.replace(/\/$/, '') ?? `${scheme}://${host}:${httpPort}`,
		rtmpUrl: `rtmp://${publicUrl === undefined ? host : new URL(publicUrl).hostname}:${rtmpPort}/live`,
		httpPort,
		rtmpPort,
		rtcPorts: sfu.pool.ports.join(','),
		processId: process.pid,
	};
}
