/**
 * Counts the packets of one virtual viewer: latency, loss, jitter, bitrate, freezes. It needs only the RTP header and
 * its extensions, which SRTP does not encrypt (RFC 3711 §3.1).
 */
import { ntpToEpochMs, ticksToMs, unwrap } from '../../../core/units.ts';
import type { AnsweredTrack } from './whep-offer.ts';

/** Missing packets kept per track; older ones count as lost. */
const MAX_MISSING = 256;
/** The time for a retransmission, after which the packet counts as lost. */
const LOST_AFTER_MS = 1000;
/** A jump of the sequence number above this is a new start of the stream, not loss. */
const MAX_GAP = 3000;
/** W3C webrtc-stats, freezeCount: a frame later than the larger of three times the mean and mean + 150 ms. */
const FREEZE_FACTOR = 3;
const FREEZE_EXTRA_MS = 150;
/** Weight of the newest interval in the running mean. */
const INTERVAL_WEIGHT = 1 / 30;

/** Receives the figures of all viewers of a process. */
export interface RtpSinkFigures {
	/** Capture → last packet of the picture received, or the sound's packet. */
	latency(kind: 'audio' | 'video', latencyMs: number): void;
	freeze(durationMs: number): void;
}

/** Totals of one viewer since its start. */
export type RtpTotals = {
	packetCount: number;
	byteCount: number;
	/** Not received when the next one was: before retransmission. */
	missedCount: number;
	/** Of those, never received. */
	lostCount: number;
	frameCount: number;
	/** Of no known stream. */
	strangeCount: number;
};

type TrackState = AnsweredTrack & {
	ssrc: number;
	/** Unwrapped; undefined before the first packet. */
	highest: number | undefined;
	/** Missing number → since when. */
	missing: Map<number, number>;
	/** RFC 3550 §6.4.1, in ticks. */
	jitterTicks: number;
	transitTicks: number | undefined;
	receivedCount: number;
	firstNumber: number;
};

/** Call `receive` for every datagram whose first byte is 128–191 and that is not RTCP. */
export class RtpSink {
	readonly totals: RtpTotals = {
		packetCount: 0,
		byteCount: 0,
		missedCount: 0,
		lostCount: 0,
		frameCount: 0,
		strangeCount: 0,
	};
	readonly #tracks = new Map<number, TrackState>();
	readonly #figures: RtpSinkFigures;
	#lastFrameAtMs: number | undefined;
	#meanIntervalMs: number | undefined;
	#newlyMissing: { ssrc: number; numbers: number[] }[] = [];

	constructor(tracks: readonly AnsweredTrack[], figures: RtpSinkFigures) {
		this.#figures = figures;
		for (const track of tracks) {
			this.#tracks.set(track.payloadType, {
				...track,
				ssrc: 0,
				highest: undefined,
				missing: new Map(),
				jitterTicks: 0,
				transitTicks: undefined,
				receivedCount: 0,
				firstNumber: 0,
			});
		}
	}

	/** Returns whether a picture is complete. `arrivalMs` is epoch milliseconds on the server's clock. */
	receive(datagram: Buffer, arrivalMs: number): boolean {
		const track = datagram.length < 12 ? undefined : this.#tracks.get(datagram[1]! & 0x7f);
		if (track === undefined) {
			this.totals.strangeCount++;
			return false;
		}
		this.totals.packetCount++;
		this.totals.byteCount += datagram.length;
		if (!this.#countSequence(track, datagram.readUInt16BE(2), datagram.readUInt32BE(8), arrivalMs)) {
			return false;
		}
		this.#countJitter(track, datagram.readUInt32BE(4), arrivalMs);
		const isFrameEnd = track.kind === 'video' && (datagram[1]! & 0x80) !== 0;
		if (isFrameEnd) {
			this.#countFrame(arrivalMs);
		}
		if (track.captureTimeExtensionId !== undefined && (isFrameEnd || track.kind === 'audio')) {
			const captureMs = readCaptureTimeMs(datagram, track.captureTimeExtensionId);
			if (captureMs !== undefined) {
				this.#figures.latency(track.kind, arrivalMs - captureMs);
			}
		}
		return isFrameEnd;
	}

	/** Numbers found missing since the last call, for NACK. */
	takeMissing(): { ssrc: number; numbers: number[] }[] {
		const missing = this.#newlyMissing;
		this.#newlyMissing = [];
		return missing;
	}

	/** Counts packets as lost that were not sent again in time. Call regularly. */
	expireMissing(nowMs: number): void {
		for (const track of this.#tracks.values()) {
			for (const [number, missedAtMs] of track.missing) {
				if (nowMs - missedAtMs < LOST_AFTER_MS) {
					break;
				}
				track.missing.delete(number);
				this.totals.lostCount++;
			}
		}
	}

	/** For a receiver report (RFC 3550 §6.4.1): one entry per stream that has begun. */
	reports(): {
		ssrc: number;
		kind: 'audio' | 'video';
		highest: number;
		lost: number;
		jitterTicks: number;
		jitterMs: number;
	}[] {
		return [...this.#tracks.values()]
			.filter((track) => track.highest !== undefined)
			.map((track) => ({
				ssrc: track.ssrc,
				kind: track.kind,
				// The low 32 bits: cycles and sequence number.
				highest: ((track.highest! % 2 ** 32) + 2 ** 32) % 2 ** 32,
				lost: Math.max(0, track.highest! - track.firstNumber + 1 - track.receivedCount),
				jitterTicks: track.jitterTicks,
				jitterMs: ticksToMs(track.jitterTicks, track.clockRate),
			}));
	}

	// Returns false for a packet that is repeated or sent again: its arrival time says nothing about latency or jitter.
	#countSequence(track: TrackState, wrapped: number, ssrc: number, nowMs: number): boolean {
		if (track.highest === undefined || ssrc !== track.ssrc) {
			[track.ssrc, track.highest, track.firstNumber, track.receivedCount] = [ssrc, wrapped, wrapped, 1];
			track.missing.clear();
			return true;
		}
		const number = unwrap(wrapped, track.highest, 16);
		if (number <= track.highest) {
			track.receivedCount += track.missing.delete(number) ? 1 : 0;
			return false;
		}
		const gap = number - track.highest - 1;
		if (gap > MAX_GAP) {
			[track.highest, track.firstNumber, track.receivedCount] = [number, number, 1];
			track.missing.clear();
			return true;
		}
		if (gap > 0) {
			this.#countMissing(track, number, gap, nowMs);
		}
		track.highest = number;
		track.receivedCount++;
		return true;
	}

	#countMissing(track: TrackState, number: number, gap: number, nowMs: number): void {
		this.totals.missedCount += gap;
		const first = Math.max(number - gap, number - MAX_MISSING);
		this.totals.lostCount += first - (number - gap);
		const numbers: number[] = [];
		for (let missing = first; missing < number; missing++) {
			track.missing.set(missing, nowMs);
			numbers.push(((missing % 65_536) + 65_536) % 65_536);
		}
		while (track.missing.size > MAX_MISSING) {
			track.missing.delete(track.missing.keys().next().value!);
			this.totals.lostCount++;
		}
		if (track.kind === 'video' && this.#newlyMissing.length < MAX_MISSING) {
			this.#newlyMissing.push({ ssrc: track.ssrc, numbers });
		}
	}

	#countJitter(track: TrackState, timestamp: number, arrivalMs: number): void {
		const transit = (arrivalMs * track.clockRate) / 1000 - timestamp;
		if (track.transitTicks !== undefined) {
			const difference = Math.abs(transit - track.transitTicks);
			// A wrap or a splice of the timestamps is no jitter.
			if (difference < track.clockRate) {
				track.jitterTicks += (difference - track.jitterTicks) / 16;
			}
		}
		track.transitTicks = transit;
	}

	#countFrame(arrivalMs: number): void {
		this.totals.frameCount++;
		if (this.#lastFrameAtMs !== undefined) {
			const intervalMs = arrivalMs - this.#lastFrameAtMs;
			const mean = this.#meanIntervalMs;
			if (mean !== undefined && intervalMs > Math.max(FREEZE_FACTOR * mean, mean + FREEZE_EXTRA_MS)) {
				this.#figures.freeze(intervalMs);
			} else {
				this.#meanIntervalMs = mean === undefined ? intervalMs : mean + (intervalMs - mean) * INTERVAL_WEIGHT;
			}
		}
		this.#lastFrameAtMs = arrivalMs;
	}
}

/** Epoch milliseconds of abs-capture-time; undefined when it is absent or malformed. @internal for tests */
export function readCaptureTimeMs(packet: Buffer, extensionId: number): number | undefined {
	if ((packet[0]! & 0x10) === 0) {
		return undefined;
	}
	const start = 12 + (packet[0]! & 0x0f) * 4;
	if (start + 4 > packet.length) {
		return undefined;
	}
	const profile = packet.readUInt16BE(start);
	const end = start + 4 + packet.readUInt16BE(start + 2) * 4;
	if (end > packet.length) {
		return undefined;
	}
	// RFC 8285 §4.2 and §4.3: one byte of id and length each, or two.
	const isOneByte = profile === 0xbede;
	if (!isOneByte && profile >> 4 !== 0x100) {
		return undefined;
	}
	for (let at = start + 4; at < end;) {
		const id = isOneByte ? packet[at]! >> 4 : packet[at]!;
		if (packet[at] === 0) {
			at++;
			continue;
		}
		if ((isOneByte && id === 15) || at + 1 >= end) {
			return undefined;
		}
		const length = isOneByte ? (packet[at]! & 0x0f) + 1 : packet[at + 1]!;
		const data = at + (isOneByte ? 1 : 2);
		if (id === extensionId) {
			return length < 8 || data + 8 > end
				? undefined
				: ntpToEpochMs(packet.readUInt32BE(data), packet.readUInt32BE(data + 4));
		}
		at = data + length;
	}
	return undefined;
}
