/**
 * What the storyboard and the poster of an hour cost, stills in one process or in a process each, and live stills
 * without and with their small copies: CPU of FFmpeg and of our process, time, and the most memory of FFmpeg. Of a
 * source without rungs and of the smallest recorded rung.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { fitWidth, planPoster, planStoryboard, sheetCount, tileSize } from '../recording/storyboard.ts';
import { makeTestVideo, moveUnits } from '../transcode/testing/test-media.ts';
import { locateKeyFrame } from './key-frame.ts';
import { PictureMaker } from './picture-maker.ts';
import { RecordedPictures } from './recorded-pictures.ts';
import { recordRuns, repeatRecording, TEST_VIDEO_ID } from './testing/recorded-video.ts';

const TIMEOUT_MS = 5 * 60_000;
const LAP_SECONDS = 12;
const STILL_COUNT = 20;
const HOUR_SECONDS = 3600;
/** Of Linux's process times. */
const TICKS_PER_SECOND = 100;
const POLL_MS = 50;
const never = new AbortController().signal;
const rows: string[] = [];

const CASES = [
	{ name: '1080p60, 6 Mbit/s', widthPixels: 1920, heightPixels: 1080, frameRate: 60, bitrate: '6M' },
	{ name: '360p30, 0.7 Mbit/s', widthPixels: 640, heightPixels: 360, frameRate: 30, bitrate: '700k' },
];

describe('the pictures of an hour', () => {
	it.each(CASES)('of $name', { timeout: TIMEOUT_MS }, async ({ name, bitrate, ...picture }) => {
		const { widthPixels, heightPixels, frameRate } = picture;
		const video = makeTestVideo({
			...picture,
			durationSeconds: LAP_SECONDS,
			gopFrames: 2 * frameRate,
			source: `testsrc2=s=${widthPixels}x${heightPixels}:r=${frameRate},noise=alls=12:allf=t`,
			extraArguments: ['-b:v', bitrate, '-maxrate', bitrate, '-bufsize', bitrate],
		});
		const lap = await recordRuns([
			{ tracks: new Map<TrackId, TrackConfig>([['video0', video.config]]), units: moveUnits(video.units, 9_000_000) },
		]);
		const { store, tracks } = repeatRecording(lap, HOUR_SECONDS);
		const names = [...lap.store.objects].filter(([file]) => file.endsWith('.m4s'));
		const keyFrameBytes = names
			.map(([, bytes]) => locateKeyFrame(bytes)!)
			.map(({ startByte, endByte }) => endByte - startByte);
		console.log(
			`${name}: key frames of ${kilobytes(keyFrameBytes.reduce((sum, bytes) => sum + bytes, 0) / names.length)}`,
		);
		const pictures = new RecordedPictures({ store, maker: new PictureMaker({ clock: systemClock }) });
		const plan = planStoryboard(tracks)!;
		await measure(`${name}: storyboard`, async () => {
			let sizeBytes = 0;
			for (let number = 1; number <= sheetCount(plan); number++) {
				sizeBytes += (await pictures.sheet(TEST_VIDEO_ID, plan, number, never)).length;
			}
			return `${plan.slots.length} on ${sheetCount(plan)} sheets, ${kilobytes(sizeBytes)}`;
		});
		await measure(`${name}: poster`, async () => {
			const poster = planPoster(tracks, { count: 8, maxWidthPixels: 1280 })!;
			return `1 of 8, ${kilobytes((await pictures.poster(TEST_VIDEO_ID, poster, never)).length)}`;
		});
		// Which is how the stills of live channels could be made as well.
		await measure(`${name}: ${STILL_COUNT} stills in one process`, async () => {
			const all = planPoster(tracks, { count: STILL_COUNT, maxWidthPixels: 480 })!;
			return `largest ${kilobytes((await pictures.poster(TEST_VIDEO_ID, all, never)).length)}`;
		});
		await measure(`${name}: ${STILL_COUNT} stills in a process each`, async () => {
			const all = planPoster(tracks, { count: STILL_COUNT, maxWidthPixels: 480 })!;
			const sizes: number[] = [];
			for (const slot of all.slots) {
				sizes.push((await pictures.poster(TEST_VIDEO_ID, { ...all, slots: [slot] }, never)).length);
			}
			return `largest ${kilobytes(Math.max(...sizes))}`;
		});
		const maker = new PictureMaker({ clock: systemClock });
		const frames = names.slice(0, 1).map(([, bytes]) => {
			const { startByte, endByte } = locateKeyFrame(bytes)!;
			return { place: 0, keyFrame: { config: video.config, bytes: bytes.subarray(startByte, endByte) } };
		});
		const still = fitWidth(picture, 480);
		for (const sizes of [[still], [still, tileSize(picture)]]) {
			await measure(`${name}: ${STILL_COUNT} live stills of ${sizes.length} sizes`, async () => {
				let last: ReadonlyArray<ReadonlyMap<number, Uint8Array>> = [];
				for (let count = 0; count < STILL_COUNT; count++) {
					last = await maker.stills(frames, sizes, never);
				}
				return last.map((made) => `${(made.get(0)!.length / 1000).toFixed(1)} kB`).join(' and ');
			});
		}
	});
});

afterAll(() => {
	const head = '| what | pictures | FFmpeg, CPU s | our process, CPU s | wall s | FFmpeg, most MB | idle | steal |';
	console.log([head, '| --- | --- | --- | --- | --- | --- | --- | --- |', ...rows].join('\n'));
});

async function measure(what: string, work: () => Promise<string>): Promise<void> {
	const [machine, own, children] = [readMachine(), process.cpuUsage(), readChildrenCpuSeconds()];
	const startMs = systemClock.monotonicMs();
	let mostBytes = 0;
	const stop = systemClock.setInterval(() => (mostBytes = Math.max(mostBytes, readChildrenBytes())), POLL_MS);
	const made = await work();
	stop();
	const wallSeconds = (systemClock.monotonicMs() - startMs) / 1000;
	const { user, system } = process.cpuUsage(own);
	const after = readMachine();
	const share = (name: 'idle' | 'steal'): string =>
		`${Math.round(((after[name] - machine[name]) * 100) / (after.total - machine.total))} %`;
	const ffmpegSeconds = readChildrenCpuSeconds() - children;
	const cells = [
		what,
		made,
		ffmpegSeconds.toFixed(2),
		((user + system) / 1e6).toFixed(2),
		wallSeconds.toFixed(1),
		(mostBytes / 1e6).toFixed(0),
		share('idle'),
		share('steal'),
	];
	rows.push(`| ${cells.join(' | ')} |`);
	expect(ffmpegSeconds).toBeGreaterThan(0);
}

/** Of all children that have ended and were waited for. */
function readChildrenCpuSeconds(): number {
	const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ');
	return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

function readChildrenBytes(): number {
	const sizes = readdirSync('/proc')
		.filter((name) => /^\d+$/.test(name))
		.map((name) => {
			try {
				const status = readFileSync(`/proc/${name}/status`, 'utf8');
				const isChild = status.includes(`\nPPid:\t${process.pid}\n`);
				return isChild ? Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0) * 1024 : 0;
			} catch {
				// It has ended.
				return 0;
			}
		});
	return Math.max(0, ...sizes);
}

function readMachine(): { total: number; idle: number; steal: number } {
	const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).slice(1).map(Number);
	return { total: fields.slice(0, 8).reduce((sum, value) => sum + value, 0), idle: fields[3]!, steal: fields[7]! };
}

function kilobytes(bytes: number): string {
	return `${Math.round(bytes / 1000)} kB`;
}
