/** Multivariant playlists, whole. */
import fc from 'fast-check';
import { Parser } from 'm3u8-parser';
import { describe, expect, it } from 'vitest';
import type { Rung } from '../../core/media/rung.ts';
import { readAttributes } from '../testing/playlist-reader.ts';
import { trackFacts } from '../rendition/track-facts.ts';
import { SIMULATED_LADDER, SIMULATED_VIDEO, simulatedAudio } from '../testing/simulated-source.ts';
import { formatMultivariantPlaylist, type ListedRendition } from './multivariant-playlist.ts';

const video: ListedRendition = {
	uri: '/v',
	facts: trackFacts(SIMULATED_VIDEO),
	rung: undefined,
	peakBps: 2_000_000,
	averageBps: 1_500_000,
	frameRate: 29.97,
};
const audio: ListedRendition = {
	uri: '/a',
	facts: trackFacts(simulatedAudio(48_000)),
	rung: undefined,
	peakBps: 128_000,
	averageBps: 120_000,
	frameRate: undefined,
};

/** A ladder below a source of 6 Mbit/s, as it is measured in quiet pictures. */
function ladder(rungs: ReadonlyMap<string, Rung> = SIMULATED_LADDER): ListedRendition[] {
	const source = { ...video, uri: '/video0', peakBps: 6_000_000, averageBps: 5_500_000, frameRate: 60 };
	const below = [...rungs].map(([trackId, rung]): ListedRendition => {
		const isVideo = rung.kind === 'video';
		const bps = isVideo ? rung.maxBitrateBps / 2 : 50_000;
		const config = isVideo
			? { ...SIMULATED_VIDEO, widthPixels: (rung.heightPixels * 16) / 9, heightPixels: rung.heightPixels }
			: simulatedAudio(48_000);
		const frameRate = isVideo ? rung.frameRate : undefined;
		return { uri: `/${trackId}`, facts: trackFacts(config), rung, peakBps: bps, averageBps: bps * 0.9, frameRate };
	});
	return [source, ...below, { ...audio, uri: '/audio0' }];
}

/** Attributes and address of each variant, in order. */
function variantsOf(text: string): (Map<string, string> & { uri?: string })[] {
	return [...text.matchAll(/#EXT-X-STREAM-INF:(.*)\n(.*)\n/g)].map(([, attributes, uri]) =>
		readAttributes(attributes!).set('uri', uri!),
	);
}

describe('formatMultivariantPlaylist', () => {
	it('lists one video with two sounds, and sound alone', () => {
		const text = formatMultivariantPlaylist([
			video,
			audio,
			{ ...audio, uri: '/b', facts: trackFacts(simulatedAudio(44_100, 1)) },
		]);
		expect(text).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="/a"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio 2",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="1",URI="/b"
#EXT-X-STREAM-INF:BANDWIDTH=2341000,AVERAGE-BANDWIDTH=1620000,SCORE=2,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=320x180,FRAME-RATE=29.970,AUDIO="audio",CLOSED-CAPTIONS=NONE
/v
#EXT-X-STREAM-INF:BANDWIDTH=141000,AVERAGE-BANDWIDTH=120000,SCORE=1,CODECS="mp4a.40.2"
/a
`);
		const parser = new Parser();
		parser.push(text);
		parser.end();
		expect(parser.manifest.playlists).toHaveLength(2);
	});

	it('lists a ladder: the variant for a usual line first, low sound with the lowest rungs, ceilings as rates', () => {
		expect(formatMultivariantPlaylist(ladder())).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="/audio0"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio-low",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="/audio1"
#EXT-X-STREAM-INF:BANDWIDTH=1461000,AVERAGE-BANDWIDTH=660000,SCORE=4,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=853x480,FRAME-RATE=30.000,AUDIO="audio",CLOSED-CAPTIONS=NONE
/video2
#EXT-X-STREAM-INF:BANDWIDTH=6741000,AVERAGE-BANDWIDTH=5620000,SCORE=6,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=320x180,FRAME-RATE=60.000,AUDIO="audio",CLOSED-CAPTIONS=NONE
/video0
#EXT-X-STREAM-INF:BANDWIDTH=3441000,AVERAGE-BANDWIDTH=1470000,SCORE=5,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=60.000,AUDIO="audio",CLOSED-CAPTIONS=NONE
/video1
#EXT-X-STREAM-INF:BANDWIDTH=825000,AVERAGE-BANDWIDTH=360000,SCORE=3,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=30.000,AUDIO="audio-low",CLOSED-CAPTIONS=NONE
/video3
#EXT-X-STREAM-INF:BANDWIDTH=308000,AVERAGE-BANDWIDTH=149000,SCORE=2,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=284x160,FRAME-RATE=30.000,AUDIO="audio-low",CLOSED-CAPTIONS=NONE
/video4
#EXT-X-STREAM-INF:BANDWIDTH=55000,AVERAGE-BANDWIDTH=45000,SCORE=1,CODECS="mp4a.40.2"
/audio1
`);
	});

	it('lists all of it for each pathway, with sounds of its own', () => {
		const pathways = ['a', 'b-2'].map((id) => ({ id, base: `https://${id}.example/hls/demo` }));
		expect(formatMultivariantPlaylist([video, audio], true, pathways)).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-CONTENT-STEERING:SERVER-URI="/hls/steering.json",PATHWAY-ID="a"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio.a",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="https://a.example/hls/demo/a"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio.b-2",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="https://b-2.example/hls/demo/a"
#EXT-X-STREAM-INF:BANDWIDTH=2341000,AVERAGE-BANDWIDTH=1620000,SCORE=2,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=320x180,FRAME-RATE=29.970,AUDIO="audio.a",CLOSED-CAPTIONS=NONE,PATHWAY-ID="a"
https://a.example/hls/demo/v
#EXT-X-STREAM-INF:BANDWIDTH=141000,AVERAGE-BANDWIDTH=120000,SCORE=1,CODECS="mp4a.40.2",PATHWAY-ID="a"
https://a.example/hls/demo/a
#EXT-X-STREAM-INF:BANDWIDTH=2341000,AVERAGE-BANDWIDTH=1620000,SCORE=2,CODECS="avc1.4d400d,mp4a.40.2",RESOLUTION=320x180,FRAME-RATE=29.970,AUDIO="audio.b-2",CLOSED-CAPTIONS=NONE,PATHWAY-ID="b-2"
https://b-2.example/hls/demo/v
#EXT-X-STREAM-INF:BANDWIDTH=141000,AVERAGE-BANDWIDTH=120000,SCORE=1,CODECS="mp4a.40.2",PATHWAY-ID="b-2"
https://b-2.example/hls/demo/a
`);
	});

	it('makes sound alone the variant, without a group', () => {
		expect(formatMultivariantPlaylist([audio])).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=141000,AVERAGE-BANDWIDTH=120000,CODECS="mp4a.40.2"
/a
`);
	});

	it('names only what is known for a picture alone', () => {
		expect(formatMultivariantPlaylist([{ ...video, averageBps: 0, frameRate: undefined }], false)).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-STREAM-INF:BANDWIDTH=2200000,CODECS="avc1.4d400d",RESOLUTION=320x180,CLOSED-CAPTIONS=NONE
/v
`);
	});

	it('has frame rates that never rise towards worse pictures, and SCOREs in the order of quality', () => {
		const rate = fc.option(fc.constantFrom(15, 23.976, 24, 25, 29.97, 30, 50, 59.94, 60), { nil: undefined });
		fc.assert(
			fc.property(fc.array(rate, { minLength: 6, maxLength: 6 }), fc.nat(8_000_000), (rates, peakBps) => {
				const listed = ladder().map((entry, index) => ({
					...entry,
					frameRate: entry.facts.kind === 'video' ? rates[index] : undefined,
					peakBps: index === 0 ? peakBps : entry.peakBps,
				}));
				const variants = variantsOf(formatMultivariantPlaylist(listed));
				const best = variants.toSorted((one, other) => Number(other.get('SCORE')) - Number(one.get('SCORE')));
				expect(best.map((variant) => variant.get('uri'))).toEqual([
					'/video0',
					'/video1',
					'/video2',
					'/video3',
					'/video4',
					'/audio1',
				]);
				const listedRates = best.slice(0, 5).map((variant) => variant.get('FRAME-RATE'));
				expect(new Set(listedRates.map((entry) => entry === undefined)).size).toBe(1);
				expect(listedRates.map(Number).every((entry, index, all) => index === 0 || !(entry > all[index - 1]!))).toBe(
					true,
				);
				for (const variant of variants) {
					expect(Number(variant.get('AVERAGE-BANDWIDTH'))).toBeLessThanOrEqual(Number(variant.get('BANDWIDTH')));
				}
			}),
		);
	});

	it.each([
		['has the low sound with no rung above 360 lines', ['video1', 'video2', 'audio1'], ['audio', 'audio', 'audio']],
		['has the low sound with the only low rung', ['video1', 'video4', 'audio1'], ['audio', 'audio', 'audio-low']],
		['has one group where there is no low sound', ['video1', 'video4'], ['audio', 'audio', 'audio']],
	])('%s', (_name, trackIds, groups) => {
		const rungs = new Map([...SIMULATED_LADDER].filter(([trackId]) => trackIds.includes(trackId)));
		const variants = variantsOf(formatMultivariantPlaylist(ladder(rungs))).filter((variant) =>
			variant.has('RESOLUTION'),
		);
		const best = variants.toSorted((one, other) => Number(other.get('SCORE')) - Number(one.get('SCORE')));
		expect(best.map((variant) => variant.get('AUDIO'))).toEqual(groups);
	});

	it('has the low sound everywhere when the source has none', () => {
		const text = formatMultivariantPlaylist(ladder().filter(({ uri }) => uri !== '/audio0'));
		expect(text).not.toContain('audio-low');
		expect(text.match(/AUDIO="audio"/g)).toHaveLength(5);
		expect(text).toContain('URI="/audio1"');
	});

	it('lists the best variant of up to 2.5 Mbit/s first, or else the lowest picture', () => {
		const first = (peakBps: number, trackIds: string[]): string | undefined => {
			const rungs = new Map([...SIMULATED_LADDER].filter(([trackId]) => trackIds.includes(trackId)));
			const [source, ...others] = ladder(rungs);
			return variantsOf(formatMultivariantPlaylist([{ ...source!, peakBps }, ...others]))[0]!.get('uri');
		};
		expect(first(1_500_000, ['video3', 'audio1'])).toBe('/video0');
		expect(first(6_000_000, ['video1', 'video2'])).toBe('/video2');
		expect(first(6_000_000, ['video1'])).toBe('/video1');
		expect(first(6_000_000, [])).toBe('/video0');
	});
});
