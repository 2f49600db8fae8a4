/** A WebRTC viewer with its figures. */
import { adjustRung, type Player, type PlayerContext } from './player.ts';
import { bytesToBps } from '../../../core/units.ts';
import type { RtpTotals } from '../../clients/whep/rtp-sink.ts';
import { WhepViewer } from '../../clients/whep/whep-viewer.ts';

/** Not started. `config.endpoints.whep` must be there; `viewerId`: from the signaling socket. */
export function createWebRtcPlayer(
	{ clock, config, figures }: PlayerContext,
	onLost: (reason: string) => void,
	viewerId?: string,
): Player {
	let rung: string | undefined;
	const setRung = (next: string | undefined): void => {
		adjustRung(figures, 'webrtc', rung, next);
		rung = next;
	};
	const viewer = new WhepViewer({
		clock,
		url: config.endpoints.whep!,
		clockOffsetMs: config.clockOffsetMs,
		portMap: config.endpoints.webRtcPortMap,
		viewerId,
		figures: {
			latency: (kind, latencyMs) =>
				figures.sample(kind === 'video' ? 'webrtc.latency' : 'webrtc.audioLatency', latencyMs),
			freeze: (durationMs) => {
				figures.count('webrtc.freezes');
				figures.sample('webrtc.freeze', durationMs);
			},
			jitter: (jitterMs) => figures.sample('webrtc.jitter', jitterMs),
			pictureSize: ({ heightPixels }) => setRung(`${heightPixels}p`),
			authenticationFailed: () => figures.count('webrtc.unauthenticatedPackets'),
		},
		onLost,
	});
	let counted: { totals: RtpTotals; atMs: number } | undefined;
	return {
		start: () => viewer.start(),
		close: () => {
			setRung(undefined);
			return viewer.close();
		},
		each: () => {
			if (viewer.sink === undefined) {
				return;
			}
			const [before, totals, atMs] = [counted, { ...viewer.sink.totals }, clock.monotonicMs()];
			counted = { totals, atMs };
			const since = (name: keyof RtpTotals): number => totals[name] - (before?.totals[name] ?? 0);
			figures.count('webrtc.packets', since('packetCount'));
			figures.count('webrtc.bytes', since('byteCount'));
			figures.count('webrtc.missed', since('missedCount'));
			figures.count('webrtc.lost', since('lostCount'));
			figures.count('webrtc.frames', since('frameCount'));
			figures.count('webrtc.strangePackets', since('strangeCount'));
			if (before !== undefined && atMs > before.atMs) {
				figures.sample('webrtc.bitrate', bytesToBps(since('byteCount'), atMs - before.atMs));
			}
		},
		latencyMs: () => undefined,
		isPlaying: () => true,
	};
}
