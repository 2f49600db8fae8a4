/** Maps the server's configuration to the options of each tier. */
import { DEFAULT_RTMP_SERVER_CONFIG, type RtmpServerConfig } from '../../ingest/rtmp/rtmp-server.ts';
import type { SfuConfig } from '../../sfu/workers/sfu-config.ts';
import type { AccountsOptions } from '../accounts/create-accounts.ts';
import { createProxyTrust } from '../platform/http/trusted-proxies.ts';
import type { VideosConfig } from '../videos/create-videos.ts';
import { isReachedByTls, type ServerConfig } from './server-config.ts';

export function sfuConfig({ rtc, mediasoupWorkerBin }: ServerConfig): SfuConfig {
	const { announcedAddresses, workerCount, plainPortMin, plainPortMax } = rtc;
	return {
		rtcPort: rtc.port,
		announcedAddresses,
		workerCount,
		plainPortMin,
		plainPortMax,
		workerBin: mediasoupWorkerBin,
	};
}

export function rtmpConfig({ rtmp, http }: ServerConfig): RtmpServerConfig {
	return {
		...DEFAULT_RTMP_SERVER_CONFIG,
		port: rtmp.port,
		host: http.host,
		maxConnectionCount: rtmp.maxConnections,
		reservedConnectionCount: rtmp.reservedConnections,
		maxUnauthenticatedPerAddress: rtmp.maxConnectionsPerAddress,
		...(rtmp.proxyProtocol ? { isProxy: createProxyTrust(http.trustedProxies) } : {}),
	};
}

export function accountsConfig(config: ServerConfig): AccountsOptions {
	return {
		isSecure: isReachedByTls(config),
		publicUrl: config.http.publicUrl,
		isSignUpOpen: config.accounts.isSignUpOpen,
	};
}

/** Origins whose pages may open sockets. */
export function allowedOrigins({ http }: ServerConfig): string[] {
	return [...http.allowedOrigins, ...(http.publicUrl === undefined ? [] : [new URL(http.publicUrl).origin])];
}

export function videosConfig({ recording, hls }: ServerConfig, mediaFolder: string): VideosConfig {
	const { maxBytes, maxBytesPerOwner, reservedBytes, retentionDays, maxHours, rewindMinutes } = recording;
	const limits = { maxBytes, maxBytesPerOwner, reservedBytes, retentionDays };
	const { storageClass, storageClassAfterDays } = recording.s3;
	return {
		...limits,
		storageClass,
		storageClassAfterDays,
		maxSeconds: maxHours * 3600,
		archiveSeconds: rewindMinutes * 60,
		mediaFolder,
		cdns: hls.cdns,
		purge: { urls: hls.purgeUrls, method: hls.purgeMethod },
	};
}

/** Where viewers load media from besides the server. */
export function mediaOrigins({ recording, hls }: ServerConfig): string[] {
	const { publicEndpoint } = recording.s3;
	const addresses = [
		...(publicEndpoint === undefined ? [] : [publicEndpoint]),
		...hls.cdns.map(({ baseUrl }) => baseUrl),
	];
	return [...new Set(addresses.map((address) => new URL(address).origin))];
}
