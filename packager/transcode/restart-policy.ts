/** When a failed encoder is started again, and from when on it counts as failing. Pure. */
import type { EncoderState } from '../../core/protocol/api/channel-description.ts';

/** Delays double from the first to the longest, which is then kept for as long as there is something to encode. */
export type RestartPolicy = {
	firstDelayMs: number;
	maxDelayMs: number;
	/** From this failure in a row on, the encoder counts as failing: somebody should look. */
	failingFromAttempt: number;
	/** An encoder that worked this long counts as healthy: the next failure begins with the first delay again. */
	healthyAfterMs: number;
};

/** 0.5, 1, 2, 4, 8 s, then every 10 s. A machine out of memory may recover within half a minute; from then on it is reported. */
export const DEFAULT_RESTART_POLICY: RestartPolicy = {
	firstDelayMs: 500,
	maxDelayMs: 10_000,
	failingFromAttempt: 6,
	healthyAfterMs: 30_000,
};

/** Milliseconds before restart number `attempt` (1, 2 …). There is no last one: whoever ends the transcoder ends the tries. */
export function restartDelayMs(policy: RestartPolicy, attempt: number): number {
	return Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (attempt - 1));
}

/** How an encoder is doing after so many failures in a row; `isWorking`: something has come out since the last one. */
export function encoderState(policy: RestartPolicy, attempt: number, isWorking: boolean): EncoderState {
	if (attempt >= policy.failingFromAttempt) {
		return 'failing';
	}
	return attempt === 0 || isWorking ? 'running' : 'restarting';
}
