/** The live stream's figures, each with a verdict and advice. Pure. */
import { formatBitrate, formatDuration, formatFrameRate, formatSeconds } from '../../app/texts/format.ts';
import type { ChannelHealth } from '../../../../core/protocol/api/channel-health.ts';

/** A figure; `advice` where the verdict is `warning` and no problem of the stream explains it. */
type HealthRow = { label: string; value: string; verdict: 'good' | 'warning' | 'unknown'; advice?: string };

/** With a longer interval both tiers are re-encoded. */
const MAX_GOP_MS = 2500;
const MIN_FRAME_RATE = 20;

/** In the order of the page. Every row always exists, so that nothing jumps when figures come and go. */
export function healthRows(
	health: ChannelHealth['health'] | undefined,
	protocol: string | undefined,
	problems: ChannelHealth['problems'] = [],
): HealthRow[] {
	if (health === null || health === undefined) {
		return ['Video', 'Sound', 'Frame rate', 'Key-frame interval', 'B-frames', 'Gaps'].map((label) => unknown(label));
	}
	const hasProblem = (wanted: 'video' | 'audio'): boolean => problems.some(({ kind }) => kind === wanted);
	const noVideo = hasProblem('video') ? undefined : 'No pictures arrive. Check the encoder’s output.';
	const noAudio = hasProblem('audio') ? undefined : 'No sound arrives. Check the encoder’s audio tracks.';
	return [
		bitrateRow('Video', health.videoBitrateBps, health.videoUnitCount, noVideo),
		bitrateRow('Sound', health.audioBitrateBps, health.audioUnitCount, noAudio),
		frameRateRow(health.frameRate, health.videoUnitCount),
		gopRow(health.gopDurationMs ?? undefined, protocol),
		bFramesRow(health),
		gapRow(health),
	];
}

/** The publisher of the stream: "OBS 32.2, by RTMP from 192.0.2.1". */
export function sourceWords(publisher: {
	protocol: string;
	encoderName: string | null;
	remoteAddress: string;
}): string {
	return `${publisher.encoderName ?? 'An encoder'}, by ${publisher.protocol.toUpperCase()} from ${publisher.remoteAddress}`;
}

/** The end of the last encoder: "12 min ago: The connection to the encoder was lost." `nowMs`: the server's time. */
export function endWords(report: NonNullable<ChannelHealth['lastPublisher']>, nowMs: number | undefined): string {
	if (nowMs === undefined) {
		return report.message;
	}
	// The estimate of the server's clock may be some milliseconds off.
	const agoMs = Math.max(0, nowMs - Date.parse(report.at));
	return `${formatDuration(agoMs)} ago: ${report.message}`;
}

function good(label: string, value: string): HealthRow {
	return { label, value, verdict: 'good' };
}

function unknown(label: string, value = '–'): HealthRow {
	return { label, value, verdict: 'unknown' };
}

function warning(label: string, value: string, advice: string | undefined): HealthRow {
	return { label, value, verdict: 'warning', ...(advice === undefined ? {} : { advice }) };
}

function bitrateRow(label: string, bps: number, unitCount: number, advice: string | undefined): HealthRow {
	if (unitCount === 0) {
		return warning(label, 'none', advice);
	}
	return bps > 0 ? good(label, formatBitrate(bps)) : warning(label, 'stopped', advice);
}

function frameRateRow(frameRate: number, unitCount: number): HealthRow {
	const label = 'Frame rate';
	if (frameRate <= 0) {
		return unknown(label);
	}
	const value = `${formatFrameRate(frameRate)} /s`;
	const advice = 'Fewer than 20 pictures a second look like stutter. The encoder may be overloaded.';
	return frameRate >= MIN_FRAME_RATE || unitCount < 60 ? good(label, value) : warning(label, value, advice);
}

function gopRow(gopMs: number | undefined, protocol: string | undefined): HealthRow {
	const label = 'Key-frame interval';
	if (gopMs === undefined) {
		return unknown(label);
	}
	const advice = 'Viewers wait for the next key frame. Set the key-frame interval to 2 s.';
	// The server requests key frames from WHIP publishers, so their own interval does not matter.
	const isFine = gopMs <= MAX_GOP_MS || protocol === 'whip';
	return isFine ? good(label, formatSeconds(gopMs)) : warning(label, formatSeconds(gopMs), advice);
}

function bFramesRow({ hasBFrames, videoUnitCount }: NonNullable<ChannelHealth['health']>): HealthRow {
	const label = 'B-frames';
	if (hasBFrames) {
		const advice =
			'Browsers cannot play them over WebRTC, so the picture is re-encoded for real time. Set B-frames to 0.';
		return warning(label, 'yes', advice);
	}
	return videoUnitCount > 0 ? good(label, 'none') : unknown(label, 'none');
}

function gapRow({ gapCount, longestGapMs }: NonNullable<ChannelHealth['health']>): HealthRow {
	const label = 'Gaps';
	if (gapCount === 0) {
		return good(label, 'none');
	}
	const advice = 'Pictures stayed away for a while. Lower the bitrate, or use a cable instead of Wi-Fi.';
	return warning(label, `${gapCount} in a minute, longest ${formatSeconds(longestGapMs)}`, advice);
}
