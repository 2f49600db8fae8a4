/** Tests of reading AudioSpecificConfigs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { browserObstacle, parseAacConfig } from './aac-config.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

/** Writes bits, most significant first. */
function bitsToBytes(fields: readonly (readonly [value: number, bits: number])[]): Uint8Array {
	const text = fields.map(([value, bits]) => value.toString(2).padStart(bits, '0')).join('');
	return Uint8Array.from(text.match(/.{1,8}/g) ?? [], (byte) => parseInt(byte.padEnd(8, '0'), 2));
}

type Elements = { front: boolean[]; side: boolean[]; back: boolean[]; low: number; data: number; coupling: number };

/** AAC-LC at 48 kHz with a program config element; true is a pair of channels. */
function withOwnChannels(
	{ front, side, back, low, data, coupling }: Elements,
	flags: [0 | 1, 0 | 1, 0 | 1],
): Uint8Array {
	const mixdowns = flags.flatMap((flag, index) => [
		[flag, 1] as const,
		...(flag ? [[0, index === 2 ? 3 : 4] as const] : []),
	]);
	return bitsToBytes([
		[2, 5],
		[3, 4],
		[0, 4],
		[0, 3],
		[0, 4],
		[1, 2],
		[3, 4],
		...[front, side, back].map((elements) => [elements.length, 4] as const),
		[low, 2],
		[data, 3],
		[coupling, 4],
		...mixdowns,
		...[...front, ...side, ...back].flatMap((isPair, index) => [[isPair ? 1 : 0, 1] as const, [index, 4] as const]),
		...Array.from({ length: low + data }, (_, index) => [index, 4] as const),
		...Array.from({ length: coupling }, (_, index) => [index, 5] as const),
	]);
}

describe('parseAacConfig', () => {
	it.each([
		['AAC-LC 48 kHz stereo', '1190', 48_000, 2],
		['AAC-LC 44.1 kHz mono', '1208', 44_100, 1],
		['AAC-LC 44.1 kHz 5.1', '1230', 44_100, 6],
		['AAC-LC 7.1', '1238', 44_100, 8],
		['AAC-LC 7.35 kHz', '1610', 7350, 2],
		['AAC Main', '0990', 48_000, 2],
		// Object type 5, core 24 kHz, stereo, extension 48 kHz, then object type 2.
		['HE-AAC: the core rate', '2b118800', 24_000, 2],
		// Object type 29, core 24 kHz, one channel.
		['HE-AAC v2: two channels', 'eb098800', 24_000, 2],
		// Object type 2, 24 kHz, stereo; after it 0x2b7, object type 5, SBR present, 48 kHz.
		['HE-AAC signalled after the configuration', '131056e598', 24_000, 2],
		// Index 15, then 24 bits of 48 000.
		['a sample rate written out', '17805dc01000', 48_000, 2],
		['a core coder with its delay', '119200 00', 48_000, 2],
		['5.1(side) of FFmpeg 5.1', '118004c844002000c40d4c61766335392e33372e31303056e500', 48_000, 6],
	])('reads %s', (_name, bytes, sampleRate, channelCount) => {
		expect(parseAacConfig(hex(bytes))).toEqual({
			config: { kind: 'audio', codec: 'aac', sampleRate, channelCount, audioSpecificConfig: hex(bytes) },
		});
	});

	it.each([
		['nothing', '', 'unreadable', /cut/],
		['one byte', '11', 'unreadable', /cut/],
		['a reserved sample rate', '1690', 'unreadable', /reserved/],
		['a program config element that is cut', '1180', 'unreadable', /cut/],
		['a program config element without channels', '118004c0000000', 'channels', /^0 channels/],
		['a reserved channel configuration', '11c8', 'channels', /channel configuration 9/],
		['960 samples a frame', '1194', 'profile', /960/],
		['xHE-AAC', 'f9489000', 'profile', /xHE-AAC/],
		['AAC-ELD', 'f8e850', 'profile', /AAC-ELD/],
		['AAC scalable', '31 90', 'profile', /object type 6/],
	])('gives a reason for rejecting %s', (_name, bytes, problem, detail) => {
		expect(parseAacConfig(hex(bytes))).toEqual({ problem, detail: expect.stringMatching(detail) as string });
	});

	it('counts the channels of any program config element, and accepts up to eight', () => {
		const elements = fc.array(fc.boolean(), { maxLength: 3 });
		const flag = fc.constantFrom(0 as const, 1 as const);
		const layout = fc.record({
			front: elements,
			side: elements,
			back: elements,
			low: fc.nat(3),
			data: fc.nat(7),
			coupling: fc.nat(15),
		});
		fc.assert(
			fc.property(layout, fc.tuple(flag, flag, flag), (sent, flags) => {
				const all = [...sent.front, ...sent.side, ...sent.back];
				const channelCount = all.length + all.filter((isPair) => isPair).length + sent.low;
				const bytes = withOwnChannels(sent, flags);
				const result = parseAacConfig(bytes);
				if (channelCount > 0 && channelCount <= 8) {
					expect(result).toMatchObject({ config: { sampleRate: 48_000, channelCount } });
					expect(browserObstacle(bytes)).toMatch(/channels/);
					expect(parseAacConfig(bytes.subarray(0, 6))).toMatchObject({ problem: 'unreadable' });
				} else {
					expect(result).toMatchObject({ problem: 'channels' });
				}
			}),
			{ numRuns: 300 },
		);
	});

	it('reads any bytes without throwing', () => {
		const first = fc.constantFrom(0x11, 0x12, 0x13, 0x2b, 0xeb, 0xf8, 0x17);
		const config = fc
			.tuple(first, fc.uint8Array({ maxLength: 24 }))
			.map(([byte, rest]) => Uint8Array.of(byte, ...rest));
		fc.assert(
			fc.property(fc.oneof(config, fc.uint8Array({ maxLength: 24 })), (bytes) => {
				const result = parseAacConfig(bytes);
				if ('config' in result) {
					expect(result.config.channelCount).toBeGreaterThan(0);
					expect(result.config.channelCount).toBeLessThanOrEqual(8);
					expect(result.config.sampleRate).toBeGreaterThanOrEqual(7350);
					expect(result.config.sampleRate).toBeLessThanOrEqual(96_000);
				} else {
					expect(result.detail).toMatch(/^[\x20-\x7e]+$/);
				}
				expect(typeof (browserObstacle(bytes) ?? '')).toBe('string');
			}),
			{ numRuns: 1000 },
		);
	});
});

describe('browserObstacle', () => {
	it.each([
		['AAC-LC stereo', '1190', undefined],
		['AAC-LC 5.1', '1230', undefined],
		['HE-AAC', '2b118800', undefined],
		['HE-AAC v2', 'eb098800', undefined],
		['AAC Main', '0990', 'its profile is AAC Main'],
		['7.1 of a later edition', '11e0', 'its channels are none of the usual layouts'],
	])('of %s', (_name, bytes, obstacle) => {
		expect(browserObstacle(hex(bytes))).toBe(obstacle);
	});
});
