/** One RTP stream that the stage sends into its router: header writing, counters, sender reports. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { epochMsToNtp, msToTicks } from '../../../core/units.ts';
import { writeSenderReport } from '../../../core/wire/rtp/rtcp.ts';
import { stageHeaderBytes, writeStageHeader, type StageDescriptor } from '../../../core/wire/rtp/rtp-packet.ts';

/** Sender reports come quickly at first: receivers need one of each stream to play sound and picture in step. */
const FIRST_REPORT_INTERVAL_MS = 100;
const FIRST_REPORT_COUNT = 3;
const REPORT_INTERVAL_MS = 1000;
/** Without packets for this long there is no report: extrapolation is only a guess by then. */
const MAX_REPORT_AGE_MS = 5000;

/** What a packet of a stage stream carries besides its number. */
export type StagePacket = {
	payload: Uint8Array;
	hasMarker: boolean;
	/** RTP timestamp on the stage, already offset; taken modulo 2^32. */
	timestampTicks: number;
	captureTimeMs: number;
	/**
	 * Where mediasoup places the packet in time, which aligns layers by it; the capture time when it is undefined. It has
	 * to change as the timestamps do.
	 */
	alignedTimeMs?: number;
	descriptor?: StageDescriptor;
};

/** The same instant on the stream and on the server's clock. */
export type StreamTimes = Pick<StagePacket, 'timestampTicks' | 'captureTimeMs'>;

/** A packet without a picture: an access unit delimiter alone. */
export const SILENCE: Pick<StagePacket, 'payload' | 'hasMarker'> = {
	payload: Uint8Array.of(0x09, 0xf0),
	hasMarker: true,
};

type StageStreamDependencies = { clock: Clock; send: (packet: Buffer) => void };
type StageStreamOptions = { ssrc: number; payloadType: number; clockRate: number; cname: string };

export class StageStream {
	readonly #deps: StageStreamDependencies;
	readonly #options: StageStreamOptions;
	#packetCount = 0;
	#octetCount = 0;
	#lastTimestampTicks = 0;
	#lastAlignedTimeMs = 0;
	#lastSentAtMs = -Infinity;
	#keptAliveAtMs = -Infinity;
	#reportCount = 0;
	#reportedAtMs = -Infinity;

	constructor(deps: StageStreamDependencies, options: StageStreamOptions) {
		this.#deps = deps;
		this.#options = options;
	}

	get ssrc(): number {
		return this.#options.ssrc;
	}

	/** Time since the last packet of any kind. */
	get silenceMs(): number {
		return this.#deps.clock.monotonicMs() - Math.max(this.#lastSentAtMs, this.#keptAliveAtMs);
	}

	/** Packets and payload bytes sent so far. */
	get statistics(): { packetCount: number; octetCount: number } {
		return { packetCount: this.#packetCount, octetCount: this.#octetCount };
	}

	/** Sends one packet, and a sender report after it when one is due. */
	send(packet: StagePacket, sequenceNumber: number): void {
		const nowMs = this.#deps.clock.monotonicMs();
		this.#lastTimestampTicks = packet.timestampTicks;
		this.#lastAlignedTimeMs = packet.alignedTimeMs ?? packet.captureTimeMs;
		this.#lastSentAtMs = nowMs;
		this.#packetCount++;
		this.#octetCount += packet.payload.length;
		this.#write(packet, sequenceNumber);
		// After the packet, because mediasoup drops reports of streams that it does not know yet.
		const intervalMs = this.#reportCount < FIRST_REPORT_COUNT ? FIRST_REPORT_INTERVAL_MS : REPORT_INTERVAL_MS;
		if (nowMs - this.#reportedAtMs >= intervalMs) {
			this.report();
		}
	}

	/** Sends a packet that no viewer gets, so that mediasoup does not take the stream for dead. It is not counted. */
	keepAlive(times: StreamTimes, sequenceNumber: number): void {
		this.#keptAliveAtMs = this.#deps.clock.monotonicMs();
		this.#write({ ...SILENCE, ...times, descriptor: 'hidden' }, sequenceNumber);
	}

	/** Starts again with quick reports: after a splice, or when a join layer is used again. */
	restartReports(): void {
		this.#reportCount = 0;
		this.#reportedAtMs = -Infinity;
	}

	/** Sends a sender report that relates capture time to the stream's timestamps. */
	report(): void {
		const { clock, send } = this.#deps;
		const { ssrc, clockRate, cname } = this.#options;
		const monotonicMs = clock.monotonicMs();
		if (monotonicMs - this.#lastSentAtMs > MAX_REPORT_AGE_MS) {
			return;
		}
		this.#reportedAtMs = monotonicMs;
		this.#reportCount++;
		const nowMs = clock.nowMs();
		send(
			writeSenderReport({
				ssrc,
				nowMs,
				timestampTicks: this.#lastTimestampTicks + msToTicks(nowMs - this.#lastAlignedTimeMs, clockRate),
				...this.statistics,
				cname,
			}),
		);
	}

	#write(packet: StagePacket, sequenceNumber: number): void {
		const { payload, hasMarker, timestampTicks, captureTimeMs, alignedTimeMs, descriptor } = packet;
		const { ssrc, payloadType } = this.#options;
		const captureClockOffsetMs = alignedTimeMs === undefined ? undefined : captureTimeMs - alignedTimeMs;
		const extras = { descriptor, captureClockOffsetMs };
		const headerBytes = stageHeaderBytes(extras);
		const datagram = Buffer.allocUnsafe(headerBytes + payload.length);
		const header = { payloadType, hasMarker, sequenceNumber, timestampTicks, ssrc };
		writeStageHeader(datagram, header, epochMsToNtp(captureTimeMs), extras);
		datagram.set(payload, headerBytes);
		this.#deps.send(datagram);
	}
}
