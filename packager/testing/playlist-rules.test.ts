/** Tests of the rule checker: it must find faults. */
import { describe, expect, it } from 'vitest';
import { readMediaPlaylist } from './playlist-reader.ts';
import { PlaylistSequenceChecker, siblingFaults } from './playlist-rules.ts';

const GOOD = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:3
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.63,HOLD-BACK=9
#EXT-X-PART-INF:PART-TARGET=0.21
#EXT-X-MEDIA-SEQUENCE:4
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-MAP:URI="init0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXT-X-PART:DURATION=0.20000,URI="part1.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.20000,URI="part2.m4s"
#EXT-X-PART:DURATION=0.10000,URI="part3.m4s"
#EXTINF:0.50000,
segment4.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.500Z
#EXT-X-PART:DURATION=0.20000,URI="part4.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part5.m4s"
`;

function faultsOf(...texts: string[]): string[] {
	const checker = new PlaylistSequenceChecker(() => 1);
	return texts.flatMap((text) => checker.check(text));
}

describe('PlaylistSequenceChecker', () => {
	it('accepts a good playlist and its successor', () => {
		const next = GOOD.replace('part5', 'part6').replace(
			'#EXT-X-PRELOAD',
			'#EXT-X-PART:DURATION=0.20000,URI="part5.m4s"\n#EXT-X-PRELOAD',
		);
		expect(faultsOf(GOOD, GOOD, next)).toEqual([]);
	});

	it.each<[string, string | RegExp, string]>([
		['L-1', 'EXTINF:0.50000', 'EXTINF:3.60000'],
		['L-1', 'TARGETDURATION:3', 'TARGETDURATION:2.5'],
		['L-2', 'PART-TARGET=0.21', 'PART-TARGET=x'],
		['L-3', 'PART-HOLD-BACK=0.63', 'PART-HOLD-BACK=0.5'],
		['L-3', 'HOLD-BACK=9', 'HOLD-BACK=8'],
		['L-6', 'VERSION:9', 'VERSION:5'],
		['L-7', '#EXT-X-DISCONTINUITY-SEQUENCE:1\n', ''],
		['L-9', 'DURATION=0.20000,URI="part2', 'DURATION=0.21001,URI="part2'],
		['L-10', 'DURATION=0.20000,URI="part2', 'DURATION=0.17000,URI="part2'],
		['A-3', 'DURATION=0.10000', 'DURATION=0.15000'],
		[
			'L-13',
			'#EXT-X-PART:DURATION=0.20000,URI="part2',
			'#EXT-X-DISCONTINUITY\n#EXT-X-PART:DURATION=0.20000,URI="part2',
		],
		['L-14', 'segment4.m4s\n', `segment4.m4s\n${'#EXTINF:3.00000,\nsegment5.m4s\n'.repeat(4)}`],
		['L-17', /#EXT-X-PRELOAD.*\n/, ''],
		['L-17', /$/, '#EXT-X-ENDLIST\n'],
		['L-20', /$/, '#EXT-X-RENDITION-REPORT:URI="/absolute",LAST-MSN=1,LAST-PART=1\n'],
		['L-28', '#EXT-X-MAP:', '#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXT-X-MAP:'],
		['L-30', /#EXT-X-MAP.*\n/, ''],
		['L-36', '#EXTM3U', '\ufeff#EXTM3U'],
		['L-44', /#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n/, ''],
		['L-46', /#EXT-X-PRELOAD.*\n/, '#EXT-X-ENDLIST\n'],
		['H-9', '#EXT-X-MAP:', '#EXT-X-VERSION:9\n#EXT-X-MAP:'],
		['H-10', 'MEDIA-SEQUENCE:4', 'MEDIA-SEQUENCE:0'],
		['unknown tag', '#EXT-X-MAP:', '#EXT-X-MAPP:\n#EXT-X-MAP:'],
	])('finds %s when %s becomes %s', (rule, from, to) => {
		expect(faultsOf(GOOD.replace(from, to)).some((fault) => fault.startsWith(rule))).toBe(true);
	});

	it.each<[string, string | RegExp, string]>([
		['L-5', 'HOLD-BACK=9', 'HOLD-BACK=10'],
		['L-7', 'MEDIA-SEQUENCE:4', 'MEDIA-SEQUENCE:3'],
		['L-7', 'DISCONTINUITY-SEQUENCE:1', 'DISCONTINUITY-SEQUENCE:2'],
		['§6.2.1', 'segment4.m4s', 'segment44.m4s'],
		['§6.2.1', '00.500Z', '00.600Z'],
		['§6.2.2', 'part4.m4s",INDEPENDENT=YES', 'part4.m4s"'],
		['L-41', 'DURATION=0.20000,URI="part4', 'DURATION=0.20001,URI="part4'],
		['L-17', '#EXT-X-PRELOAD', '#EXT-X-PART:DURATION=0.20000,URI="part55.m4s"\n#EXT-X-PRELOAD'],
	])('finds %s in the step when %s becomes %s', (rule, from, to) => {
		expect(faultsOf(GOOD, GOOD.replace(from, to)).some((fault) => fault.startsWith(rule))).toBe(true);
	});
});

describe('siblingFaults', () => {
	const faultsBetween = (from: string | RegExp, to: string, toleranceSeconds = 0): string[] =>
		siblingFaults(readMediaPlaylist(GOOD), readMediaPlaylist(GOOD.replace(from, to)), toleranceSeconds);

	it('accepts equal playlists, and what only one of them has yet or still', () => {
		expect(faultsBetween('', '')).toEqual([]);
		expect(faultsBetween('#EXT-X-PRELOAD', '#EXT-X-PART:DURATION=0.20000,URI="part5.m4s"\n#EXT-X-PRELOAD')).toEqual([]);
		const later = GOOD.replace('MEDIA-SEQUENCE:4', 'MEDIA-SEQUENCE:5').replace(/#EXT-X-PROGRAM[^]*segment4.m4s\n/, '');
		expect(siblingFaults(readMediaPlaylist(GOOD), readMediaPlaylist(later), 0)).toEqual([]);
	});

	it.each<[string, string | RegExp, string]>([
		['lasts differently', 'EXTINF:0.50000', 'EXTINF:0.50001'],
		['parts that last differently', 'DURATION=0.20000,URI="part2', 'DURATION=0.20001,URI="part2'],
		['more parts', '#EXT-X-PART:DURATION=0.10000,URI="part3.m4s"\n', ''],
		['dates', '00.500Z', '00.501Z'],
		['discontinuity sequence', 'DISCONTINUITY-SEQUENCE:1', 'DISCONTINUITY-SEQUENCE:2'],
	])('finds %s when %s becomes %s', (fault, from, to) => {
		expect(faultsBetween(from, to).some((found) => found.includes(fault))).toBe(true);
	});

	it('allows sounds to differ by a frame', () => {
		expect(faultsBetween('EXTINF:0.50000', 'EXTINF:0.52000', 0.03)).toEqual([]);
	});
});
