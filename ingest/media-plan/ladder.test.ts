/** Tests of the ladder: which rungs a source is worth, what they cost, and which of them fit. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LadderChoice } from '../../core/protocol/ladder-choice.ts';
import {
	explainLadder,
	ladderPixelsPerSecond,
	limitLadder,
	rungPicture,
	worthyRungs,
	type SourcePicture,
} from './ladder.ts';

const source = (widthPixels: number, heightPixels: number, frameRate: number, mbps: number): SourcePicture => ({
	widthPixels,
	heightPixels,
	frameRate,
	bitrateBps: mbps * 1e6,
});
const HD_60 = source(1920, 1080, 60, 6);
const HD_READY_30 = source(1280, 720, 30, 2.5);
const ALL = '720p60 480p30 360p30 160p30';

describe('worthyRungs', () => {
	it.each([
		['1080p60 at 6 Mbit/s', HD_60, ALL],
		['1440p60 at 16 Mbit/s', source(2560, 1440, 60, 16), `1080p60 ${ALL}`],
		['720p30 at 2.5 Mbit/s', HD_READY_30, '480p30 360p30 160p30'],
		['a picture of few bits', source(1280, 720, 30, 0.9), '480p30 360p30 160p30'],
		['a picture just above a step', source(960, 540, 30, 1.5), '360p30 160p30'],
		['an upright picture', source(720, 1280, 30, 2.5), '480p30 360p30 160p30'],
		['the smallest picture', source(284, 160, 30, 0.3), ''],
		['a tiny picture', source(160, 90, 30, 0.1), ''],
		['a picture whose rates are unknown', source(1280, 720, 0, 0), '480p30 360p30 160p30'],
	] as const)('of %s', (_name, picture, expected) => {
		expect(
			worthyRungs(picture, 'automatic')
				.rungs.map(({ name }) => name)
				.join(' '),
		).toBe(expected);
	});

	it('says why a rung is left out', () => {
		const { leftOut } = worthyRungs(source(960, 540, 30, 1.5), 'automatic');
		expect(leftOut).toEqual([
			{ name: '480p30', cause: 'bits', reason: expect.stringContaining('too few bits') as string },
		]);
		expect(worthyRungs(HD_READY_30, ['720p60', '360p30']).leftOut).toEqual([
			{ name: '720p60', cause: 'size', reason: 'The source is no larger.' },
		]);
	});

	it('has the rungs asked for by name that are smaller than the source, and none when switched off', () => {
		expect(worthyRungs(HD_READY_30, ['1080p60', '720p60', '480p30']).rungs.map(({ name }) => name)).toEqual(['480p30']);
		expect(worthyRungs(HD_60, 'off')).toEqual({ rungs: [], leftOut: [] });
	});

	it('halves the rate of fast sources only, and has even sizes in the source’s shape', () => {
		const facts = (picture: SourcePicture): string[] =>
			worthyRungs(picture, 'automatic').rungs.map(({ heightPixels, frameRate }) => `${heightPixels}@${frameRate}`);
		expect(facts(HD_60)).toEqual(['720@60', '480@30', '360@30', '160@30']);
		expect(facts(HD_READY_30)).toEqual(['480@60', '360@60', '160@60']);
		expect(facts(source(720, 1280, 30, 2.5))).toEqual(['854@60', '640@60', '284@60']);
	});

	it('never has rungs that are larger than the source or out of order, for any source', () => {
		const pictures = fc.record({
			widthPixels: fc.integer({ min: 16, max: 7680 }),
			heightPixels: fc.integer({ min: 16, max: 4320 }),
			frameRate: fc.double({ min: 0, max: 240, noNaN: true }),
			bitrateBps: fc.integer({ min: 0, max: 100_000_000 }),
		});
		fc.assert(
			fc.property(pictures, (picture) => {
				const { rungs } = worthyRungs(picture, 'automatic');
				const heights = rungs.map(({ heightPixels }) => heightPixels);
				expect(heights).toEqual(heights.toSorted((one, other) => other - one));
				expect(heights.every((height) => height <= picture.heightPixels && height % 2 === 0)).toBe(true);
				expect(ladderPixelsPerSecond(picture, rungs)).toBeGreaterThanOrEqual(0);
			}),
		);
	});
});

describe('limitLadder', () => {
	const limit = (mostPixels: number, highestCount = Infinity): string[] => {
		const { rungs, leftOut } = limitLadder(worthyRungs(HD_60, 'automatic'), HD_60, {
			fits: (pixels) => pixels <= mostPixels,
			highestCount,
		});
		return [rungs.map(({ name }) => name).join(' '), ...leftOut.map(({ name, reason }) => `${name}: ${reason}`)];
	};

	it('keeps all rungs while there is room', () => {
		expect(limit(124e6)).toEqual([ALL]);
	});

	it('leaves rungs out from the top, with the reason', () => {
		expect(limit(40e6)).toEqual(['480p30 360p30 160p30', expect.stringMatching(/^720p60: The server has no room/)]);
		expect(limit(20e6)[0]).toBe('160p30');
		expect(limit(0)[0]).toBe('');
		expect(limit(124e6, 2)).toEqual([
			'360p30 160p30',
			expect.stringMatching(/^720p60: The encoder fell behind/),
			expect.stringMatching(/^480p30: The encoder fell behind/),
		]);
	});
});

describe('explainLadder', () => {
	const explain = (
		picture: SourcePicture,
		choice: LadderChoice,
		{ mostPixels = Infinity, highestCount = Infinity, coreCount = 2, isLimitSet = false } = {},
	): string => {
		const fits = (pixels: number): boolean => pixels <= mostPixels;
		const ladder = limitLadder(worthyRungs(picture, choice), picture, { fits, highestCount });
		return explainLadder(
			ladder,
			{ choice, setBy: 'channel' },
			{ pixelsPerSecond: 124e6, coreCount: isLimitSet ? undefined : coreCount },
		);
	};

	it.each([
		[
			'all sizes',
			HD_60,
			'automatic',
			{},
			'The server’s 2 cores have room for every size below the source that saves enough bits.',
		],
		[
			'one core',
			HD_60,
			'automatic',
			{ coreCount: 1 },
			'The server’s 1 core has room for every size below the source that saves enough bits.',
		],
		[
			'a configured limit',
			HD_60,
			'automatic',
			{ isLimitSet: true },
			'The server has room for every size below the source that saves enough bits.',
		],
		[
			'a lack of room',
			HD_60,
			'automatic',
			{ mostPixels: 20e6 },
			'The server encodes at most 124 million pixels a second on 2 cores, which leaves no room for 720p60, 480p30 and 360p30.',
		],
		[
			'overload',
			HD_60,
			'automatic',
			{ highestCount: 3 },
			'The encoder fell behind, so 720p60 waits until it has kept up for a while.',
		],
		[
			'overload and a lack of room',
			HD_60,
			'automatic',
			{ highestCount: 2, mostPixels: 20e6, isLimitSet: true },
			'The encoder fell behind, so 720p60 and 480p30 wait until it has kept up for a while. The server encodes at most 124 million pixels a second, which leaves no room for 360p30.',
		],
		[
			'a small source',
			source(160, 90, 30, 0.1),
			'automatic',
			{},
			'No smaller picture is worth its bits for this source.',
		],
		['no ladder', HD_60, 'off', {}, 'Smaller pictures are switched off in the settings of this channel.'],
		[
			'chosen rungs',
			HD_60,
			['480p30', '160p30'],
			{},
			'The settings of this channel ask for 480p30 and 160p30. The server’s 2 cores have room for those below the source.',
		],
		[
			'chosen rungs of a small source',
			HD_READY_30,
			['1080p60'],
			{},
			'The settings of this channel ask for 1080p60. The source is no larger.',
		],
	] as const)('explains %s', (_name, picture, choice, limits, expected) => {
		expect(explain(picture, choice, limits)).toBe(expected);
	});

	it("names the server's settings", () => {
		const nothing = { rungs: [], leftOut: [] };
		const limit = { pixelsPerSecond: 1, coreCount: 1 };
		expect(explainLadder(nothing, { choice: 'off', setBy: 'server' }, limit)).toBe(
			'Smaller pictures are switched off in the settings of the server.',
		);
	});
});

describe('rungPicture', () => {
	it.each([
		[HD_60, 720, 60, '1280x720@60'],
		[HD_60, 480, 30, '854x480@30'],
		[source(1920, 1080, 50, 6), 480, 30, '854x480@25'],
		[HD_READY_30, 360, 60, '640x360@30'],
		[source(1280, 720, 25, 2), 160, 60, '284x160@25'],
		[source(720, 1280, 30, 2.5), 854, 60, '480x854@30'],
		[source(1280, 720, 0, 0), 480, 60, '854x480@0'],
	])('of %j at %i and %i', (picture, heightPixels, frameRate, expected) => {
		const rung = rungPicture(picture, { heightPixels, frameRate });
		expect(`${rung.widthPixels}x${rung.heightPixels}@${rung.frameRate}`).toBe(expected);
	});
});
