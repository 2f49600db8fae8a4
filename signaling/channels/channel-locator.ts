/** Channels as they can be watched now: a tier that gets no picture is not offered to viewers. */
import type { ChannelName } from '../../core/ids.ts';
import type { LegPlan } from '../../ingest/media-plan/leg-planner.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Channel } from './channel-store.ts';

/** The channel with the policy that its running broadcast allows. Pure. */
export function withPlayableTiers(channel: Channel, plan: LegPlan | undefined): Channel {
	const isWebRtcOff = plan?.isVideoOff?.webrtc === true && !plan.isVideoOff.llHls;
	return isWebRtcOff && channel.policy.mode === 'automatic'
		? { ...channel, policy: { ...channel.policy, mode: 'mass-only' } }
		: channel;
}

/** Looks channels up for viewers. */
export class PlayableChannels {
	readonly #channels: { findByName(text: string): Promise<Channel | undefined> };
	readonly #registry: Pick<BroadcastRegistry, 'find' | 'on'>;

	constructor(
		channels: { findByName(text: string): Promise<Channel | undefined> },
		registry: Pick<BroadcastRegistry, 'find' | 'on'>,
	) {
		this.#channels = channels;
		this.#registry = registry;
	}

	/** As the store's method of this name. */
	async findByName(text: string): Promise<Channel | undefined> {
		const channel = await this.#channels.findByName(text);
		return channel === undefined ? undefined : withPlayableTiers(channel, this.#registry.find(channel.name)?.plan);
	}

	/** Calls back with a channel's name when other tiers can be watched than before. Returns the function that ends it. */
	onChanged(listener: (channelName: ChannelName) => void): () => void {
		return this.#registry.on('broadcastStarted', (broadcast) => {
			let wasOff = false;
			broadcast.on('planChanged', (plan) => {
				const isOff = plan.isVideoOff?.webrtc === true;
				if (isOff !== wasOff) {
					wasOff = isOff;
					listener(broadcast.channelName);
				}
			});
		});
	}
}
