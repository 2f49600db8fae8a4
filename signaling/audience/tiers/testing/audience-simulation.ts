/**
 * A crowd on a virtual clock for the tier controller: a million viewers come within a minute, a worker dies, the crowd
 * leaves.
 */
import { DeadlineQueue } from '../deadline-queue.ts';
import { TierController, type TierChange } from '../tier-controller.ts';
import type { TierConditions, TierViewer, ViewerRole } from '../tier-input.ts';

/** What is played. */
export type SimulationPlan = {
	/** Equal seeds give equal runs. */
	seed: number;
	/** Number of viewers wished for at a time; straight lines between the points, the last one ends the run. */
	curve: readonly { atSeconds: number; viewerCount: number }[];
	/** Consumers, bits per second and CPU of the node; a viewer has two Consumers and some 3 Mbit/s. */
	budget: TierConditions['budget'];
	/** CPU of the busiest worker that one viewer costs. */
	cpuPerViewer: number;
	/** When one of four workers dies, with the WebRTC viewers on it. */
	workerLostAtSeconds: number;
	/** Time of the machine, to measure how long decisions take; not used otherwise. */
	machineMs: () => number;
};

/** One second of the run. */
export type SimulationSample = {
	atSeconds: number;
	viewerCount: number;
	/** Transports open or promised, those who are leaving included. */
	heldCount: number;
	webRtcCount: number;
	hlsCount: number;
	hardLimit: number;
	target: number;
	/** Moves within the second: soft ones, and jumps. */
	plannedCount: number;
	emergencyCount: number;
	/** Longest and mean of ten runs of `decide`. */
	longestDecisionMs: number;
	meanDecisionMs: number;
};

/** What must hold over the whole run; all but the first two are 0 in a good one. */
export type SimulationTotals = {
	joinedCount: number;
	switchCount: number;
	/** Runs after which more was held than the hard limit, though it had not just shrunk. */
	overBudgetCount: number;
	withoutTierCount: number;
	/** Soft moves less than a minute after the viewer's last soft one. */
	earlySwitchCount: number;
};

const TICK_MS = 100;
/** From the offer to an open transport. */
const OPEN_MS = 300;
/** Until a player whose packets are blocked gives up. */
const BLOCKED_MS = 3000;
const SLIDE_MIN_MS = 5000;
const SLIDE_MAX_MS = 40_000;
const CHATS_PER_SECOND = 5;
const BITRATE_BPS = 3_000_000;
const WORKER_COUNT = 4;

type Due = { id: string; kind: 'open' | 'close' | 'blocked'; decidedSinceMs: number };

/** Runs once. */
export class AudienceSimulation {
	readonly samples: SimulationSample[] = [];
	readonly totals: SimulationTotals = {
		joinedCount: 0,
		switchCount: 0,
		overBudgetCount: 0,
		withoutTierCount: 0,
		earlySwitchCount: 0,
	};
	readonly #plan: SimulationPlan;
	readonly #random: () => number;
	readonly #controller = new TierController();
	#conditions: TierConditions;
	readonly #due = new DeadlineQueue<Due>();
	readonly #ids: string[] = [];
	readonly #lastSwitchMs = new Map<string, number>();
	readonly #worker = new Map<string, number>();
	#nowMs = 0;
	#smoothCpu = 0;
	#smoothConsumers = 0;
	#heldBefore = 0;
	#plannedCount = 0;
	#emergencyCount = 0;
	#decisionsMs: number[] = [];

	constructor(plan: SimulationPlan) {
		this.#plan = plan;
		this.#random = createRandom(plan.seed);
		this.#conditions = {
			policy: { mode: 'automatic', interactiveSeats: null },
			bitrateBps: BITRATE_BPS,
			consumersPerViewer: 2,
			budget: plan.budget,
			load: { workerCpu: 0, consumersMeasured: 0 },
			otherChannelsHeld: { consumers: 0, bitrateBps: 0 },
		};
	}

	/** Plays the whole curve. */
	run(): void {
		const endMs = this.#plan.curve.at(-1)!.atSeconds * 1000;
		while (this.#nowMs < endMs) {
			this.#nowMs += TICK_MS;
			this.#follow(wishedCount(this.#plan.curve, this.#nowMs / 1000));
			this.#happenDue();
			this.#chat();
			if (this.#nowMs % 1000 === 0) {
				this.#measure();
			}
			this.#decide();
			if (this.#nowMs % 1000 === 0) {
				this.#sample();
			}
		}
	}

	#follow(count: number): void {
		while (this.#ids.length < count) {
			this.#join();
		}
		while (this.#ids.length > count) {
			const place = Math.floor(this.#random() * this.#ids.length);
			const id = this.#ids[place]!;
			this.#ids[place] = this.#ids.at(-1)!;
			this.#ids.pop();
			this.#controller.leave(id);
			this.#lastSwitchMs.delete(id);
			this.#worker.delete(id);
		}
	}

	#join(): void {
		const number = this.totals.joinedCount++;
		const id = `v${String(number).padStart(8, '0')}`;
		const chance = this.#random();
		const viewer: TierViewer = {
			id,
			joinedAtMs: this.#nowMs,
			role: roleOf(number, chance),
			lastChatAtMs: undefined,
			canWebRtc: this.#random() >= 0.005,
			canHls: true,
			isPinnedToHls: this.#random() < 0.005,
			webRtcFailedAtMs: undefined,
			failureCount: 0,
			failureCause: undefined,
			decided: undefined,
			holdsWebRtc: false,
			isUnproven: false,
		};
		this.#ids.push(id);
		this.#controller.join(viewer);
	}

	#chat(): void {
		if (this.#ids.length > 0 && this.#random() < (CHATS_PER_SECOND * TICK_MS) / 1000) {
			const id = this.#ids[Math.floor(this.#random() * this.#ids.length)]!;
			this.#controller.update(id, { lastChatAtMs: this.#nowMs });
		}
	}

	#happenDue(): void {
		for (let due = this.#due.takeDue(this.#nowMs); due !== undefined; due = this.#due.takeDue(this.#nowMs)) {
			const { id, kind, decidedSinceMs } = due.subject;
			const viewer = this.#controller.viewerOf(id);
			// They have left, or were told something else since.
			if (viewer === undefined || viewer.decided?.sinceMs !== decidedSinceMs) {
				continue;
			}
			if (kind === 'blocked') {
				this.#controller.update(id, {
					holdsWebRtc: false,
					webRtcFailedAtMs: this.#nowMs,
					failureCount: viewer.failureCount + 1,
					failureCause: 'blocked',
				});
			} else {
				this.#controller.update(id, { holdsWebRtc: kind === 'open' });
			}
		}
	}

	// What the meter would see, once a second, with noise.
	#measure(): void {
		const { webRtcCount, leavingCount } = this.#controller.counts;
		const held = webRtcCount + leavingCount;
		const cpu = Math.min(1, (0.05 + held * this.#plan.cpuPerViewer) * (1 + 0.05 * this.#noise()));
		this.#smoothCpu += 0.3 * (cpu - this.#smoothCpu);
		this.#smoothConsumers += 0.3 * (held * 2 - this.#smoothConsumers);
		this.#conditions = {
			...this.#conditions,
			load: { workerCpu: this.#smoothCpu, consumersMeasured: this.#smoothConsumers },
			bitrateBps: BITRATE_BPS * (1 + 0.03 * this.#noise()),
		};
	}

	#decide(): void {
		const lost = this.#nowMs === this.#plan.workerLostAtSeconds * 1000 ? this.#loseWorker() : new Set<string>();
		const startedMs = this.#plan.machineMs();
		const changes = this.#controller.decide(this.#conditions, this.#nowMs, lost);
		this.#decisionsMs.push(this.#plan.machineMs() - startedMs);
		for (const change of changes) {
			this.#apply(change);
		}
		const { viewerCount, webRtcCount, leavingCount, limits } = this.#controller.counts;
		const held = webRtcCount + leavingCount;
		this.totals.overBudgetCount += held > limits!.hard && held > this.#heldBefore ? 1 : 0;
		this.totals.withoutTierCount += viewerCount === this.#ids.length ? 0 : 1;
		this.#heldBefore = held;
	}

	#loseWorker(): Set<string> {
		const lost = new Set([...this.#worker].filter(([, worker]) => worker === 0).map(([id]) => id));
		for (const id of lost) {
			this.#controller.update(id, { holdsWebRtc: false });
		}
		return lost;
	}

	#apply({ id, verdict }: TierChange): void {
		const decided = this.#controller.viewerOf(id)!.decided!;
		const isSwitch = decided.switchedAtMs !== undefined;
		const decidedSinceMs = decided.sinceMs;
		if (isSwitch) {
			this.#countSwitch(id, verdict.isEmergency);
		}
		if (verdict.tier === 'webrtc') {
			const number = Number(id.slice(1));
			this.#worker.set(id, number % WORKER_COUNT);
			this.#due.add(this.#nowMs + OPEN_MS, { id, kind: 'open', decidedSinceMs });
			if (number % 50 === 7) {
				this.#due.add(this.#nowMs + BLOCKED_MS, { id, kind: 'blocked', decidedSinceMs });
			}
		} else {
			this.#worker.delete(id);
			const slideMs = verdict.isEmergency ? 0 : SLIDE_MIN_MS + this.#random() * (SLIDE_MAX_MS - SLIDE_MIN_MS);
			if (isSwitch) {
				this.#due.add(this.#nowMs + slideMs, { id, kind: 'close', decidedSinceMs });
			}
		}
	}

	#countSwitch(id: string, isEmergency: boolean): void {
		const isEarly = this.#nowMs - (this.#lastSwitchMs.get(id) ?? -Infinity) < 60_000;
		this.totals.switchCount++;
		this.totals.earlySwitchCount += isEarly && !isEmergency ? 1 : 0;
		this.#plannedCount += isEmergency ? 0 : 1;
		this.#emergencyCount += isEmergency ? 1 : 0;
		// The way back from an emergency is not a move too many.
		this.#lastSwitchMs.set(id, isEmergency ? -Infinity : this.#nowMs);
	}

	#sample(): void {
		const { viewerCount, webRtcCount, leavingCount, limits } = this.#controller.counts;
		// Everybody, not only those who changed: nobody may be without an answer. Looking at a million takes its time.
		const isLookedAt = (this.#nowMs / 1000) % 15 === 0;
		const hasTier = (id: string): boolean => this.#controller.verdictOf(id) !== undefined;
		this.totals.withoutTierCount += !isLookedAt || this.#ids.every(hasTier) ? 0 : 1;
		this.samples.push({
			atSeconds: this.#nowMs / 1000,
			viewerCount,
			heldCount: webRtcCount + leavingCount,
			webRtcCount,
			hlsCount: viewerCount - webRtcCount,
			hardLimit: limits!.hard,
			target: limits!.target,
			plannedCount: this.#plannedCount,
			emergencyCount: this.#emergencyCount,
			longestDecisionMs: Math.max(...this.#decisionsMs),
			meanDecisionMs: this.#decisionsMs.reduce((sum, ms) => sum + ms, 0) / this.#decisionsMs.length,
		});
		this.#plannedCount = 0;
		this.#emergencyCount = 0;
		this.#decisionsMs = [];
	}

	#noise(): number {
		return this.#random() * 2 - 1;
	}
}

function roleOf(number: number, chance: number): ViewerRole {
	if (number === 0) {
		return 'broadcaster';
	}
	if (chance < 0.000_005) {
		return 'moderator';
	}
	return chance < 0.000_02 ? 'guest' : chance < 0.000_4 ? 'subscriber' : 'viewer';
}

function wishedCount(curve: SimulationPlan['curve'], atSeconds: number): number {
	const next = curve.findIndex((point) => point.atSeconds >= atSeconds);
	const [from, to] = [curve[next - 1]!, curve[next]!];
	const part = (atSeconds - from.atSeconds) / (to.atSeconds - from.atSeconds);
	return Math.round(from.viewerCount + part * (to.viewerCount - from.viewerCount));
}

// Mulberry32: equal runs for equal seeds, which the machine's generator cannot give.
function createRandom(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
	};
}
