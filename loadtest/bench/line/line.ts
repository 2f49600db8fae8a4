/** What a line does to the packets of a viewer, as plain values. Pure. */

/** Towards the viewer, except for the delay, half of which is on the way back. */
export type Line = {
	/** Bits of IP packets a second; undefined: as many as come. */
	downBps: number | undefined;
	/** The time that the last packet of a full queue waits; later ones are dropped. */
	queueMs: number;
	/** 0–1, of the packets, by chance and before the queue. */
	lossRatio: number;
	/** So many packets in a row are lost each time. */
	lossBurst: number;
	/** Of an empty line. */
	roundTripMs: number;
	/** 0–1, of the packets: held for {@link REORDER_MS} longer, so that later ones arrive first. */
	reorderRatio: number;
};

/** Carries everything at once. */
export const PERFECT_LINE: Line = {
	downBps: undefined,
	queueMs: 200,
	lossRatio: 0,
	lossBurst: 1,
	roundTripMs: 0,
	reorderRatio: 0,
};

/** Several packets of a stream of 2 Mbit/s come meanwhile. */
export const REORDER_MS = 15;
/** Stands for "as many as come". */
const UNLIMITED_BPS = 1_000_000_000;
/**
 * What passes at once after a pause: little more than a packet, as on a wire. More lets short probes for bandwidth
 * through, so that a sender believes in a faster line.
 */
const BURST_BYTES = 2000;
/** At a high rate the timer of the kernel must not limit. */
const BURST_MS = 1;

/** The options of tc's token bucket. The `latency` is its queue. */
export function tokenBucketOptions({ downBps, queueMs }: Pick<Line, 'downBps' | 'queueMs'>): string[] {
	const bps = downBps ?? UNLIMITED_BPS;
	const burstBytes = Math.max(BURST_BYTES, Math.ceil((bps * BURST_MS) / 8000));
	return ['rate', `${Math.round(bps)}bit`, 'burst', String(burstBytes), 'latency', `${Math.round(queueMs)}ms`];
}

/** One line for reports. */
export function describeLine(line: Line): string {
	const { downBps, queueMs, lossRatio, lossBurst, roundTripMs, reorderRatio } = line;
	const parts = [
		downBps === undefined ? 'unlimited' : `${downBps / 1e6} Mbit/s with a queue of ${queueMs} ms`,
		`${roundTripMs} ms of round trip`,
		`${lossRatio * 100} % lost${lossBurst > 1 && lossRatio > 0 ? ` in bursts of ${lossBurst}` : ''}`,
	];
	return [...parts, ...(reorderRatio > 0 ? [`${reorderRatio * 100} % overtaken`] : [])].join(', ');
}
