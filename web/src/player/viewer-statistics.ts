/** What the player reports of its playback to the server. Pure. */
import type { ViewerStatistics } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { PlaybackState } from './playback/playback-state.ts';
import type { PlaybackStatistics } from './playback/playback.ts';
import type { Quality } from './playback/quality.ts';
import { shownRung } from './quality-choice.ts';

/** The player's states as the signaling socket names them. */
const REPORTED_STATES: Record<PlaybackState, ViewerStatistics['state']> = {
	idle: 'connecting',
	connecting: 'connecting',
	playing: 'playing',
	stalled: 'stalled',
	interrupted: 'interrupted',
	offline: 'interrupted',
	ended: 'interrupted',
	error: 'failed',
	// Closed during a pause; its replacement is about to connect.
	stopped: 'connecting',
};

/** `isBehindLive`: by the viewer's choice, which is no latency. */
type ViewerFacts = { isPaused: boolean; isBehindLive: boolean; shownQuality: Quality | undefined };

export function viewerStatistics(
	reading: PlaybackStatistics | undefined,
	{ isPaused, isBehindLive, shownQuality }: ViewerFacts,
): Omit<ViewerStatistics, 'type'> | undefined {
	if (reading === undefined) {
		return undefined;
	}
	const { latencyMs } = reading;
	const rung = reading.tier === 'll-hls' ? shownRung(shownQuality) : undefined;
	return {
		tier: reading.tier,
		state: isPaused ? 'paused' : REPORTED_STATES[reading.state],
		...(latencyMs === undefined || isPaused || isBehindLive ? {} : { latencyMs: Math.round(latencyMs) }),
		stallCount: reading.stallCount,
		stalledForMs: Math.round(reading.stalledForMs),
		shownFrameCount: reading.framesShownCount,
		droppedFrameCount: reading.framesDroppedCount,
		bitrateBps: Math.round(reading.bitrateBps ?? 0),
		...(rung === undefined ? {} : { rung }),
		...(reading.isLineShort ? { isLineShort: true } : {}),
	};
}
