/** What the plan of a hand-over asks of legs, and how it says what happens. Pure. */
import { aheadMs } from '../measure/alignment.ts';
import type { HandOverEvents, LegReading, Notice, PlanAction } from './hand-over-types.ts';
import type { Pause } from './pause-policy.ts';

/** True when the shown leg was closed, and only its last picture is left. */
export function rests(shown: LegReading | undefined): boolean {
	return shown?.state === 'stopped';
}

/** True when the first leg has stopped by itself, and the second one shows nothing older than its last picture. */
export function hasStopped(first: LegReading, second: LegReading): boolean {
	// One picture of WebRTC is not enough: this leg may be what starves the shown one.
	const isWorthIt = second.tier === 'll-hls' || second.isSteady;
	return isWorthIt && first.state !== 'playing' && (aheadMs(second.latestMs, first.latestMs) ?? 0) >= 0;
}

/** Where a pause continues: at the last picture, which a busy browser may have shown after the pause began. */
export function placeOf(pause: Pause, shown: LegReading | undefined): number | undefined {
	return pause.wasBehindLive ? pause.captureTimeMs : (shown?.latestMs ?? pause.captureTimeMs);
}

export function rest(): PlanAction[] {
	return [{ do: 'leave-elsewhere' }, { do: 'rest' }, changed()];
}

export function changed(): PlanAction {
	return notice('changed');
}

export function notice<Name extends keyof HandOverEvents>(event: Name, ...args: HandOverEvents[Name]): PlanAction {
	return { do: 'notify', event, args } as Notice;
}
