/** Tests of the plan: the treatment of each leg by the facts, with its reason for the streamer. */
import { describe, expect, it } from 'vitest';
import { parseSps, type SpsFacts } from '../../core/media/h264-parameter-sets.ts';
import { writeSps, type SpsFields } from '../../core/media/testing/h264-writer.ts';
import { worthyRungs, type LadderPlan } from './ladder.ts';
import {
	encodedPictures,
	isGopTooLong,
	NO_LADDER,
	planMedia,
	type MediaPlan,
	type StreamFacts,
} from './media-planner.ts';

const sps = (fields: SpsFields): SpsFacts => parseSps(writeSps(fields))!;
const CLEAN = { codec: 'h264', hasBFrames: false, longestGopMs: 2000 } as const;

/** Legs as `track tier: mode`. */
const modes = (facts: StreamFacts): string[] =>
	planMedia(facts).legs.map((leg) => `${leg.track} ${leg.tier}: ${leg.mode}`);

const HD = { widthPixels: 1280, heightPixels: 720, frameRate: 30, bitrateBps: 2_500_000 };
const LADDER: LadderPlan = { ...worthyRungs(HD, 'automatic'), reason: '' };
/** The tracks of a run, what the encoder makes, and each way. */
const describeWays = (plan: MediaPlan): string[] => [
	`run: ${plan.tracks.map(({ id, rung }) => id + (rung?.kind === 'video' ? ` ${rung.name}` : rung ? ' low' : '')).join(', ')}`,
	`encoder: ${encodedPictures(plan)
		.map(({ id }) => id)
		.join(', ')}`,
	...plan.edges.map(({ track, from, to }) => `${from} → ${track} → ${to}`),
];

const PASSES = ['video webrtc: pass-through', 'video ll-hls: pass-through'];
const FOR_WEBRTC = ['video webrtc: re-encode', 'video ll-hls: pass-through'];
const FOR_BOTH = ['video webrtc: re-encode', 'video ll-hls: re-encode'];

describe('planMedia', () => {
	it.each([
		['clean H.264', CLEAN, PASSES],
		['H.264 of which no GOP has ended yet', { ...CLEAN, longestGopMs: undefined }, PASSES],
		['a GOP of just 2.5 s', { ...CLEAN, longestGopMs: 2500 }, PASSES],
		['a GOP of 2.5 s with the jitter of timestamps', { ...CLEAN, longestGopMs: 2560 }, PASSES],
		['a longer GOP', { ...CLEAN, longestGopMs: 2561 }, FOR_BOTH],
		['OBS’s default GOP', { ...CLEAN, longestGopMs: 8333 }, FOR_BOTH],
		['B-frames', { ...CLEAN, hasBFrames: true }, FOR_WEBRTC],
		['B-frames and a long GOP', { ...CLEAN, hasBFrames: true, longestGopMs: 8333 }, FOR_BOTH],
		['VP8', { ...CLEAN, codec: 'vp8' }, FOR_BOTH],
		['Baseline', { ...CLEAN, sps: sps({ profileIdc: 66 }) }, PASSES],
		['Main', { ...CLEAN, sps: sps({ profileIdc: 77 }) }, PASSES],
		['High', { ...CLEAN, sps: sps({}) }, PASSES],
		['High 10', { ...CLEAN, sps: sps({ profileIdc: 110, bitDepth: 10 }) }, FOR_BOTH],
		['High 10 with 8 bits', { ...CLEAN, sps: sps({ profileIdc: 110 }) }, FOR_BOTH],
		['4:2:2', { ...CLEAN, sps: sps({ profileIdc: 122, chromaFormatIdc: 2 }) }, FOR_BOTH],
		['4:4:4', { ...CLEAN, sps: sps({ profileIdc: 244, chromaFormatIdc: 3 }) }, FOR_BOTH],
		['monochrome', { ...CLEAN, sps: sps({ chromaFormatIdc: 0 }) }, FOR_BOTH],
		['an interlaced picture', { ...CLEAN, sps: sps({ isInterlaced: true }) }, FOR_BOTH],
		['pixels that are not square', { ...CLEAN, sps: sps({ aspectRatio: 4 }) }, FOR_WEBRTC],
		['square pixels as a ratio', { ...CLEAN, sps: sps({ aspectRatio: [11, 11] }) }, PASSES],
		['recovery points instead of key frames', { ...CLEAN, hasRecoveryPoints: true }, FOR_BOTH],
	] as const)('plans the video legs for %s', (_name, video, expected) => {
		expect(modes({ video, audio: undefined })).toEqual(expected);
	});

	it.each([
		['aac', ['audio webrtc: transcode', 'audio ll-hls: pass-through']],
		['opus', ['audio webrtc: pass-through', 'audio ll-hls: transcode']],
	] as const)('plans the audio legs for %s', (codec, expected) => {
		expect(modes({ video: undefined, audio: { codec } })).toEqual(expected);
	});

	it('has no legs without tracks, and four with both', () => {
		expect(planMedia({ video: undefined, audio: undefined })).toEqual({
			legs: [],
			tracks: [],
			edges: [],
			ladder: NO_LADDER,
		});
		expect(planMedia({ video: CLEAN, audio: { codec: 'aac' } }).legs).toHaveLength(4);
	});

	it.each([
		['clean H.264 with AAC', CLEAN, 'aac', NO_LADDER],
		['clean H.264 with AAC and a ladder', CLEAN, 'aac', LADDER],
		['clean H.264 with Opus and a ladder', CLEAN, 'opus', LADDER],
		['B-frames with a ladder', { ...CLEAN, hasBFrames: true }, 'aac', LADDER],
		['a long GOP with a ladder', { ...CLEAN, longestGopMs: 4000 }, 'aac', LADDER],
		['VP8 without sound, with a ladder', { ...CLEAN, codec: 'vp8' }, undefined, LADDER],
		['sound alone, with a ladder', undefined, 'aac', LADDER],
	] as const)('has these ways for %s', (name, video, codec, ladder) => {
		const plan = planMedia({ video, audio: codec && { codec } }, ladder);
		expect([name, ...describeWays(plan)]).toMatchSnapshot();
	});

	it('gives each re-encoded leg its reason and the setting that avoids it', () => {
		const reasons = (video: StreamFacts['video']): unknown[] =>
			planMedia({ video, audio: undefined })
				.legs.filter((leg) => leg.mode === 're-encode')
				.map(({ reason, advice }) => [reason, advice]);
		expect(reasons({ ...CLEAN, hasBFrames: true })).toEqual([
			[expect.stringContaining('B-frames'), expect.stringContaining('Set B-frames to 0')],
		]);
		expect(reasons({ ...CLEAN, longestGopMs: 4000 })).toEqual([
			[expect.stringContaining('more than 2.5 s apart'), expect.stringContaining('key-frame interval to 2 s')],
			[expect.stringContaining('more than 2.5 s apart'), expect.stringContaining('key-frame interval to 2 s')],
		]);
		expect(reasons({ ...CLEAN, sps: sps({ profileIdc: 122, chromaFormatIdc: 2, bitDepth: 10 }) })[0]).toEqual([
			expect.stringContaining('High 4:2:2 (4:2:2, 10 bit)'),
			expect.stringContaining('NV12'),
		]);
		expect(reasons({ ...CLEAN, sps: sps({ isInterlaced: true }) })[1]).toEqual([
			expect.stringContaining('interlaced'),
			expect.stringContaining('progressive'),
		]);
		expect(reasons({ ...CLEAN, sps: sps({ aspectRatio: 4 }) })).toEqual([
			[expect.stringContaining('not square (16:11)'), expect.stringContaining('square pixels')],
		]);
		expect(reasons({ ...CLEAN, hasRecoveryPoints: true, longestGopMs: 9000 })[0]).toEqual([
			expect.stringContaining('intra refresh'),
			expect.stringContaining('Turn off intra refresh'),
		]);
		expect(reasons({ ...CLEAN, codec: 'vp8' })[0]).toEqual([
			expect.stringContaining('VP8'),
			'Choose H.264 in your encoder.',
		]);
	});

	it('converts AAC that browsers do not play for LL-HLS, with the reason', () => {
		const audio = { codec: 'aac', browserObstacle: 'its profile is AAC Main' } as const;
		const { legs } = planMedia({ video: undefined, audio });
		expect(legs.map(({ tier, mode }) => `${tier}: ${mode}`)).toEqual(['webrtc: transcode', 'll-hls: transcode']);
		expect(legs[1]!.reason).toContain('because its profile is AAC Main');
		expect(legs[1]!.advice).toMatch(/AAC-LC/);
	});

	it('gives no advice for a leg that passes through', () => {
		const { legs } = planMedia({ video: CLEAN, audio: { codec: 'aac' } });
		expect(legs.every(({ advice, reason }) => advice === undefined && reason !== '')).toBe(true);
	});

	it('is the same for the same facts, and does not change them', () => {
		const facts: StreamFacts = Object.freeze({
			video: Object.freeze({ ...CLEAN }),
			audio: Object.freeze({ codec: 'opus' }),
		});
		expect(planMedia(facts)).toEqual(planMedia(facts));
	});
});

describe('isGopTooLong', () => {
	it('tolerates the jitter of timestamps above 2.5 s', () => {
		expect([2000, 2500, 2560, 2561].map(isGopTooLong)).toEqual([false, false, false, true]);
	});
});
