/** Finds channels for viewers: what a name stands for now, and which tiers can be watched. */
import { parseChannelName, type BroadcastId, type ChannelName } from '../../core/ids.ts';
import type { ChannelPolicy } from '../../core/protocol/api/channel-description.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { LegPlan } from '../../ingest/media-plan/leg-planner.ts';
import type { Channel, ChannelStore } from './channel-store.ts';

/** What a name in an address stands for. */
type LocatedChannel =
	{ state: 'unknown' | 'offline' | 'starting' } | { state: 'live'; broadcastId: BroadcastId; broadcast: Broadcast };

/**
 * The channel with the policy that its running broadcast allows: a tier that gets no picture is not offered. Pure.
 * @internal for tests
 */
export function withPlayableTiers(channel: Channel, plan: LegPlan | undefined): Channel {
	const isWebRtcOff = plan?.isVideoOff?.webrtc === true && !plan.isVideoOff.llHls;
	return isWebRtcOff && channel.policy.mode === 'automatic'
		? { ...channel, policy: { ...channel.policy, mode: 'mass-only' } }
		: channel;
}

/** Looks channels up in the database and among the broadcasts of this node. */
export class ChannelLocator {
	readonly #deps: { store: Pick<ChannelStore, 'findByName'>; registry: Pick<BroadcastRegistry, 'find' | 'on'> };

	constructor(deps: { store: Pick<ChannelStore, 'findByName'>; registry: Pick<BroadcastRegistry, 'find' | 'on'> }) {
		this.#deps = deps;
	}

	/**
	 * Any text may be asked for. A running broadcast answers without the database, so that viewers outlive it. Throws
	 * DATABASE_UNAVAILABLE for what is not on air.
	 */
	async find(text: string): Promise<LocatedChannel> {
		const { store, registry } = this.#deps;
		const name = parseChannelName(text);
		if (name === undefined) {
			return { state: 'unknown' };
		}
		const broadcast = registry.find(name);
		if (broadcast === undefined || broadcast.state === 'ended') {
			return { state: (await store.findByName(name)) === undefined ? 'unknown' : 'offline' };
		}
		return broadcast.state === 'starting'
			? { state: 'starting' }
			: { state: 'live', broadcastId: broadcast.id, broadcast };
	}

	/** For pages. While the database is away nobody can say, so the page decides. */
	async mayExist(text: string): Promise<boolean> {
		try {
			return (await this.find(text)).state !== 'unknown';
		} catch {
			return true;
		}
	}

	/** As the store's method of this name, with the policy that counts now. */
	async findByName(text: string): Promise<Channel | undefined> {
		const { store, registry } = this.#deps;
		const channel = await store.findByName(text);
		return channel && withPlayableTiers(channel, registry.find(channel.name)?.plan);
	}

	/** The policy that counts now. Also undefined while the database is away: what is on air goes on. */
	policyOf(text: string): Promise<ChannelPolicy | undefined> {
		return this.findByName(text).then(
			(channel) => channel?.policy,
			() => undefined,
		);
	}

	/**
	 * Calls back with a channel's name when other tiers can be watched than before. Returns the function that ends it.
	 */
	onChanged(listener: (channelName: ChannelName) => void): () => void {
		return this.#deps.registry.on('broadcastStarted', (broadcast) => {
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
