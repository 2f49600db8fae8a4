/** A channel's recording and its videos in words, for their owner. Pure. */
import type { OwnVideo, RecordingStatus } from '../../../../core/protocol/api/video.ts';
import { formatBytes, formatDate } from '../../app/texts/format.ts';
import { speakLength } from '../../app/texts/time-text.ts';

export type RecordingChoice = 'account' | 'on' | 'off';

const DAY_MS = 24 * 3600 * 1000;
/** From here on the owner should look after their videos. */
const FULL_SHARE = 0.9;

export function recordingChoice({ choice }: Pick<RecordingStatus, 'choice'>): RecordingChoice {
	return choice === null ? 'account' : choice ? 'on' : 'off';
}

export function recordingOptions({ choice, isWanted }: Pick<RecordingStatus, 'choice' | 'isWanted'>) {
	const account = choice === null ? `As my account: ${isWanted ? 'on' : 'off'}` : 'As my account';
	return [
		{ value: 'account', label: account, detail: 'on for approved streamers' },
		{ value: 'on', label: 'On', detail: 'every broadcast' },
		{ value: 'off', label: 'Off', detail: 'no broadcast' },
	] as const;
}

export function recordingWords({ state, isWanted }: Pick<RecordingStatus, 'state' | 'isWanted'>): string {
	switch (state) {
		case 'off':
			return 'Your broadcasts are not recorded.';
		case 'idle':
			return 'Your next broadcast is recorded from its start.';
		case 'recording':
			return isWanted ? 'This broadcast is being recorded.' : 'This broadcast is being recorded; the next one is not.';
		case 'stopped':
			return 'Recording has stopped. Your live broadcast continues.';
	}
}

/** `share`: 0 to 1. */
export function storageWords({ usedBytes, maxBytes }: Pick<RecordingStatus, 'usedBytes' | 'maxBytes'>): {
	text: string;
	share: number;
	isNearlyFull: boolean;
} {
	const share = maxBytes > 0 ? Math.min(1, usedBytes / maxBytes) : 1;
	return {
		text: `${formatBytes(usedBytes)} of ${formatBytes(maxBytes)} used by your videos`,
		share,
		isNearlyFull: share >= FULL_SHARE,
	};
}

/** When a video is deleted. `nowMs`: the server's; undefined: not known. */
export function expiryWords(
	{ state, isKept, expiresAt }: Pick<OwnVideo, 'state' | 'isKept' | 'expiresAt'>,
	retentionDays: number | undefined,
	nowMs: number | undefined,
): string {
	if (isKept === true) {
		return 'Kept until you delete it';
	}
	if (state === 'recording') {
		return retentionDays === undefined ? '' : `Deleted ${days(retentionDays)} after its end`;
	}
	if (expiresAt === undefined || expiresAt === null) {
		return '';
	}
	const left = nowMs === undefined ? undefined : Math.ceil((Date.parse(expiresAt) - nowMs) / DAY_MS);
	if (left !== undefined && left <= 1) {
		return left <= 0 ? 'Deleted any moment' : 'Deleted within a day';
	}
	return `Deleted on ${formatDate(expiresAt)}${left === undefined ? '' : `, in ${days(left)}`}`;
}

/** Undefined where everything could be stored. */
export function missingWords({ missingSeconds }: Pick<OwnVideo, 'missingSeconds'>): string | undefined {
	return missingSeconds === undefined || missingSeconds < 1
		? undefined
		: `${speakLength(missingSeconds)} could not be stored`;
}

function days(count: number): string {
	return count === 1 ? '1 day' : `${count} days`;
}
