/**
 * Holds back a stage's live packets while no Consumer takes them: an empty channel and viewers over LL-HLS need none,
 * and each costs a system call here and the worker's time. A packet now and then keeps the streams known to mediasoup.
 */
import type { Router } from 'mediasoup/types';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { unwrap } from '../../core/units.ts';
import { isPlainStagePacket, isRtcp } from '../../core/wire/rtp/rtp-packet.ts';

/** mediasoup treats a stream with dtx as dead after 5 s of silence. */
const KEEP_ALIVE_MS = 1000;

/** All numbers are unwrapped: a stream passes 32,768 packets within two minutes. */
type GatedStream = {
	passedAtMs: number;
	/** Packets were held back after the newest one that passed. */
	hasGap: boolean;
	/** The highest number so far; undefined before the first packet. */
	newest: number | undefined;
	/** Number of the first packet after the last gap. */
	first: number;
	/** Added to the numbers, so that mediasoup counts no loss: it chooses among layers by it. */
	offset: number;
	/** The highest number that passed, with the offset. */
	highest: number;
};

type DemandGateDependencies = {
	clock: Clock;
	send: (packet: Buffer) => void;
	/** Whether a Consumer exists. */
	isWanted: () => boolean;
};

export class DemandGate {
	readonly #deps: DemandGateDependencies;
	readonly #streams: ReadonlyMap<number, GatedStream>;

	/** Other streams than those with these SSRCs, and all RTCP, pass always. */
	constructor(deps: DemandGateDependencies, ssrcs: readonly number[]) {
		this.#deps = deps;
		this.#streams = new Map(
			ssrcs.map((ssrc) => [
				ssrc,
				{ passedAtMs: -Infinity, hasGap: false, newest: undefined, first: 0, offset: 0, highest: 0 },
			]),
		);
	}

	/** Sends the packet, possibly with another number, or drops it. */
	send(packet: Buffer): void {
		const stream = isRtcp(packet) ? undefined : this.#streams.get(packet.readUInt32BE(8));
		if (stream === undefined || this.#passes(stream, packet)) {
			this.#deps.send(packet);
		}
	}

	#passes(stream: GatedStream, packet: Buffer): boolean {
		const { clock, isWanted } = this.#deps;
		const nowMs = clock.monotonicMs();
		const wrapped = packet.readUInt16BE(2);
		const isFirst = stream.newest === undefined;
		const number = isFirst ? wrapped : unwrap(wrapped, stream.newest!, 16);
		stream.newest = isFirst ? number : Math.max(stream.newest!, number);
		// A descriptor's structure has to be known before the packets that refer to it.
		if (isPlainStagePacket(packet) && nowMs - stream.passedAtMs < KEEP_ALIVE_MS && !isWanted()) {
			stream.hasGap = true;
			return false;
		}
		if (stream.hasGap) {
			stream.hasGap = false;
			stream.first = number;
			stream.offset = stream.highest + 1 - number;
		} else if (isFirst) {
			stream.first = number;
			stream.highest = number;
		} else if (number < stream.first) {
			// It is from before the gap, and its number belongs to another packet now.
			return false;
		}
		stream.passedAtMs = nowMs;
		const passed = number + stream.offset;
		stream.highest = Math.max(stream.highest, passed);
		packet.writeUInt16BE(passed & 0xffff, 2);
		return true;
	}
}

/** Counts the Consumers of some Producers; those that exist already do not count. */
export function watchConsumers(router: Router, producerIds: readonly string[]): { readonly count: number } {
	const demand = { count: 0 };
	router.observer.on('newtransport', (transport) => {
		transport.observer.on('newconsumer', (consumer) => {
			if (producerIds.includes(consumer.producerId)) {
				demand.count++;
				consumer.observer.once('close', () => demand.count--);
			}
		});
	});
	return demand;
}
