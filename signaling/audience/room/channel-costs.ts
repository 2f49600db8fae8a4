/** What WebRTC viewers of each channel cost. Pictures that have just gone still count: their encoder starts again. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ChannelName } from '../../../core/ids.ts';
import type { PictureCost } from '../tiers/held-pictures.ts';
import type { ViewerCost } from '../tiers/sfu-budget.ts';

/**
 * An encoder is back within 2 to 4 s of its end, or of its publisher's return. Viewers get the source meanwhile, but to
 * move them would take longer, and back as well.
 */
const REMEMBERED_MS = 6000;

type ChannelCostsDependencies = { clock: Clock; costOf(channelName: ChannelName): ViewerCost };

export class ChannelCosts {
	readonly #deps: ChannelCostsDependencies;
	readonly #known = new Map<ChannelName, { pictures: readonly PictureCost[]; atMs: number }>();

	constructor(deps: ChannelCostsDependencies) {
		this.#deps = deps;
	}

	of(channelName: ChannelName): ViewerCost {
		const cost = this.#deps.costOf(channelName);
		const nowMs = this.#deps.clock.monotonicMs();
		if (cost.pictures !== undefined) {
			this.#known.set(channelName, { pictures: cost.pictures, atMs: nowMs });
			return cost;
		}
		const known = this.#known.get(channelName);
		return known !== undefined && nowMs - known.atMs < REMEMBERED_MS ? { ...cost, pictures: known.pictures } : cost;
	}

	/** Forgets channels that nobody has asked for lately; called once a second. */
	forgetOld(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		for (const [channelName, { atMs }] of this.#known) {
			if (nowMs - atMs >= REMEMBERED_MS) {
				this.#known.delete(channelName);
			}
		}
	}
}
