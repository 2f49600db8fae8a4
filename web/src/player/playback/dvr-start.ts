/**
 * Lets hls.js begin at a capture time. It can begin at a media time only, which nobody knows before the playlist has
 * come; so the playlist gets a tag (EXT-X-START, draft-pantos-hls-rfc8216bis §4.4.2.2) on its way to hls.js. Without
 * it hls.js would load a segment at the live edge first.
 */
import type { HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, PlaylistLoaderContext } from 'hls.js';

/** Past the start of a segment, so that rounding cannot miss it. */
const WITHIN_SECONDS = 0.02;

type LoaderClass = new (config: HlsConfig) => Loader<PlaylistLoaderContext>;

/** For `pLoader`. `captureTimeMs`: where to begin, the server's epoch milliseconds. */
export function startingLoader(Base: LoaderClass, captureTimeMs: () => number): LoaderClass {
	return class extends Base {
		override load(
			context: PlaylistLoaderContext,
			config: LoaderConfiguration,
			callbacks: LoaderCallbacks<PlaylistLoaderContext>,
		): void {
			super.load(context, config, {
				...callbacks,
				onSuccess: (response, ...rest) => {
					if (typeof response.data === 'string') {
						response.data = withStart(response.data, captureTimeMs());
					}
					callbacks.onSuccess(response, ...rest);
				},
			});
		}
	};
}

/** The text of a media playlist with a start; any other as it is. @internal for tests */
export function withStart(playlist: string, captureTimeMs: number): string {
	const offsetSeconds = playlist.includes('#EXTINF:') ? offsetOf(playlist, captureTimeMs) : undefined;
	return offsetSeconds === undefined
		? playlist
		: playlist.replace('#EXTM3U', `#EXTM3U\n#EXT-X-START:TIME-OFFSET=${offsetSeconds.toFixed(3)},PRECISE=YES`);
}

/** Seconds from the start of the playlist; undefined for a delta update, which does not say. */
function offsetOf(playlist: string, captureTimeMs: number): number | undefined {
	let [beforeSeconds, durationSeconds, dateMs] = [0, 0, NaN];
	let isGap = false;
	/** Of the newest segment that has media. */
	let offsetSeconds: number | undefined;
	for (const line of playlist.split(/\r?\n/)) {
		if (line.startsWith('#EXT-X-SKIP:')) {
			return undefined;
		} else if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) {
			dateMs = Date.parse(line.slice('#EXT-X-PROGRAM-DATE-TIME:'.length));
		} else if (line.startsWith('#EXTINF:')) {
			durationSeconds = Number.parseFloat(line.slice('#EXTINF:'.length)) || 0;
		} else if (line === '#EXT-X-GAP') {
			isGap = true;
		} else if (line !== '' && !line.startsWith('#')) {
			const withinSeconds = Math.max(WITHIN_SECONDS, (captureTimeMs - dateMs) / 1000);
			if (!isGap) {
				offsetSeconds = beforeSeconds + Math.min(withinSeconds, durationSeconds);
			}
			if (!isGap && withinSeconds < durationSeconds) {
				return offsetSeconds;
			}
			beforeSeconds += durationSeconds;
			isGap = false;
		}
	}
	return offsetSeconds;
}
