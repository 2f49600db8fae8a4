/** Converts what a PeerConnection measures (W3C webrtc-stats) into a connection's reading. */
import type { LineCounts } from '../measure/line-judge.ts';
import { EMPTY_CONNECTION_READING, type ConnectionReading } from './playback.ts';

/** Fields that TypeScript's DOM library lacks or types loosely; each may be missing. */
type StatsEntry = {
	id: string;
	type: string;
	kind?: string;
	/** Epoch milliseconds on the page's own clock. */
	timestamp?: number;
	packetsReceived?: number;
	nackCount?: number;
	retransmittedPacketsReceived?: number;
	framesReceived?: number;
	framesDecoded?: number;
	bytesReceived?: number;
	packetsLost?: number;
	framesDropped?: number;
	jitterBufferDelay?: number;
	jitterBufferEmittedCount?: number;
	codecId?: string;
	mimeType?: string;
	selectedCandidatePairId?: string;
	currentRoundTripTime?: number;
	localCandidateId?: string;
	protocol?: string;
};

type DelayTotals = { delaySeconds: number; emittedCount: number };

/** `previous`: the delay totals of the last report. @internal for tests */
export function readWebrtcStats(
	entries: readonly StatsEntry[],
	previous: DelayTotals,
): { reading: ConnectionReading; totals: DelayTotals; line: LineCounts | undefined } {
	const byId = new Map(entries.map((entry) => [entry.id, entry]));
	const inbound = entries.filter((entry) => entry.type === 'inbound-rtp');
	const video = inbound.find((entry) => entry.kind === 'video');
	const audio = inbound.find((entry) => entry.kind === 'audio');
	const transport = entries.find((entry) => entry.type === 'transport');
	const pair = byId.get(transport?.selectedCandidatePairId ?? '');
	const codecName = (entry: StatsEntry | undefined): string | undefined =>
		byId.get(entry?.codecId ?? '')?.mimeType?.split('/')[1];
	const totals = { delaySeconds: video?.jitterBufferDelay ?? 0, emittedCount: video?.jitterBufferEmittedCount ?? 0 };
	const emitted = totals.emittedCount - previous.emittedCount;
	return {
		reading: {
			...EMPTY_CONNECTION_READING,
			receivedBytes: inbound.length === 0 ? undefined : (video?.bytesReceived ?? 0) + (audio?.bytesReceived ?? 0),
			framesDroppedCount: video?.framesDropped,
			videoCodec: codecName(video),
			audioCodec: codecName(audio),
			transport: byId.get(pair?.localCandidateId ?? '')?.protocol,
			roundTripMs: pair?.currentRoundTripTime === undefined ? undefined : pair.currentRoundTripTime * 1000,
			packetsLostCount: video?.packetsLost,
			jitterBufferMs: emitted > 0 ? ((totals.delaySeconds - previous.delaySeconds) * 1000) / emitted : undefined,
		},
		totals,
		line: video === undefined ? undefined : lineCounts(video, pair?.currentRoundTripTime),
	};
}

function lineCounts(video: StatsEntry, roundTripSeconds: number | undefined): LineCounts {
	return {
		atMs: video.timestamp ?? 0,
		packetsReceived: video.packetsReceived ?? 0,
		packetsLost: video.packetsLost ?? 0,
		nackCount: video.nackCount ?? 0,
		resentPackets: video.retransmittedPacketsReceived,
		framesReceived: video.framesReceived ?? 0,
		framesDecoded: video.framesDecoded ?? 0,
		roundTripMs: roundTripSeconds === undefined ? undefined : roundTripSeconds * 1000,
	};
}

export class WebrtcReadings {
	latest: ConnectionReading = EMPTY_CONNECTION_READING;
	line: LineCounts | undefined;
	#totals = { delaySeconds: 0, emittedCount: 0 };

	/** Reads the PeerConnection's statistics; never rejects. */
	async refresh(peer: RTCPeerConnection): Promise<void> {
		try {
			const report = await peer.getStats();
			const entries: StatsEntry[] = [];
			report.forEach((entry: StatsEntry) => entries.push(entry));
			const { reading, totals, line } = readWebrtcStats(entries, this.#totals);
			this.latest = reading;
			this.line = line;
			this.#totals = totals;
		} catch {
			// Closed meanwhile: the last reading stays.
		}
	}
}
