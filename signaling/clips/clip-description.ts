/** What the API says about a clip. Pure. */
import type { OwnClip } from '../../core/protocol/api/clip.ts';
import { clipPath, type ClipRecord } from './clip-row.ts';
import type { ClipReportRecord } from './clip-store.ts';

/** What who asks may do and see. */
export type ClipRights = {
	mayChange: boolean;
	seesReports: boolean;
	/** They would find the whole video. */
	seesVideo: boolean;
};

/** No time in a playlist is before its begin, however times are rounded. */
const secondsFrom = (origin: number, seconds: number): number => Math.max(0, seconds - origin);

export function describeClip(
	clip: ClipRecord,
	{ mayChange, seesReports, seesVideo }: ClipRights,
	reports: readonly ClipReportRecord[] = [],
): OwnClip {
	const path = clipPath(clip.pathSecret);
	const { startSeconds, endSeconds, originSeconds, sourceOriginSeconds } = clip;
	const hasVideo = seesVideo && !clip.isVideoDeleted;
	return {
		id: clip.id,
		channelId: clip.channelId,
		channelName: clip.channelName,
		videoId: hasVideo ? clip.videoId : null,
		videoSeconds: hasVideo ? secondsFrom(clip.videoOriginSeconds, startSeconds) : null,
		title: clip.title,
		category: clip.category ?? null,
		creatorName: clip.creatorName ?? null,
		createdAt: clip.createdAt.toISOString(),
		startedAt: clip.startedAt.toISOString(),
		durationSeconds: endSeconds - startSeconds,
		playlistUrl: `${path}index.m3u8`,
		startSeconds: secondsFrom(originSeconds, startSeconds),
		endSeconds: secondsFrom(originSeconds, endSeconds),
		posterUrl: clip.hasPoster ? `${path}poster.jpg` : null,
		exportState: clip.exportState,
		exportUrl: clip.exportState === 'ready' ? `${path}clip.mp4` : null,
		...(mayChange
			? {
					source: {
						playlistUrl: `${clipPath(clip.sourceSecret)}index.m3u8`,
						startSeconds: secondsFrom(sourceOriginSeconds, startSeconds),
						endSeconds: secondsFrom(sourceOriginSeconds, endSeconds),
						earliestSeconds: secondsFrom(sourceOriginSeconds, clip.sourceStartSeconds),
						latestSeconds: secondsFrom(sourceOriginSeconds, clip.sourceEndSeconds),
						frameSeconds: clip.frameSeconds,
					},
				}
			: {}),
		...(seesReports
			? { reports: reports.map(({ reason, reportedAt }) => ({ reason, reportedAt: reportedAt.toISOString() })) }
			: {}),
	};
}
