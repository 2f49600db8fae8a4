/** News that all viewers of a room get: the channel's description and the number of viewers, when they change. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import type { Importance } from '../../platform/sockets/outbound-queue.ts';

/** The viewer count is sent at most this often. */
const PRESENCE_INTERVAL_MS = 2000;

type RoomNewsDependencies = {
	clock: Clock;
	describe(): ChannelDescription;
	sendToAll(text: string, importance: Importance): void;
};

export class RoomNews {
	readonly #deps: RoomNewsDependencies;
	#describedAs = '';
	#sentCount = -1;
	#sentCountAtMs = -Infinity;

	constructor(deps: RoomNewsDependencies) {
		this.#deps = deps;
	}

	/** Those who join get the description with their answer. */
	sendDescription(): void {
		const channel = this.#deps.describe();
		// Frame rates change with every picture, and the count has its own message.
		const lasting = JSON.stringify({ ...channel, viewerCount: null }, (key, value: unknown) =>
			key === 'frameRate' ? undefined : value,
		);
		const isFirst = this.#describedAs === '';
		if (lasting !== this.#describedAs) {
			this.#describedAs = lasting;
			if (!isFirst) {
				this.#deps.sendToAll(JSON.stringify({ type: 'channel', channel }), 'vital');
			}
		}
	}

	sendCount(viewerCount: number): void {
		const nowMs = this.#deps.clock.monotonicMs();
		if (viewerCount !== this.#sentCount && nowMs - this.#sentCountAtMs >= PRESENCE_INTERVAL_MS) {
			this.#sentCount = viewerCount;
			this.#sentCountAtMs = nowMs;
			this.#deps.sendToAll(JSON.stringify({ type: 'presence', viewerCount }), 'droppable');
		}
	}
}
