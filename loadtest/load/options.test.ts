/** Tests of the command line. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDurationMs, parseLoadOptions } from './options.ts';

const parse = (text: string): ReturnType<typeof parseLoadOptions> => parseLoadOptions(text.split(' '));

describe('parseLoadOptions', () => {
	it('reads a whole line of options', () => {
		expect(parse('--publish rtmp --webrtc 5 --hls 7 --chat 3 --ramp 30s --duration 1m')).toMatchObject({
			counts: { webrtc: 5, hls: 7, chat: 3, audience: 0, pixel: 0 },
			publish: 'rtmp',
			rampMs: 30_000,
			durationMs: 60_000,
			addresses: {},
			channel: 'demo',
		});
	});

	it('reads --hls as a count and as an address', () => {
		expect(parse('--hls 7 --hls http://localhost/a.m3u8')).toMatchObject({
			counts: { hls: 7 },
			addresses: { hls: 'http://localhost/a.m3u8' },
		});
	});

	it.each(['highest', 'lowest', 'spread'])('reads the variant %s of LL-HLS viewers', (hlsVariant) => {
		expect(parse(`--hls 7 --hls-variant ${hlsVariant}`)).toMatchObject({ hlsVariant });
		expect(parse('--hls 7')).toMatchObject({ hlsVariant: 'highest' });
	});

	it('reads port maps and environments', () => {
		expect(parse('--webrtc 1 --webrtc-port-map 44444:5000 --server-env A=b=c')).toMatchObject({
			webRtcPortMap: { 44444: 5000 },
			serverEnvironment: { A: 'b=c' },
		});
	});

	it('gives help on request', () => {
		expect(parse('--help')).toBe('help');
	});

	it.each([
		['--ramp 5s', 'nobody to play'],
		['--webrtc -1', '--webrtc'],
		['--webrtc 1.5', 'whole number'],
		['--webrtc x', '--webrtc'],
		['--webrtc 1 --ramp soon', '--ramp'],
		['--webrtc 1 --duration 25h', '--duration'],
		['--webrtc 1 --publish srt', '--publish'],
		['--webrtc 1 --pixel-sample 1', '--publish'],
		['--audience 2 --leave 3', '--leave'],
		['--webrtc 1 --hls 1 --whep http://localhost/whep', '--hls-url'],
		['--webrtc 1 --server http://localhost --publish whip', '--key'],
		['--webrtc 1 --threshold fast', 'threshold'],
		['--webrtc 1 --unknown', 'unknown'],
		['--webrtc 1 --size big', '--size'],
		['--hls 1 --hls-variant middle', '--hls-variant'],
	])('refuses "%s" with the reason', (text, reason) => {
		expect(() => parse(text)).toThrow(reason);
	});
});

describe('parseDurationMs', () => {
	it.each([
		['500ms', 500],
		['1.5s', 1500],
		['2m', 120_000],
		['1h', 3_600_000],
		['7', 7000],
	])('reads %s', (text, ms) => {
		expect(parseDurationMs(text, '--ramp')).toBe(ms);
	});

	it('throws nothing but TypeError', () => {
		fc.assert(
			fc.property(fc.string(), (text) => {
				try {
					expect(parseDurationMs(text, '--ramp')).toBeGreaterThanOrEqual(0);
				} catch (error) {
					expect(error).toBeInstanceOf(TypeError);
				}
			}),
		);
	});
});
