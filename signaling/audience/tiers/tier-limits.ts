/**
 * How many viewers of a channel the WebRTC tier takes: budget, measured load and seats turned into numbers of viewers.
 */
import type { TierConditions } from './tier-input.ts';
import type { TierReason } from '../../../core/protocol/tiers.ts';

/**
 * This part of every limit stays free for hand-overs, where one leaves while another comes. It is the hysteresis as
 * well: filled up to nine tenths, cut back only above the whole, so a limit that wavers by less moves nobody. Less
 * flaps; more lies idle.
 */
const HAND_OVER_RESERVE_RATIO = 0.1;
/** CPU up to this part of its limit allows growth; between here and the limit nobody comes and nobody goes. */
const CPU_GROWTH_RATIO = 0.8;
/**
 * Below half the limit so many more than measured may come, however little is known yet: a viewer costs 0.2–0.5 % of a
 * core.
 */
const CPU_FREE_GROWTH_VIEWERS = 25;

/** In viewers of this channel, those who are leaving counted. */
export type TierLimits = {
	/** Above this, viewers are sent away. What holds transports may never be decided to be more. */
	hard: number;
	/** Up to this, viewers come in. At most nine tenths of `hard`. */
	target: number;
	/** Up to this, viewers with a better claim come in while those they displace are still leaving. */
	handOver: number;
	/** The owner's limit; Infinity without one. Above it viewers are sent away, but never as an emergency. */
	seats: number;
	/** Told to those who find no place. */
	reason: TierReason;
	/** Told to those who are sent away because the hard limit is exceeded. */
	hardReason: TierReason;
	/** No worker runs: what is decided WebRTC shows nothing any more. */
	isSfuGone: boolean;
};

/** The part of a limit that is filled: all but a tenth, but of a single place that place. */
export function withoutReserve(limit: number): number {
	return limit <= 1 || limit === Infinity ? limit : Math.max(1, limit - Math.ceil(limit * HAND_OVER_RESERVE_RATIO));
}

/** `usedViewers`: those of this channel who hold a transport or have been told to open one. */
export function tierLimits(conditions: TierConditions, usedViewers: number): TierLimits {
	const { budget, otherChannelsHeld, policy } = conditions;
	const perViewer = Math.max(1, conditions.consumersPerViewer);
	const byConsumers = viewersIn(budget.maxConsumers - otherChannelsHeld.consumers, perViewer);
	const byBitrate = viewersIn(budget.maxBitrateBps - otherChannelsHeld.bitrateBps, conditions.bitrateBps);
	const cpu = cpuLimits(conditions, usedViewers, perViewer);
	const seats = policy.interactiveSeats ?? Infinity;
	const isSfuGone = budget.maxConsumers <= 0;

	const hardLimits: [number, TierReason][] = [
		[byConsumers, isSfuGone ? 'sfu-unavailable' : 'budget-consumers'],
		[byBitrate, 'budget-bitrate'],
		[cpu.hard, 'budget-cpu'],
	];
	const [hard, hardReason] = smallest(hardLimits);
	const [target, reason] = smallest([
		...hardLimits.map(([limit, name]): [number, TierReason] => [withoutReserve(limit), name]),
		[cpu.growth, 'budget-cpu'],
		[seats, 'seats-full'],
	]);
	const handOver = Math.min(hard, target + Math.ceil(target * HAND_OVER_RESERVE_RATIO));
	return { hard, target, handOver, seats, reason, hardReason, isSfuGone };
}

function viewersIn(room: number, perViewer: number): number {
	return perViewer > 0 ? Math.max(0, Math.floor(room / perViewer)) : Infinity;
}

// The first of equals: consumers before bits before CPU before seats.
function smallest(limits: readonly [number, TierReason][]): [number, TierReason] {
	return limits.reduce((least, limit) => (limit[0] < least[0] ? limit : least));
}

/**
 * CPU is feedback, unlike the two others: it is known only after viewers came, and late. It is judged together with the
 * number of consumers of the same (smoothed) moment, so a reading that lags behind neither sends more away than needed
 * while they leave, nor lets too many in while they come.
 */
function cpuLimits(
	conditions: TierConditions,
	usedViewers: number,
	perViewer: number,
): { hard: number; growth: number } {
	const { workerCpu, consumersMeasured } = conditions.load;
	const { maxWorkerCpu } = conditions.budget;
	const others = Math.max(0, conditions.otherChannelsHeld.consumers) / perViewer;
	const measured = consumersMeasured === undefined ? usedViewers + others : consumersMeasured / perViewer;
	if (workerCpu > maxWorkerCpu) {
		// Each channel bears its share of what is too much.
		const fitting = (measured * maxWorkerCpu) / workerCpu;
		const now = usedViewers + others;
		const hard = now <= fitting ? Math.floor(fitting - others) : Math.floor((fitting * usedViewers) / now);
		return { hard: Math.max(0, hard), growth: usedViewers };
	}
	const allowed = maxWorkerCpu * CPU_GROWTH_RATIO;
	if (workerCpu > allowed) {
		return { hard: Infinity, growth: Math.max(0, Math.floor(measured - others)) };
	}
	const proportional = workerCpu > 0 ? (measured * allowed) / workerCpu : Infinity;
	// What the worker does besides (ingest, pipes) makes the first viewers look expensive, so they are not judged by
	// proportion.
	const free = workerCpu <= maxWorkerCpu / 2 ? measured + CPU_FREE_GROWTH_VIEWERS : 0;
	return { hard: Infinity, growth: Math.max(0, Math.floor(Math.max(proportional, free) - others)) };
}
