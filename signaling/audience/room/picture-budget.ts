/** Keeps the pictures of all WebRTC viewers of this node within the budget of bits. */
import type { ChannelName } from '../../../core/ids.ts';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ShownRung } from '../../../core/protocol/ladder-choice.ts';
import { CeilingControl } from '../tiers/ceiling-control.ts';
import {
	pictureBps,
	pictureUnder,
	type HeldPictures,
	type PictureCeilings,
	type PictureCost,
	type PictureGroup,
} from '../tiers/held-pictures.ts';

/** The WebRTC viewers of one channel. */
export type Holdings = {
	/** Lowest first, the source last. */
	pictures: readonly PictureCost[];
	/** Of viewers with a socket; undefined: there are none. */
	held: Pick<HeldPictures, 'bitrateBps'> | undefined;
	/** Further viewers, who may get any picture. Negative: so many of the others do not count. */
	outsiderCount: number;
};

type PictureBudgetDependencies = {
	clock: Clock;
	logger: Logger;
	/** Asks for {@link PictureBudget.ceilingOf} of every viewer of a channel, because it may have changed. */
	limit(channelName: ChannelName): void;
};

/** What a channel's viewers may take together under these ceilings. */
export function holdingsBps({ pictures, held, outsiderCount }: Holdings, ceilings: PictureCeilings): number {
	const outsidersBps = outsiderCount * pictureBps(pictures, 'source', ceilings.ordinary);
	return Math.max(0, (held?.bitrateBps(pictures, ceilings) ?? 0) + outsidersBps);
}

export class PictureBudget {
	readonly #deps: PictureBudgetDependencies;
	readonly #control = new CeilingControl();
	/** Channels whose viewers do not get the source. */
	readonly #limited = new Map<ChannelName, PictureCeilings>();

	constructor(deps: PictureBudgetDependencies) {
		this.#deps = deps;
	}

	/** Whether a run can change anything. */
	isAtWork(maxBitrateBps: number): boolean {
		return maxBitrateBps < Infinity || this.#limited.size > 0;
	}

	/** One run, for all channels of the node that have WebRTC viewers. */
	decide(maxBitrateBps: number, channels: readonly (Holdings & { channelName: ChannelName })[]): void {
		const bitrateBps = (ceilings: PictureCeilings): number =>
			channels.reduce((sum, channel) => sum + holdingsBps(channel, ceilings), 0);
		if (this.#control.decide(maxBitrateBps, bitrateBps, this.#deps.clock.monotonicMs())) {
			const { ceilings } = this.#control;
			const fields = { ...ceilings, maxBitrateBps, bitrateBps: Math.round(bitrateBps(ceilings)) };
			this.#deps.logger.info(fields, 'the budget of bits sets the best picture of WebRTC viewers');
		}
		const { ceilings } = this.#control;
		const names = new Set(channels.map(({ channelName }) => channelName));
		for (const channelName of this.#limited.keys()) {
			if (!names.has(channelName)) {
				this.#limited.delete(channelName);
			}
		}
		for (const { channelName, pictures } of channels) {
			const priority = pictureUnder(pictures, ceilings.priority).name;
			const ordinary = pictureUnder(pictures, ceilings.ordinary).name;
			const isLimited = ordinary !== 'source' || priority !== 'source';
			// Each run, because roles change.
			if (isLimited || this.#limited.delete(channelName)) {
				if (isLimited) {
					this.#limited.set(channelName, { priority, ordinary });
				}
				this.#deps.limit(channelName);
			}
		}
	}

	/** The best picture of a channel's viewers; undefined: any. */
	ceilingOf(channelName: ChannelName, group: PictureGroup): ShownRung | undefined {
		const name = this.#limited.get(channelName)?.[group];
		return name === 'source' ? undefined : name;
	}
}
