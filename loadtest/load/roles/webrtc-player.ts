/** A WebRTC viewer with its figures: what the roles start and stop. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { Player, PlayerContext } from './player.ts';
import { WhepViewer } from '../../clients/whep/whep-viewer.ts';

/** Makes one; not started. `context.endpoints.whep` must be given; `viewerId` by those with a signaling socket. */
export function createWebRtcPlayer(
	{ clock, config, figures }: PlayerContext,
	onLost: (reason: string) => void,
	viewerId?: string,
): Player {
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
			authenticationFailed: () => figures.count('webrtc.unauthenticatedPackets'),
		},
		onLost,
	});
	const counter = new WebRtcCounter(clock);
	return {
		start: () => viewer.start(),
		close: () => viewer.close(),
		each: () => {
			if (viewer.sink !== undefined) {
				counter.count(viewer.sink.totals, figures);
			}
		},
		latencyMs: () => undefined,
		isPlaying: () => true,
	};
}

type Totals = NonNullable<WhepViewer['sink']>['totals'];

// Totals of a viewer → what was new since the last look.
class WebRtcCounter {
	readonly #clock: Clock;
	#seen: Totals | undefined;
	#seenAtMs = 0;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	count(totals: Totals, figures: PlayerContext['figures']): void {
		const [seen, nowMs] = [this.#seen, this.#clock.monotonicMs()];
		const since = (name: keyof Totals): number => totals[name] - (seen?.[name] ?? 0);
		figures.count('webrtc.packets', since('packetCount'));
		figures.count('webrtc.bytes', since('byteCount'));
		figures.count('webrtc.missed', since('missedCount'));
		figures.count('webrtc.lost', since('lostCount'));
		figures.count('webrtc.frames', since('frameCount'));
		figures.count('webrtc.strangePackets', since('strangeCount'));
		if (seen !== undefined && nowMs > this.#seenAtMs) {
			figures.sample('webrtc.bitrate', (since('byteCount') * 8000) / (nowMs - this.#seenAtMs));
		}
		[this.#seen, this.#seenAtMs] = [{ ...totals }, nowMs];
	}
}
