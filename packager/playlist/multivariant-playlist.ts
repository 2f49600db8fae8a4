/** Writes the text of a multivariant playlist. Knows no HTTP and keeps no state. */
import {
	codecString,
	displaySize,
	type AudioTrackConfig,
	type TrackConfig,
	type VideoTrackConfig,
} from '../../core/media/codecs.ts';
import { PLAYLIST_VERSION, quoted } from './playlist-tags.ts';

/** One media playlist as the multivariant playlist lists it. @internal for tests */
export type ListedRendition<Config extends TrackConfig = TrackConfig> = {
	/** Address of its media playlist. */
	uri: string;
	config: Config;
	/** Highest bit rate of a segment so far. */
	peakBps: number;
	/** Frames a second; undefined for audio or where not measured yet. */
	frameRate: number | undefined;
};

const AUDIO_GROUP = 'audio';
/**
 * What BANDWIDTH adds to the measured peak. It must not be below what is measured later (Apple's validator, "Measured
 * peak bitrate … exceeds error tolerance") and should be within 10 % of it.
 */
const BANDWIDTH_MARGIN_RATIO = 1.1;

/** The whole text. Audio is a rendition group next to video; without video it is the variant itself. */
export function formatMultivariantPlaylist(renditions: readonly ListedRendition[]): string {
	const videos = renditions.filter(
		(entry): entry is ListedRendition<VideoTrackConfig> => entry.config.kind === 'video',
	);
	const audios = renditions.filter(
		(entry): entry is ListedRendition<AudioTrackConfig> => entry.config.kind === 'audio',
	);
	const text = `#EXTM3U\n#EXT-X-VERSION:${PLAYLIST_VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n`;
	if (videos.length === 0) {
		return text + audios.map((audio) => variantLines(undefined, [audio])).join('');
	}
	return text + audios.map(audioLine).join('') + videos.map((video) => variantLines(video, audios)).join('');
}

// §4.4.6.1. NAMEs differ within a group; one entry at most is the default.
function audioLine(audio: ListedRendition<AudioTrackConfig>, index: number): string {
	const name = index === 0 ? 'Audio' : `Audio ${index + 1}`;
	return (
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=${quoted(AUDIO_GROUP)},NAME=${quoted(name)},DEFAULT=${index === 0 ? 'YES' : 'NO'},` +
		`AUTOSELECT=YES,CHANNELS=${quoted(String(audio.config.channelCount))},URI=${quoted(audio.uri)}\n`
	);
}

// §4.4.6.2. BANDWIDTH is that of the variant with its most demanding rendition; CODECS names all that may occur.
function variantLines(
	video: ListedRendition<VideoTrackConfig> | undefined,
	audios: readonly ListedRendition<AudioTrackConfig>[],
): string {
	const peakBps = (video?.peakBps ?? 0) + Math.max(0, ...audios.map((audio) => audio.peakBps));
	const codecs = new Set(
		[video, ...audios].map((entry) => entry && codecString(entry.config)).filter((name) => name !== undefined),
	);
	// "the optimal pixel resolution at which to display all the video"
	const shown = video && displaySize(video.config);
	const attributes = [
		`BANDWIDTH=${Math.max(1000, Math.ceil((peakBps * BANDWIDTH_MARGIN_RATIO) / 1000) * 1000)}`,
		`CODECS=${quoted([...codecs].join(','))}`,
		...(shown ? [`RESOLUTION=${shown.widthPixels}x${shown.heightPixels}`] : []),
		...(video?.frameRate ? [`FRAME-RATE=${video.frameRate.toFixed(3)}`] : []),
		...(video && audios.length > 0 ? [`AUDIO=${quoted(AUDIO_GROUP)}`] : []),
		// We offer no captions. Without this attribute shaka-player 5.2.12 searches up to three segments for some before it
		// plays. In low-latency mode the open one, which has no address yet, is one of them. So it fails in the first 6 s
		// of a broadcast (hls_parser.js, getClosedCaptionProbeSegments_).
		...(video ? ['CLOSED-CAPTIONS=NONE'] : []),
	];
	return `#EXT-X-STREAM-INF:${attributes.join(',')}\n${(video ?? audios[0]!).uri}\n`;
}
