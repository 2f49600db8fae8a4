/** What a multivariant playlist says about a track. Plain data, so that recordings keep it. Pure. */
import { codecString, displaySize, type TrackConfig } from '../../core/media/codecs.ts';

export type PictureFacts = {
	kind: 'video';
	/** As CODECS names them (RFC 6381); more than one when they changed. */
	codecs: readonly string[];
	/** In square pixels. */
	widthPixels: number;
	heightPixels: number;
};

export type SoundFacts = { kind: 'audio'; codecs: readonly string[]; channelCount: number };

export type TrackFacts = PictureFacts | SoundFacts;

export function trackFacts(config: TrackConfig): TrackFacts {
	const codec = codecString(config);
	const codecs = codec === undefined ? [] : [codec];
	return config.kind === 'video'
		? { kind: 'video', codecs, ...displaySize(config) }
		: { kind: 'audio', codecs, channelCount: config.channelCount };
}

/** Of a track that changed: all its codecs, and its largest size or most channels. */
export function joinFacts<Facts extends TrackFacts>(one: Facts, other: Facts): Facts {
	const codecs = [...new Set([...one.codecs, ...other.codecs])];
	const larger = sizeOf(other) > sizeOf(one) ? other : one;
	return { ...larger, codecs };
}

function sizeOf(facts: TrackFacts): number {
	return facts.kind === 'video' ? facts.widthPixels * facts.heightPixels : facts.channelCount;
}
