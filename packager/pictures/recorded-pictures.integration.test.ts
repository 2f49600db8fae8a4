/** Posters and sheets by real FFmpeg of real segments: what is on them, and what happens when FFmpeg fails. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { planPoster, planStoryboard, type StoryboardPlan } from '../recording/storyboard.ts';
import { recordedObjectName } from '../recording/journal-entry.ts';
import { checkFfmpeg } from '../transcode/ffmpeg-process.ts';
import { ffmpeg, makeTestVideo, moveUnits } from '../transcode/testing/test-media.ts';
import { pictureArguments } from './picture-arguments.ts';
import { PictureMaker } from './picture-maker.ts';
import { runPictures } from './picture-process.ts';
import { RecordedPictures } from './recorded-pictures.ts';
import { recordRuns, TEST_VIDEO_ID, type TestRecording, type TestRun } from './testing/recorded-video.ts';

const GOP_SECONDS = 2;
const FRAME_RATE = 10;
const never = new AbortController().signal;
const undone: (() => void)[] = [];

// As at the server's start: afterwards no process is asked what it can do.
beforeAll(() => checkFfmpeg(systemClock));
afterEach(() => undone.splice(0).forEach((undo) => undo()));

type Colour = 'red' | 'lime' | 'blue' | 'black' | 'white';
/** Mean of red, green, blue. */
const RGB: Readonly<Record<Colour, readonly number[]>> = {
	red: [255, 0, 0],
	lime: [0, 255, 0],
	blue: [0, 0, 255],
	black: [0, 0, 0],
	white: [255, 255, 255],
};

/** Of one colour, or a moving picture; begins at that second of the broadcast. */
function picture(
	startSeconds: number,
	durationSeconds: number,
	{ source, size = '320x180', ...more }: { source?: string; size?: string; bFrames?: number } = {},
): TestRun {
	const [widthPixels, heightPixels] = size.split('x').map(Number) as [number, number];
	const video = makeTestVideo({
		durationSeconds,
		widthPixels,
		heightPixels,
		frameRate: FRAME_RATE,
		gopFrames: GOP_SECONDS * FRAME_RATE,
		source: source ?? `testsrc2=s=${size}:r=${FRAME_RATE}`,
		...more,
	});
	return {
		tracks: new Map<TrackId, TrackConfig>([['video0', video.config]]),
		units: moveUnits(video.units, startSeconds * 90_000, 1_700_000_000_000 + startSeconds * 1000),
	};
}

function colour(name: Colour, startSeconds: number, durationSeconds: number, size = '320x180'): TestRun {
	return picture(startSeconds, durationSeconds, { source: `color=c=${name}:s=${size}:r=${FRAME_RATE}`, size });
}

function pictures({ store }: Pick<TestRecording, 'store'>): RecordedPictures {
	return new RecordedPictures({ store, maker: new PictureMaker({ clock: systemClock }) });
}

/** Mean colours of the pictures on a sheet, the middle half of each. */
function coloursOn(sheet: Uint8Array, { tile, slots }: StoryboardPlan): string[] {
	const { widthPixels: width, heightPixels: height } = tile;
	return slots.map((_slot, index) => {
		const [x, y] = [(index % 10) * width, Math.floor(index / 10) * height];
		const crop = `crop=${width}:${height}:${x}:${y},crop=iw/2:ih/2,scale=1:1:flags=area,format=rgb24`;
		return nearest(ffmpeg(['-f', 'mjpeg', '-i', 'pipe:0', '-vf', crop, '-f', 'rawvideo', 'pipe:1'], sheet));
	});
}

function nearest(mean: Uint8Array): Colour | 'none' {
	const match = Object.entries(RGB).find(([, rgb]) => rgb.every((value, index) => Math.abs(value - mean[index]!) < 40));
	return (match?.[0] ?? 'none') as Colour | 'none';
}

function sizeOf(jpeg: Uint8Array): string {
	const raw = (filter: string): number =>
		ffmpeg(['-f', 'mjpeg', '-i', 'pipe:0', '-vf', `format=gray,${filter}`, '-f', 'rawvideo', 'pipe:1'], jpeg).length;
	return `${raw('crop=iw:1:0:0')}x${raw('crop=1:ih:0:0')}`;
}

/** While a test runs, all processes are this instead of FFmpeg. */
function replaceFfmpeg(script: string): void {
	const folder = mkdtempSync(path.join(tmpdir(), 'spillway-fake-'));
	const program = path.join(folder, 'ffmpeg');
	writeFileSync(program, `#!/bin/sh\n${script}\n`);
	chmodSync(program, 0o755);
	const before = process.env['FFMPEG_PATH'];
	process.env['FFMPEG_PATH'] = program;
	undone.push(() => {
		if (before === undefined) {
			delete process.env['FFMPEG_PATH'];
		} else {
			process.env['FFMPEG_PATH'] = before;
		}
		rmSync(folder, { recursive: true, force: true });
	});
}

describe('a sheet', () => {
	it('has a picture of every ten seconds, the one before in a gap, and all of them after a change of size', async () => {
		const recording = await recordRuns([
			colour('red', 100, 12),
			// Nothing from 112 to 134.
			colour('blue', 134, 10, '640x480'),
			colour('lime', 144, 16, '180x320'),
		]);
		const plan = planStoryboard(recording.tracks)!;
		expect([plan.slots.length, plan.tile]).toEqual([6, { widthPixels: 160, heightPixels: 120 }]);
		const sheet = await pictures(recording).sheet(TEST_VIDEO_ID, plan, 1, never);
		expect(sizeOf(sheet)).toBe('960x120');
		// At 100, 110, 120, 130, 140, 150 s.
		expect(coloursOn(sheet, plan)).toEqual(['red', 'red', 'red', 'blue', 'blue', 'lime']);
	});

	it('passes over pictures that are lost or broken', async () => {
		const recording = await recordRuns([colour('red', 100, 10), colour('lime', 110, 10), colour('blue', 120, 10)]);
		const plan = planStoryboard(recording.tracks)!;
		for (const { trackId, mediaSequence } of plan.slots[1]!) {
			const name = recordedObjectName(TEST_VIDEO_ID, trackId, `segment${mediaSequence}.m4s`);
			// Half of them are gone, of the others only the length is right.
			const bytes = recording.store.objects.get(name)!;
			recording.store.objects.delete(name);
			if (mediaSequence % 2 === 0) {
				recording.store.objects.set(name, new Uint8Array(bytes.length));
			}
		}
		const sheet = await pictures(recording).sheet(TEST_VIDEO_ID, plan, 1, never);
		expect(coloursOn(sheet, plan)).toEqual(['red', 'red', 'blue']);
	});

	it('begins with the last picture of the sheet before when its own is missing', async () => {
		const recording = await recordRuns([colour('red', 100, 10), colour('lime', 110, 10), colour('blue', 120, 10)]);
		const plan = planStoryboard(recording.tracks)!;
		const [red, lime, blue] = plan.slots;
		const slots = [...Array.from({ length: 99 }, () => red!), lime!, [], blue!];
		const second = { ...plan, slots };
		const sheet = await pictures(recording).sheet(TEST_VIDEO_ID, second, 2, never);
		expect(coloursOn(sheet, { ...plan, slots: slots.slice(100) })).toEqual(['lime', 'blue']);
	});

	it('is the same with B-frames', async () => {
		const recording = await recordRuns([picture(100, 12, { bFrames: 2, source: `color=c=lime:s=320x180:r=10` })]);
		const plan = planStoryboard(recording.tracks)!;
		const sheet = await pictures(recording).sheet(TEST_VIDEO_ID, plan, 1, never);
		expect(coloursOn(sheet, plan)).toEqual(['lime', 'lime']);
	});

	it('decodes no other picture than those', async () => {
		const recording = await recordRuns([picture(100, 30)]);
		const read: number[] = [];
		const store: Pick<TestRecording['store'], 'get'> = {
			get: async (name, range) => {
				const stored = await recording.store.get(name, range);
				read.push(stored.bytes.length);
				return stored;
			},
		};
		const made = new RecordedPictures({ store, maker: new PictureMaker({ clock: systemClock }) });
		await made.sheet(TEST_VIDEO_ID, planStoryboard(recording.tracks)!, 1, never);
		// One init segment, and the begin of a segment for each picture.
		expect(read.length).toBe(4);
	});
});

describe('a poster', () => {
	it('is not black, not of one colour, and no larger than the picture', async () => {
		const recording = await recordRuns([
			colour('black', 100, 10),
			picture(110, 4),
			colour('white', 114, 6),
			colour('black', 120, 10),
		]);
		const plan = planPoster(recording.tracks, { count: 10, maxWidthPixels: 1280 })!;
		const poster = await pictures(recording).poster(TEST_VIDEO_ID, plan, never);
		expect(sizeOf(poster)).toBe('320x180');
		const mean = ffmpeg(
			['-f', 'mjpeg', '-i', 'pipe:0', '-vf', 'scale=1:1:flags=area,format=rgb24', '-f', 'rawvideo', 'pipe:1'],
			poster,
		);
		expect(nearest(mean)).toBe('none');
	});

	it('is as wide as asked for at most, and keeps an upright shape', async () => {
		const recording = await recordRuns([picture(100, 6, { size: '720x1280' })]);
		const plan = planPoster(recording.tracks, { count: 3, maxWidthPixels: 480 })!;
		expect(sizeOf(await pictures(recording).poster(TEST_VIDEO_ID, plan, never))).toBe('480x854');
	});
});

describe('FFmpeg that fails', () => {
	it.each([
		['ends at once', 'exit 1'],
		['puts out nothing', 'cat > /dev/null'],
		['cannot be started', 'exec /nonexistent'],
	])('is a failure of the picture: %s', async (_what, script) => {
		const recording = await recordRuns([colour('red', 100, 12)]);
		const plan = planStoryboard(recording.tracks)!;
		replaceFfmpeg(script);
		const made = pictures(recording);
		await expect(made.sheet(TEST_VIDEO_ID, plan, 1, never)).rejects.toMatchObject({ code: 'TRANSCODER_FAILED' });
		undone.splice(0).forEach((undo) => undo());
		// And it does not keep the next one waiting.
		expect(coloursOn(await made.sheet(TEST_VIDEO_ID, plan, 1, never), plan)).toEqual(['red', 'red']);
	});

	it.each([
		['and ignores SIGTERM', "trap '' TERM\nwhile :; do sleep 0.1; done"],
		['and reads nothing', 'exec sleep 60'],
	])('is killed when it takes too long %s', async (_what, script) => {
		replaceFfmpeg(script);
		const run = {
			arguments: pictureArguments([{ widthPixels: 160, heightPixels: 90 }], 'raw'),
			// More than the pipe takes.
			input: Array.from({ length: 100 }, () => new Uint8Array(100_000)),
			onPicture: () => undefined,
			timeoutMs: 300,
			signal: never,
		};
		await expect(runPictures(systemClock, run)).rejects.toThrow('it did not end within 300 ms');
	});

	it('keeps nobody in the queue who gives up', async () => {
		const recording = await recordRuns([colour('red', 100, 12)]);
		const plan = planStoryboard(recording.tracks)!;
		let answer = (): void => undefined;
		const isAsked = new Promise<void>((asked) => {
			const { get } = recording.store;
			recording.store.get = async (...object) => {
				asked();
				await new Promise<void>((resolve) => (answer = resolve));
				recording.store.get = get;
				return get.apply(recording.store, object);
			};
		});
		const made = pictures(recording);
		const slow = made.sheet(TEST_VIDEO_ID, plan, 1, never);
		await isAsked;
		const giveUp = new AbortController();
		const second = made.sheet(TEST_VIDEO_ID, plan, 1, giveUp.signal);
		giveUp.abort(new Error('it is enough'));
		await expect(second).rejects.toThrow('it is enough');
		answer();
		expect(coloursOn(await slow, plan)).toEqual(['red', 'red']);
	});

	it('ends with the work that is given up, whatever the store does', async () => {
		const recording = await recordRuns([colour('red', 100, 12)]);
		recording.store.get = () => new Promise(() => undefined);
		const giveUp = new AbortController();
		const made = pictures(recording).sheet(TEST_VIDEO_ID, planStoryboard(recording.tracks)!, 1, giveUp.signal);
		setTimeout(() => giveUp.abort(new Error('it is enough')), 200);
		await expect(made).rejects.toThrow('it is enough');
	});

	it('is killed when it hangs and the work is given up', async () => {
		const recording = await recordRuns([colour('red', 100, 12)]);
		replaceFfmpeg("trap '' TERM\nwhile :; do sleep 0.1; done");
		const giveUp = new AbortController();
		const made = pictures(recording).sheet(TEST_VIDEO_ID, planStoryboard(recording.tracks)!, 1, giveUp.signal);
		setTimeout(() => giveUp.abort(new Error('it is enough')), 300);
		await expect(made).rejects.toThrow('it is enough');
	});
});
