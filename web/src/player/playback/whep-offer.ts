/** Rewrites the browser's SDP offer into one that the SFU can answer. Pure text to text. */

/** The extension that carries each frame's capture time (webrtc.org, "Absolute Capture Time"). */
export const ABS_CAPTURE_TIME_URI = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';

/**
 * Ids of RTP header extensions as mediasoup 3 fixes them (supportedRtpCapabilities). It sends an extension to a viewer
 * only under its own id, so the offer has to use the same.
 */
const HEADER_EXTENSION_IDS: ReadonlyMap<string, number> = new Map([
	['urn:ietf:params:rtp-hdrext:sdes:mid', 1],
	['http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time', 4],
	['http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01', 5],
	['urn:ietf:params:rtp-hdrext:ssrc-audio-level', 6],
	['urn:3gpp:video-orientation', 8],
	['urn:ietf:params:rtp-hdrext:toffset', 9],
	[ABS_CAPTURE_TIME_URI, 10],
	['http://www.webrtc.org/experiments/rtp-hdrext/playout-delay', 11],
]);

/**
 * The offer with mediasoup's extension ids, and without extensions that mediasoup does not know. Every audio and video
 * section has abs-capture-time, which Chromium leaves out by default. Opus is stereo: without `stereo=1` a receiver
 * prefers mono (RFC 7587 §6.1), and Chromium then mixes down.
 */
export function prepareWhepOffer(sdp: string): string {
	const sections = sdp.split(/(?=^m=)/m);
	return sections.map((section, index) => (index === 0 ? section : prepareSection(section))).join('');
}

function prepareSection(section: string): string {
	const isMedia = /^m=(audio|video) /.test(section);
	const lines = section.split('\r\n');
	const opusPayloadTypes = new Set(lines.flatMap((line) => /^a=rtpmap:(\d+) opus\/48000\/2$/i.exec(line)?.[1] ?? []));
	const seenUris = new Set<string>();
	const prepared = lines.flatMap((line) => {
		// RFC 8285 §5: a=extmap:<value>["/"<direction>] <URI> <extensionattributes>
		const extension = /^a=extmap:\d+(\/\w+)? (\S+)/.exec(line);
		if (extension !== null) {
			const uri = extension[2]!;
			const id = HEADER_EXTENSION_IDS.get(uri);
			if (id === undefined || seenUris.has(uri)) {
				return [];
			}
			seenUris.add(uri);
			return [`a=extmap:${id}${extension[1] ?? ''} ${uri}`];
		}
		const format = /^a=fmtp:(\d+) (.*)$/.exec(line);
		if (format !== null && opusPayloadTypes.has(format[1]!) && !/(^|;)\s*stereo=/.test(format[2]!)) {
			return [`${line};stereo=1`];
		}
		return [line];
	});
	if (!isMedia || seenUris.has(ABS_CAPTURE_TIME_URI)) {
		return prepared.join('\r\n');
	}
	return insertExtension(prepared).join('\r\n');
}

/** After the last extension, else before the first format of the section, else at the end. */
function insertExtension(lines: readonly string[]): string[] {
	const line = `a=extmap:${HEADER_EXTENSION_IDS.get(ABS_CAPTURE_TIME_URI)!} ${ABS_CAPTURE_TIME_URI}`;
	const lastExtension = lines.findLastIndex((entry) => entry.startsWith('a=extmap:'));
	const firstFormat = lines.findIndex((entry) => entry.startsWith('a=rtpmap:'));
	const lastText = lines.findLastIndex((entry) => entry !== '');
	const position = lastExtension >= 0 ? lastExtension + 1 : firstFormat >= 0 ? firstFormat : lastText + 1;
	return lines.toSpliced(position, 0, line);
}
