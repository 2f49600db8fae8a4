/** Unit tests of hardware.ts. */
import { describe, expect, it } from 'vitest';
import { H264_ENCODER_NAMES, type H264EncoderName } from '../../core/media/transcoder.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { EncoderChoice, EncoderSeat, type EncoderSetting } from './hardware.ts';

/** Pictures a second, or what goes wrong in the trial. */
type Trials = Partial<Record<H264EncoderName, number | 'fails' | 'hangs'>>;

async function choose(
	trials: Trials,
	setting: EncoderSetting = 'auto',
	existing: readonly string[] | 'none' = H264_ENCODER_NAMES,
): Promise<EncoderChoice> {
	const clock = new FakeClock();
	const choice = new EncoderChoice(
		{
			clock,
			logger: new RecordingLogger(),
			list: () => (existing === 'none' ? Promise.reject(new Error('no FFmpeg')) : Promise.resolve(new Set(existing))),
			tryEncoder: (name) => {
				const result = trials[name] ?? 'fails';
				if (result === 'hangs') {
					return new Promise(() => undefined);
				}
				return result === 'fails' ? Promise.reject(new Error(`${name} has no device`)) : Promise.resolve(result);
			},
		},
		{ setting, trialsTimeoutMs: 4000 },
	);
	expect(choice.ranking).toEqual(['libx264']);
	const probed = choice.probe();
	await clock.advance(2000);
	await clock.advance(2000);
	await probed;
	return choice;
}

describe('the choice of an encoder', () => {
	it.each<[string, Trials, readonly H264EncoderName[], RegExp]>([
		['no device exists', { libx264: 300 }, ['libx264'], /no other works/],
		['one works and is faster', { h264_nvenc: 900, libx264: 300 }, ['h264_nvenc', 'libx264'], /the fastest that works/],
		[
			'several work: the fastest first',
			{ h264_nvenc: 500, h264_vaapi: 700, h264_qsv: 400, libx264: 300 },
			['h264_vaapi', 'h264_nvenc', 'h264_qsv', 'libx264'],
			/the fastest that works/,
		],
		['one works, but is slower', { h264_v4l2m2m: 60, libx264: 300 }, ['libx264'], /the fastest that works/],
		[
			'the first one hangs, so that nothing else is tried',
			{ h264_nvenc: 'hangs', libx264: 300 },
			['libx264'],
			/no other/,
		],
		['libx264 is too slow for its trial', { h264_qsv: 300, libx264: 'fails' }, ['h264_qsv', 'libx264'], /fastest/],
		['nothing works at all', {}, ['libx264'], /no other works/],
	])('when %s', async (_, trials, ranking, reason) => {
		const choice = await choose(trials);
		expect(choice.ranking).toEqual(ranking);
		expect(choice.report.reason).toMatch(reason);
		expect(choice.report.name).toBe(ranking[0]);
		expect(choice.report.tried.map(({ name }) => name)).toEqual(H264_ENCODER_NAMES);
	});

	it('tries only what this FFmpeg has, and says why the others cannot be used', async () => {
		const { report } = await choose({ libx264: 300 }, 'auto', ['libx264', 'h264_vaapi', 'aac']);
		expect(report).toEqual({
			name: 'libx264',
			framesPerSecond: 300,
			reason: 'no other works',
			tried: [
				{ name: 'h264_vaapi', problem: 'h264_vaapi has no device' },
				{ name: 'libx264', framesPerSecond: 300 },
			],
		});
	});

	it('makes no trial once the time for all is over', async () => {
		const { report } = await choose({ h264_nvenc: 'hangs', h264_qsv: 900 });
		expect(report.tried.slice(0, 2)).toEqual([
			{ name: 'h264_nvenc', problem: 'it took too long' },
			{ name: 'h264_qsv', problem: 'there was no time left to try it' },
		]);
	});

	it.each<[EncoderSetting, Trials, readonly H264EncoderName[], RegExp]>([
		['libx264', { h264_nvenc: 900 }, ['libx264'], /it is configured/],
		['h264_qsv', { h264_qsv: 100, h264_nvenc: 900 }, ['h264_qsv', 'libx264'], /it is configured/],
		['h264_qsv', { h264_nvenc: 900 }, ['libx264'], /h264_qsv cannot be used: h264_qsv has no device/],
	])('when %s is configured and %j', async (setting, trials, ranking, reason) => {
		const choice = await choose(trials, setting);
		expect(choice.ranking).toEqual(ranking);
		expect(choice.report.reason).toMatch(reason);
	});

	it('says that FFmpeg does not have, or does not list, what is configured', async () => {
		expect((await choose({}, 'h264_qsv', ['libx264'])).report.reason).toMatch(/this FFmpeg does not have it/);
		expect((await choose({}, 'auto', 'none')).report.reason).toMatch(/does not list its encoders: no FFmpeg/);
	});

	it('takes the next best when one failed on the air, and keeps libx264 in any case', async () => {
		const choice = await choose({ h264_nvenc: 900, h264_qsv: 600, libx264: 300 });
		choice.abandon('h264_nvenc', 'it hangs');
		expect(choice.report).toMatchObject({ name: 'h264_qsv', framesPerSecond: 600 });
		expect(choice.report.reason).toBe('h264_nvenc failed on the air: it hangs');
		choice.abandon('h264_qsv', 'it crashed');
		choice.abandon('libx264', 'it crashed');
		expect(choice.ranking).toEqual(['libx264']);
	});
});

describe('the encoder of one transcoder', () => {
	type Event = 'crash at once' | 'crash later' | 'hang' | 'output' | 'next';

	function follow(...events: readonly Event[]): { names: string[]; abandoned: string[] } {
		const ranking: H264EncoderName[] = ['h264_nvenc', 'h264_qsv', 'libx264'];
		const abandoned: string[] = [];
		const seat = new EncoderSeat({
			ranking,
			abandon: (name) => {
				abandoned.push(name);
				ranking.splice(ranking.indexOf(name), 1);
			},
		});
		const names: string[] = [seat.next()];
		for (const event of events) {
			switch (event) {
				case 'crash at once':
					seat.recordFailure(800, false, 'it crashed');
					break;
				case 'crash later':
					seat.recordFailure(60_000, false, 'it crashed');
					break;
				case 'hang':
					seat.recordFailure(9000, true, 'it hangs');
					break;
				case 'output':
					seat.recordOutput();
					break;
				case 'next':
					names.push(seat.next());
			}
		}
		return { names: names.map((name) => name.replace('h264_', '')), abandoned };
	}

	it.each<[Event[], string[], string[]]>([
		[['output', 'crash later', 'next'], ['nvenc', 'nvenc'], []],
		[['crash at once', 'next'], ['nvenc', 'nvenc'], []],
		[
			['crash at once', 'next', 'crash later', 'next', 'crash at once', 'next'],
			['nvenc', 'nvenc', 'nvenc', 'nvenc'],
			[],
		],
		[['crash at once', 'next', 'output', 'crash at once', 'next'], ['nvenc', 'nvenc', 'qsv'], []],
		[
			['crash at once', 'next', 'crash at once', 'next', 'output', 'next'],
			['nvenc', 'nvenc', 'qsv', 'qsv'],
			['h264_nvenc'],
		],
		[
			['hang', 'next', 'output', 'hang', 'next', 'output'],
			['nvenc', 'qsv', 'x264'],
			['h264_nvenc', 'h264_qsv'],
		],
		// With all of them the same pictures fail: it is not the encoder. All are tried again.
		[['hang', 'next', 'hang', 'next', 'hang', 'next', 'output'], ['nvenc', 'qsv', 'x264', 'nvenc'], []],
	])('after %j has been %j, with %j abandoned', (events, names, abandoned) => {
		const followed = follow(...events);
		expect(followed.names.map((name) => name.replace('lib', ''))).toEqual(names);
		expect(followed.abandoned).toEqual(abandoned);
	});
});
