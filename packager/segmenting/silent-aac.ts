/** AAC-LC frames of silence, to fill what an audio track lacks. */
import type { AudioTrackConfig } from '../../core/media/codecs.ts';

const AAC_LC_OBJECT_TYPE = 2;

// raw_data_block() (ISO/IEC 14496-3 §4.4.2.1) with one single_channel_element, or one channel_pair_element with a common
// window, whose max_sfb is 0: no spectral data, so every sample is zero, whatever the sample rate.
const SILENT_MONO = Uint8Array.of(0x00, 0xc8, 0x00, 0x80, 0x23, 0x80);
const SILENT_STEREO = Uint8Array.of(0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80);

/** One silent frame for the configuration; undefined for anything but AAC-LC in mono or stereo. */
export function silentAacFrame(config: AudioTrackConfig): Uint8Array | undefined {
	const objectType = (config.audioSpecificConfig[0] ?? 0) >> 3;
	if (config.codec !== 'aac' || objectType !== AAC_LC_OBJECT_TYPE) {
		return undefined;
	}
	return config.channelCount === 1 ? SILENT_MONO : config.channelCount === 2 ? SILENT_STEREO : undefined;
}
