/**
 * What a channel's name in an address stands for now. A running broadcast answers without the database, so that viewers
 * outlive it.
 */
import { parseChannelName, type BroadcastId } from '../../core/ids.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { ChannelStore } from './channel-store.ts';

export type LocatedChannel =
	{ state: 'unknown' | 'offline' | 'starting' } | { state: 'live'; broadcastId: BroadcastId; broadcast: Broadcast };

export class ChannelLocator {
	readonly #deps: { channels: Pick<ChannelStore, 'findByName'>; registry: Pick<BroadcastRegistry, 'find'> };

	constructor(deps: { channels: Pick<ChannelStore, 'findByName'>; registry: Pick<BroadcastRegistry, 'find'> }) {
		this.#deps = deps;
	}

	/** Takes any text. Throws DATABASE_UNAVAILABLE for what is not on air. */
	async find(name: string): Promise<LocatedChannel> {
		const { channels, registry } = this.#deps;
		const channelName = parseChannelName(name);
		if (channelName === undefined) {
			return { state: 'unknown' };
		}
		const broadcast = registry.find(channelName);
		if (broadcast === undefined || broadcast.state === 'ended') {
			return { state: (await channels.findByName(channelName)) === undefined ? 'unknown' : 'offline' };
		}
		return broadcast.state === 'starting'
			? { state: 'starting' }
			: { state: 'live', broadcastId: broadcast.id, broadcast };
	}

	/** For pages. While the database is away nobody can say, so the page decides. */
	async mayExist(name: string): Promise<boolean> {
		try {
			return (await this.find(name)).state !== 'unknown';
		} catch {
			return true;
		}
	}
}
