/** Simulates a crowd for the tier controller on a virtual clock: viewers join, a worker dies, the crowd leaves. */
import { DeadlineQueue } from '../deadline-queue.ts';
import { TierController, type TierChange } from '../tier-controller.ts';
import type { TierConditions, ViewerRole } from '../tier-input.ts';
import { testConditions, testViewer } from './tier-world.ts';

export type SimulationPlan = {
	/** Equal seeds give equal runs. */
	seed: number;
	/** Number of viewers over time; straight lines between the points, the last one ends the run. */
	curve: readonly { atSeconds: number; viewerCount: number }[];
	budget: TierConditions['budget'];
	cpuPerViewer: number;
	/** When one of four workers dies, with its WebRTC viewers. */
	workerLostAtSeconds: number;
	/** Real time, only to measure how long decisions take. */
	machineMs: () => number;
};

/** One second of the run. */
export type SimulationSample = {
	atSeconds: number;
	viewerCount: number;
	/** Transports open or promised, including those of leaving viewers. */
	heldCount: number;
	webRtcCount: number;
	hlsCount: number;
	hardLimit: number;
	target: number;
	/** Switches within the second: soft ones, and emergencies. */
	plannedCount: number;
	emergencyCount: number;
	/** Longest and mean of ten runs of `decide`. */
	longestDecisionMs: number;
	meanDecisionMs: number;
};

/** Counts over the whole run; all but the first two are 0 in a good one. */
export type SimulationTotals = {
	joinedCount: number;
	switchCount: number;
	/** Decisions that raised the held transports above the hard limit. */
	overBudgetCount: number;
	withoutTierCount: number;
	/** Planned hand-overs less than a minute after the viewer's last planned one. */
	earlySwitchCount: number;
};

const TICK_MS = 100;
/** From the offer to an open transport. */
const OPEN_MS = 300;
/** When a player whose packets are blocked gives up. */
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
		const load = { workerCpu: 0, consumersMeasured: 0 };
		this.#conditions = testConditions(0, { bitrateBps: BITRATE_BPS, budget: plan.budget, load });
	}

	run(): void {
		const endMs = this.#plan.curve.at(-1)!.atSeconds * 1000;
		while (this.#nowMs < endMs) {
			this.#nowMs += TICK_MS;
			this.#follow(wishedCount(this.#plan.curve, this.#nowMs / 1000));
			this.#applyDue();
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
		const viewer = testViewer(id, this.#nowMs, {
			role: roleOf(number, chance),
			canWebRtc: this.#random() >= 0.005,
			isPinnedToHls: this.#random() < 0.005,
		});
		this.#ids.push(id);
		this.#controller.join(viewer);
	}

	#chat(): void {
		if (this.#ids.length > 0 && this.#random() < (CHATS_PER_SECOND * TICK_MS) / 1000) {
			const id = this.#ids[Math.floor(this.#random() * this.#ids.length)]!;
			this.#controller.update(id, { lastChatAtMs: this.#nowMs });
		}
	}

	#applyDue(): void {
		for (let due = this.#due.takeDue(this.#nowMs); due !== undefined; due = this.#due.takeDue(this.#nowMs)) {
			const { id, kind, decidedSinceMs } = due.subject;
			const viewer = this.#controller.viewerOf(id);
			// They have left, or have another decision since.
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

	// The meter's reading, once a second, with noise.
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
		// The return from an emergency is never early.
		this.#lastSwitchMs.set(id, isEmergency ? -Infinity : this.#nowMs);
	}

	#sample(): void {
		const { viewerCount, webRtcCount, leavingCount, limits } = this.#controller.counts;
		// Every viewer must have a tier. Only every 15 s, because checking a million takes long.
		const isChecked = (this.#nowMs / 1000) % 15 === 0;
		const hasTier = (id: string): boolean => this.#controller.verdictOf(id) !== undefined;
		this.totals.withoutTierCount += !isChecked || this.#ids.every(hasTier) ? 0 : 1;
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

// Mulberry32: equal runs for equal seeds, which Math.random() cannot give.
function createRandom(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
	};
}
