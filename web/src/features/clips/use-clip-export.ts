/** Asks for a clip's MP4 file, waits for it, and downloads it. */
import { onBeforeUnmount, ref, type Ref } from 'vue';
import { systemClock, sleep } from '../../../../core/lifecycle/clock.ts';
import type { OwnClip } from '../../../../core/protocol/api/clip.ts';
import { exportClip, fetchClip } from '../../api/clip-api.ts';
import { ApiError } from '../../api/request.ts';
import { clipTitle } from '../../app/texts/clip-words.ts';

const POLL_MS = 1000;
/** The file of a clip is made in seconds, unless the server is busy. */
const PATIENCE_MS = 120_000;

export function useClipExport(clip: Readonly<Ref<OwnClip | undefined>>) {
	const isMaking = ref(false);
	const problem = ref<string>();
	const abort = new AbortController();

	async function makeFile({ id, exportUrl }: OwnClip): Promise<{ url?: string; state: OwnClip['exportState'] }> {
		if (exportUrl !== null) {
			return { url: exportUrl, state: 'ready' };
		}
		await exportClip(id);
		const untilMs = systemClock.monotonicMs() + PATIENCE_MS;
		while (systemClock.monotonicMs() < untilMs) {
			const now = await fetchClip(id, abort.signal);
			if (now.exportUrl !== null) {
				return { url: now.exportUrl, state: now.exportState };
			}
			if (now.exportState === 'failed') {
				return { state: 'failed' };
			}
			await sleep(systemClock, POLL_MS, abort.signal);
		}
		return { state: 'making' };
	}

	async function download(): Promise<void> {
		const asked = clip.value;
		if (asked === undefined || isMaking.value) {
			return;
		}
		isMaking.value = true;
		problem.value = undefined;
		try {
			const { url, state } = await makeFile(asked);
			if (url === undefined) {
				problem.value =
					state === 'failed'
						? 'The file could not be made. Try again in a moment.'
						: 'The server is busy with live streams and makes the file when it has time. Try again in some minutes.';
			} else {
				save(url, fileName(clipTitle(asked)));
			}
		} catch (error) {
			if (!abort.signal.aborted) {
				problem.value = error instanceof ApiError ? error.message : 'The file could not be loaded.';
			}
		} finally {
			isMaking.value = false;
		}
	}
	onBeforeUnmount(() => abort.abort());
	return { isMaking, problem, download };
}

/** Without what file systems refuse. */
function fileName(title: string): string {
	return `${title.replace(/[\u0000-\u001f<>:"/\\|?*]+/g, ' ').trim() || 'clip'}.mp4`;
}

function save(url: string, name: string): void {
	const link = document.createElement('a');
	link.href = url;
	link.download = name;
	link.click();
}
