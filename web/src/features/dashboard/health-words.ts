/** The live stream's figures with a verdict each, and what to change. Pure. */
import { formatBitrate, formatDuration, formatFrameRate, formatSeconds } from '../../app/texts/format.ts';
import type { ChannelHealth } from '../../../../core/protocol/api/channel-health.ts';

/** A figure; `advice` where the verdict is `warning` and no problem of the stream tells more. */
type HealthRow = { label: string; value: string; verdict: 'good' | 'warning' | 'unknown'; advice?: string };

/** Longer, and both tiers are re-encoded (design: key frames at most 2.5 s apart pass through). */
const MAX_GOP_MS = 2500;
/** Fewer look like stutter whatever else is right. */
const MIN_FRAME_RATE = 20;

/** In the order of the page. Every row is always there, so that nothing jumps when figures come and go. */
export function healthRows(
	health: ChannelHealth['health'] | undefined,
	protocol: string | undefined,
	problems: ChannelHealth['problems'] = [],
): HealthRow[] {
	const unknown = (label: string): HealthRow => ({ label, value: '–', verdict: 'unknown' });
	if (health === null || health === undefined) {
		return ['Video', 'Sound', 'Frame rate', 'Key-frame interval', 'B-frames', 'Gaps'].map(unknown);
	}
	return [
		bitrateRow(
			'Video',
			health.videoBitrateBps,
			health.videoUnitCount,
			problems.some(({ kind }) => kind === 'video') ? undefined : 'No pictures arrive. Check the encoder’s output.',
		),
		bitrateRow(
			'Sound',
			health.audioBitrateBps,
			health.audioUnitCount,
			problems.some(({ kind }) => kind === 'audio') ? undefined : 'No sound arrives. Check the encoder’s audio tracks.',
		),
		frameRateRow(health.frameRate, health.videoUnitCount),
		gopRow(health.gopDurationMs ?? undefined, protocol),
		health.hasBFrames
			? {
					label: 'B-frames',
					value: 'yes',
					verdict: 'warning',
					advice:
						'Browsers cannot play them over WebRTC, so the picture is re-encoded for real time. Set B-frames to 0.',
				}
			: { label: 'B-frames', value: 'none', verdict: health.videoUnitCount > 0 ? 'good' : 'unknown' },
		gapRow(health),
	];
}

/** Whose stream it is: "OBS 32.2, by RTMP from 192.0.2.1". */
export function sourceWords(publisher: {
	protocol: string;
	encoderName: string | null;
	remoteAddress: string;
}): string {
	return `${publisher.encoderName ?? 'An encoder'}, by ${publisher.protocol.toUpperCase()} from ${publisher.remoteAddress}`;
}

/**
 * What became of the last encoder: "12 min ago: The connection to the encoder was lost." `nowMs`: on the server, once
 * known.
 */
export function endWords(report: NonNullable<ChannelHealth['lastPublisher']>, nowMs: number | undefined): string {
	if (nowMs === undefined) {
		return report.message;
	}
	// The estimate of the server's clock is some milliseconds off.
	const agoMs = Math.max(0, nowMs - Date.parse(report.at));
	return `${formatDuration(agoMs)} ago: ${report.message}`;
}

function bitrateRow(label: string, bps: number, unitCount: number, advice: string | undefined): HealthRow {
	const warning = { label, verdict: 'warning', ...(advice === undefined ? {} : { advice }) } as const;
	if (unitCount === 0) {
		return { ...warning, value: 'none' };
	}
	return bps > 0 ? { label, value: formatBitrate(bps), verdict: 'good' } : { ...warning, value: 'stopped' };
}

function frameRateRow(frameRate: number, unitCount: number): HealthRow {
	const label = 'Frame rate';
	if (frameRate <= 0) {
		return { label, value: '–', verdict: 'unknown' };
	}
	const value = `${formatFrameRate(frameRate)} /s`;
	return frameRate >= MIN_FRAME_RATE || unitCount < 60
		? { label, value, verdict: 'good' }
		: {
				label,
				value,
				verdict: 'warning',
				advice: 'Fewer than 20 pictures a second look like stutter. The encoder may be overloaded.',
			};
}

function gopRow(gopMs: number | undefined, protocol: string | undefined): HealthRow {
	const label = 'Key-frame interval';
	if (gopMs === undefined) {
		return { label, value: '–', verdict: 'unknown' };
	}
	const value = formatSeconds(gopMs);
	// WHIP publishers are asked for key frames by the server; their own interval says nothing.
	return gopMs <= MAX_GOP_MS || protocol === 'whip'
		? { label, value, verdict: 'good' }
		: {
				label,
				value,
				verdict: 'warning',
				advice: 'Viewers wait for the next key frame. Set the key-frame interval to 2 s.',
			};
}

function gapRow({ gapCount, longestGapMs }: NonNullable<ChannelHealth['health']>): HealthRow {
	const label = 'Gaps';
	if (gapCount === 0) {
		return { label, value: 'none', verdict: 'good' };
	}
	return {
		label,
		value: `${gapCount} in a minute, longest ${formatSeconds(longestGapMs)}`,
		verdict: 'warning',
		advice: 'Pictures stayed away for a while. Lower the bitrate, or use a cable instead of Wi-Fi.',
	};
}
