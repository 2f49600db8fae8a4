/** Finds channels for viewers: the state behind a name, and which tiers can be watched. */
import { parseChannelName, type BroadcastId, type ChannelName } from '../../core/ids.ts';
import type { ChannelPolicy } from '../../core/protocol/api/channel-description.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import { isPictureOff, type MediaPlan } from '../../ingest/media-plan/media-planner.ts';
import type { Channel, ChannelStore } from './channel-store.ts';

type LocatedChannel =
	{ state: 'unknown' | 'offline' | 'starting' } | { state: 'live'; broadcastId: BroadcastId; broadcast: Broadcast };

/** Removes the WebRTC tier from the policy when only LL-HLS gets a picture. Pure. @internal for tests */
export function withPlayableTiers(channel: Channel, plan: MediaPlan | undefined): Channel {
	const isWebRtcOff = isPictureOff(plan, 'webrtc') && !isPictureOff(plan, 'll-hls');
	return isWebRtcOff && channel.policy.mode === 'automatic'
		? { ...channel, policy: { ...channel.policy, mode: 'mass-only' } }
		: channel;
}

type ChannelLocatorDependencies = {
	store: Pick<ChannelStore, 'findByName'>;
	registry: Pick<BroadcastRegistry, 'find' | 'on'>;
};

/** Looks channels up in the database and among the broadcasts of this node. */
export class ChannelLocator {
	readonly #deps: ChannelLocatorDependencies;

	constructor(deps: ChannelLocatorDependencies) {
		this.#deps = deps;
	}

	/**
	 * Accepts any text. A running broadcast is found without the database, so that viewers survive its outage. Throws
	 * DATABASE_UNAVAILABLE for channels that are not on air.
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

	/** True also while the database is unavailable: then the page shows the error. */
	async mayExist(text: string): Promise<boolean> {
		try {
			return (await this.find(text)).state !== 'unknown';
		} catch {
			return true;
		}
	}

	/** As the store's method, with the policy in force. */
	async findByName(text: string): Promise<Channel | undefined> {
		const { store, registry } = this.#deps;
		const channel = await store.findByName(text);
		return channel && withPlayableTiers(channel, registry.find(channel.name)?.plan);
	}

	/** The policy in force; undefined for an unknown channel and, so that broadcasts continue, without the database. */
	policyOf(text: string): Promise<ChannelPolicy | undefined> {
		return this.findByName(text).then(
			(channel) => channel?.policy,
			() => undefined,
		);
	}

	/** Calls back when the tiers that can be watched change. Returns the function that removes the listener. */
	onChanged(listener: (channelName: ChannelName) => void): () => void {
		return this.#deps.registry.on('broadcastStarted', (broadcast) => {
			let wasOff = false;
			broadcast.on('planChanged', (plan) => {
				const isOff = isPictureOff(plan, 'webrtc');
				if (isOff !== wasOff) {
					wasOff = isOff;
					listener(broadcast.channelName);
				}
			});
		});
	}
}
