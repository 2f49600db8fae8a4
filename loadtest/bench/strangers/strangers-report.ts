/** The figures of {@link runStrangers} as tables. */
import type { StrangersRun, StrangersStretch } from '../strangers.ts';

/** Markdown. */
export function formatStrangers({ stretches, viewerCount, durationMs }: StrangersRun): string {
	return [
		`${viewerCount} viewers by WebRTC and ${viewerCount} by LL-HLS; each attack ${durationMs / 1000} s.`,
		'',
		'| attack | viewers refused / moved | stalls / freezes | parts late p50 / p99 ms | WebRTC p50 / p99 ms | newcomers WebRTC / LL-HLS s | second streamer accepted / on air s | log-in ms | streamer on air | server cores / MiB | void |',
		'| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
		...stretches.map(formatStretch),
		'',
		...stretches.flatMap(({ name, attacks }) => (name === 'none' ? [] : [`${name}: ${formatCounts(attacks)}`])),
		...stretches.flatMap(({ name, arrival, healthy }) => {
			return [...healthy.notes, ...arrival.failures].map((text) => `${name}: ${text}`);
		}),
	].join('\n');
}

/** One row of the table. */
export function formatStretch({
	name,
	healthy,
	arrival,
	serverCores,
	serverMib,
	isBroadcastWhole,
}: StrangersStretch): string {
	const { partLate, webrtcLatency, newcomerJoinMs } = healthy;
	const cells = [
		name,
		`${healthy.refusedCount} / ${healthy.movedCount}`,
		`${healthy.stallCount} / ${healthy.freezeCount}`,
		`${round(partLate?.p50)} / ${round(partLate?.p99)}`,
		`${round(webrtcLatency?.p50)} / ${round(webrtcLatency?.p99)}`,
		`${seconds(newcomerJoinMs.webrtc)} / ${seconds(newcomerJoinMs.hls)}`,
		`${seconds(arrival.acceptedMs)} / ${seconds(arrival.onAirMs)}`,
		arrival.logInMs === undefined ? 'refused' : round(arrival.logInMs),
		healthy.isStreamerOnAir && isBroadcastWhole ? 'yes' : 'NO',
		`${serverCores?.toFixed(2) ?? '–'} / ${round(serverMib)}`,
		healthy.voidReasons.join('; ') || 'no',
	];
	return `| ${cells.join(' | ')} |`;
}

function formatCounts(attacks: StrangersStretch['attacks']): string {
	return Object.entries(attacks)
		.map(([name, counts]) => {
			const events = Object.entries(counts).map(([event, count]) => `${event} ${count}`);
			return `${name} (${events.join(', ')})`;
		})
		.join('; ');
}

function round(value: number | undefined): string {
	return value === undefined ? '–' : value.toFixed(0);
}

function seconds(ms: number | undefined): string {
	return ms === undefined ? 'never' : (ms / 1000).toFixed(2);
}
