/** When a failed encoder is started again, and when it counts as failing. Pure. */
import type { RetryPolicy } from '../../core/lifecycle/back-off.ts';
import type { EncoderState } from '../../core/protocol/api/channel-description.ts';

/** How often to try again, for as long as there is something to encode, and what the failures mean. */
export type RestartPolicy = RetryPolicy & {
	/** From this failure in a row on, the encoder counts as failing, and an operator should look. */
	failingFromAttempt: number;
	/** An encoder that worked this long counts as healthy: the next failure begins with the first delay again. */
	healthyAfterMs: number;
};

/** 0.5, 1, 2, 4, 8 s, then every 10 s. A machine out of memory may recover within half a minute. */
export const DEFAULT_RESTART_POLICY: RestartPolicy = {
	maxAttempts: Infinity,
	firstDelayMs: 500,
	maxDelayMs: 10_000,
	jitterRatio: 0,
	failingFromAttempt: 6,
	healthyAfterMs: 30_000,
};

/** State of an encoder after so many failures in a row; `isWorking`: something has come out since the last one. */
export function encoderState(policy: RestartPolicy, attempt: number, isWorking: boolean): EncoderState {
	if (attempt >= policy.failingFromAttempt) {
		return 'failing';
	}
	return attempt === 0 || isWorking ? 'running' : 'restarting';
}
