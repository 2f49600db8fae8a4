/** API calls about clips, which are short pieces of broadcasts. */
import type { ClipChange, ClipCreation, ClipList, CreatedClip, OwnClip } from '../../../core/protocol/api/clip.ts';
import { ask } from './request.ts';

/** Throws with code `SIGN_IN_REQUIRED` for visitors. */
export function createClip(body: ClipCreation): Promise<CreatedClip> {
	return ask('POST /api/v1/clips', { body });
}

export function fetchClip(clip: string, signal?: AbortSignal): Promise<OwnClip> {
	return ask('GET /api/v1/clips/:clip', { params: { clip }, signal });
}

/** Changes only the fields that are given. */
export function changeClip(clip: string, body: ClipChange): Promise<OwnClip> {
	return ask('PATCH /api/v1/clips/:clip', { params: { clip }, body });
}

export async function deleteClip(clip: string): Promise<void> {
	await ask('DELETE /api/v1/clips/:clip', { params: { clip } });
}

/** Asks for its MP4 file, which takes some seconds; its description says when it is there. */
export async function exportClip(clip: string): Promise<void> {
	await ask('POST /api/v1/clips/:clip/export', { params: { clip } });
}

export async function reportClip(clip: string, reason: string): Promise<void> {
	await ask('POST /api/v1/clips/:clip/reports', { params: { clip }, body: { reason } });
}

/** Clips of a channel, newest first. `before`: id of a clip; only older ones. */
export function fetchClips(
	channel: string,
	{ limit, before }: { limit: number; before?: string | undefined },
	signal?: AbortSignal,
): Promise<ClipList> {
	const query = { limit: String(limit), ...(before === undefined ? {} : { before }) };
	return ask('GET /api/v1/channels/:channel/clips', { params: { channel }, query, signal });
}
