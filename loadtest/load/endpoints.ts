/** The addresses of a run: those of our kind of server, of which single ones can be replaced. */
import { SIGNALING_PATH } from '../../core/protocol/signaling/signaling-constants.ts';
import type { LoadOptions } from './options.ts';
import type { Endpoints } from './figures/messages.ts';

/** `server` is undefined where only single addresses are given. */
export function runEndpoints(
	options: Pick<LoadOptions, 'addresses' | 'webRtcPortMap' | 'channel'>,
	server: { httpUrl: string; rtmpUrl: string | undefined } | undefined,
): Endpoints {
	const { addresses, channel, webRtcPortMap } = options;
	const own: Omit<Endpoints, 'webRtcPortMap'> =
		server === undefined
			? {}
			: {
					httpUrl: server.httpUrl,
					whip: new URL('/whip', server.httpUrl).href,
					...(server.rtmpUrl === undefined ? {} : { rtmp: server.rtmpUrl }),
					whep: new URL(`/whep/${channel}`, server.httpUrl).href,
					hls: new URL(`/hls/${channel}/index.m3u8`, server.httpUrl).href,
					signaling: new URL(SIGNALING_PATH, server.httpUrl).href.replace(/^http/, 'ws'),
				};
	return { ...own, ...addresses, webRtcPortMap };
}
