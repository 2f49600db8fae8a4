/** Advises streamers on the codec and bitrate that they plan to send. Pure. */

/** Above it many viewers' connections fail, and one WebRTC viewer costs as much as four at 1080p. */
const HIGH_BITRATE_BPS = 12_000_000;
/** Below it a picture of 720p and more falls apart. */
const LOW_BITRATE_BPS = 500_000;

/** `advice`: sentences for the streamer. */
export function adviseEncoder(
	codec: string | undefined,
	bitrateBps: number | undefined,
): { isCodecAccepted: boolean; advice: string[] } {
	const name = (codec ?? 'h264').toLowerCase().replace(/[^a-z0-9]/g, '');
	const advice = ['Set the key-frame interval to 1–2 s and B-frames to 0, so that nothing needs re-encoding.'];
	const isH264 = name === 'h264' || name === 'avc' || name.startsWith('avc1') || name === 'x264';
	const isVp8 = name === 'vp8';
	if (isVp8) {
		advice.push('VP8 comes in by WHIP only and is re-encoded for LL-HLS; H.264 goes through as it is.');
	} else if (!isH264) {
		advice.push('Only H.264 (and VP8 by WHIP) can be published; choose H.264 in the encoder.');
	}
	if (bitrateBps !== undefined && bitrateBps > HIGH_BITRATE_BPS) {
		advice.push('Many viewers cannot receive so high a bitrate; 4–8 Mbit/s suit 1080p.');
	}
	if (bitrateBps !== undefined && bitrateBps < LOW_BITRATE_BPS) {
		advice.push(
			'So low a bitrate shows blocks in all but small pictures; 2–4 Mbit/s suit 720p. The unit is bits per second.',
		);
	}
	return { isCodecAccepted: isH264 || isVp8, advice };
}
