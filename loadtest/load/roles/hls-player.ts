/** LL-HLS viewers with their figures. */
import { chooseVariant, rungOf } from '../../clients/hls/media-playlist.ts';
import { adjustRung, type Player, type PlayerContext } from './player.ts';
import { HlsViewer } from '../../clients/hls/hls-viewer.ts';

/** Makes the viewers of one process, which share the variants out; see {@link createHlsPlayer}. */
export function hlsPlayers(): (context: PlayerContext, onLost: (reason: string) => void) => Player {
	let viewerCount = 0;
	return (context, onLost) => createHlsPlayer(context, onLost, viewerCount++);
}

/** Not started. `config.endpoints.hls` must be there. */
function createHlsPlayer(
	{ clock, config, figures }: PlayerContext,
	onLost: (reason: string) => void,
	viewerNumber: number,
): Player {
	let rung: string | undefined;
	const setRung = (next: string | undefined): void => {
		adjustRung(figures, 'hls', rung, next);
		rung = next;
	};
	let byteCount = 0;
	let countedAtMs: number | undefined;
	const counted = { gapCount: 0, jumpCount: 0 };
	const viewer = new HlsViewer({
		clock,
		url: config.endpoints.hls!,
		clockOffsetMs: config.clockOffsetMs,
		chooseVariant: (variants) => {
			const variant = chooseVariant(variants, config.hlsVariant, viewerNumber);
			setRung(rungOf(variant));
			return variant;
		},
		figures: {
			partLate: (lateMs) => figures.sample('hls.partLate', lateMs),
			chunkTime: (durationMs) => figures.sample('hls.partTime', durationMs),
			received: (bytes) => (byteCount += bytes),
			requested: () => figures.count('hls.requests'),
			requestFailed: () => figures.count('hls.requestErrors'),
			stall: (durationMs) => {
				figures.count('hls.stalls');
				figures.sample('hls.stall', durationMs);
			},
		},
		onLost,
	});
	return {
		start: () => viewer.start(),
		close: () => {
			setRung(undefined);
			return Promise.resolve(viewer.close());
		},
		each: () => {
			const latencyMs = viewer.latencyMs();
			if (latencyMs !== undefined) {
				figures.sample('hls.latency', latencyMs);
				figures.sample('hls.buffered', viewer.bufferedMs());
			}
			const nowMs = clock.monotonicMs();
			figures.count('hls.bytes', byteCount);
			if (countedAtMs !== undefined && nowMs > countedAtMs) {
				figures.sample('hls.bitrate', (byteCount * 8000) / (nowMs - countedAtMs));
			}
			[byteCount, countedAtMs] = [0, nowMs];
			figures.count('hls.gaps', viewer.counts.gapCount - counted.gapCount);
			figures.count('hls.jumps', viewer.counts.jumpCount - counted.jumpCount);
			Object.assign(counted, viewer.counts);
		},
		latencyMs: () => viewer.latencyMs(),
		isPlaying: () => viewer.isPlaying,
	};
}
