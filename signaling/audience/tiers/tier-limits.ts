/** Turns budget, measured load and seats into the numbers of viewers that a channel's WebRTC tier admits. */
import { LEAST_CEILINGS, pictureBps, picturesOf, type HeldPictures } from './held-pictures.ts';
import type { TierConditions } from './tier-input.ts';
import type { TierReason } from '../../../core/protocol/tiers.ts';

/**
 * This part of every limit stays free for hand-overs, where one viewer leaves while another enters. It is also the
 * hysteresis: a limit that fluctuates by less moves no viewer. A smaller part flaps; a larger one leaves places unused.
 */
const HAND_OVER_RESERVE_RATIO = 0.1;
/** CPU up to this part of its limit allows growth; from there to the limit no viewer enters or leaves. */
const CPU_GROWTH_RATIO = 0.8;
/** Below half the CPU limit this many more than measured may enter: a viewer costs 0.2–0.5 % of a core. */
const CPU_FREE_GROWTH_VIEWERS = 25;

/** In viewers of this channel, leaving ones included. */
export type TierLimits = {
	/** Above this, viewers are demoted. Decisions never raise the held transports above it. */
	hard: number;
	/** Up to this, viewers enter. At most nine tenths of `hard`. */
	target: number;
	/** Up to this, viewers with a better claim enter while the displaced ones are still leaving. */
	handOver: number;
	/** The owner's limit; Infinity without one. Above it viewers are demoted, but never as an emergency. */
	seats: number;
	/** For viewers without a place. */
	reason: TierReason;
	/** For viewers who are demoted because the hard limit is exceeded. */
	hardReason: TierReason;
	/** No worker runs, so WebRTC shows no picture. */
	isSfuGone: boolean;
};

/** The part of a limit that is filled: all but a tenth; a single place is filled. */
export function withoutReserve(limit: number): number {
	return limit <= 1 || limit === Infinity ? limit : Math.max(1, limit - Math.ceil(limit * HAND_OVER_RESERVE_RATIO));
}

/** `usedViewers`: viewers of this channel who hold a transport or are assigned WebRTC. `held`: their pictures. */
export function tierLimits(conditions: TierConditions, usedViewers: number, held: HeldPictures): TierLimits {
	const { budget, otherChannelsHeld, policy } = conditions;
	const perViewer = Math.max(1, conditions.consumersPerViewer);
	const byConsumers = viewersIn(budget.maxConsumers - otherChannelsHeld.consumers, perViewer);
	const byBitrate = viewersByBitrate(conditions, usedViewers, held);
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

/**
 * The present viewers count by what each may take, with smaller pictures under the least ceiling; and those who may
 * still come by that ceiling itself, or the source.
 */
function viewersByBitrate(conditions: TierConditions, usedViewers: number, held: HeldPictures): number {
	const roomBps = conditions.budget.maxBitrateBps - conditions.otherChannelsHeld.bitrateBps;
	if (conditions.bitrateBps <= 0 && conditions.pictures === undefined) {
		return Infinity;
	}
	const pictures = picturesOf(conditions);
	const heldBps = held.bitrateBps(pictures, LEAST_CEILINGS);
	return heldBps <= roomBps
		? usedViewers + viewersIn(roomBps - heldBps, pictureBps(pictures, 'source', LEAST_CEILINGS.ordinary))
		: Math.max(0, Math.floor((usedViewers * roomBps) / heldBps));
}

// The first of equal limits: consumers, bits, CPU, seats.
function smallest(limits: readonly [number, TierReason][]): [number, TierReason] {
	return limits.reduce((least, limit) => (limit[0] < least[0] ? limit : least));
}

/**
 * CPU shows only after viewers entered, and with a lag. It is compared with the consumers of the same smoothed moment.
 * So a late reading neither demotes too many while viewers leave, nor admits too many while they enter.
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
		// Each channel gives up its share of the excess.
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
	// The worker's other load (ingest, pipes) makes the first viewers look expensive, so they have a fixed allowance.
	const free = workerCpu <= maxWorkerCpu / 2 ? measured + CPU_FREE_GROWTH_VIEWERS : 0;
	return { hard: Infinity, growth: Math.max(0, Math.floor(Math.max(proportional, free) - others)) };
}
