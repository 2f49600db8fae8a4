/** Tests of pace-correction.ts: at any pace of stated times media keeps that of the clock, and right times stay. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { describe, expect, it } from 'vitest';
import { PaceCorrection } from './pace-correction.ts';
import type { PublisherUnit } from '../publisher/publisher.ts';

const SOUND_MS = 1024 / 48;
const HOUR_MS = 3_600_000;
const KINDS = ['audio', 'video'] as const;
type Corrected = { kind: TrackKind; atMs: number; statedMs: number; unit: PublisherUnit };
type Stream = {
	seconds: number;
	pictureMs?: number;
	kinds?: readonly TrackKind[];
	state?: (kind: TrackKind, atMs: number) => number;
	arrive?: (atMs: number) => number;
	isLost?: (kind: TrackKind, index: number) => boolean;
	compositionMs?: number;
};

/** Sends a stream in the order of time, and returns the corrected units. */
function correct(stream: Stream): Corrected[] {
	const { seconds, pictureMs = 1000 / 30, kinds = KINDS, arrive = (atMs) => atMs } = stream;
	const { state = (_kind, atMs) => atMs } = stream;
	const sent = kinds.flatMap((kind) => {
		const stepMs = kind === 'audio' ? SOUND_MS : pictureMs;
		const count = Math.floor((seconds * 1000) / stepMs);
		return Array.from({ length: count }, (_, index) => ({ kind, index, atMs: index * stepMs }));
	});
	sent.sort((a, b) => a.atMs - b.atMs);
	const pace = new PaceCorrection();
	return sent
		.filter(({ kind, index }) => stream.isLost?.(kind, index) !== true)
		.map(({ kind, atMs }) => {
			const statedMs = Math.round(state(kind, atMs));
			const compositionMs = kind === 'video' ? (stream.compositionMs ?? 0) : 0;
			const unit = pace.correct(
				{
					kind,
					decodeTimeMs: statedMs,
					presentationTimeMs: statedMs + compositionMs,
					rtpTicks: undefined,
					isKeyFrame: false,
					bytes: new Uint8Array(),
					arrivedAtMs: 50_000 + arrive(atMs),
				},
				{ codec: 'aac', sampleRate: 48_000 },
			);
			return { kind, atMs, statedMs, unit };
		});
}

const timesOf = (
	corrected: readonly Corrected[],
	kind: TrackKind,
	fromMs: number,
): { atMs: number; timeMs: number }[] =>
	corrected
		.filter((entry) => entry.kind === kind && entry.atMs >= fromMs)
		.map(({ atMs, unit }) => ({ atMs, timeMs: unit.decodeTimeMs }));

/** Media time for each unit of real time, from a moment on. */
function paceOf(corrected: readonly Corrected[], kind: TrackKind, fromMs: number): number {
	const times = timesOf(corrected, kind, fromMs);
	const [first, last] = [times[0]!, times.at(-1)!];
	return (last.timeMs - first.timeMs) / (last.atMs - first.atMs);
}

const jitter = (atMs: number): number => atMs + 60 * Math.abs(Math.sin(atMs * 12.9898));

describe('PaceCorrection', () => {
	const PACES = [0, 1 / 90, 0.3, 0.5, 2, 30, 90];
	it.each(PACES.flatMap((pace) => [10, 30, 60].map((frameRate) => [pace, frameRate] as const)))(
		'keeps sound and picture together and in time, both stated at %s of the pace, at %i pictures a second',
		(pace, frameRate) => {
			const corrected = correct({
				seconds: 30,
				pictureMs: 1000 / frameRate,
				arrive: jitter,
				state: (_kind, atMs) => 3000 + atMs * pace,
			});
			for (const kind of KINDS) {
				expect(paceOf(corrected, kind, 6000)).toBeCloseTo(1, 1);
			}
			const [sound, picture] = KINDS.map((kind) => timesOf(corrected, kind, 10_000).at(-1)!);
			const apartMs = sound!.timeMs - sound!.atMs - (picture!.timeMs - picture!.atMs);
			expect(Math.abs(apartMs)).toBeLessThan(200);
		},
	);

	it.each(
		KINDS.flatMap((kind) => PACES.filter((pace) => kind === 'audio' || pace < 30).map((pace) => [kind, pace] as const)),
	)('corrects the %s alone, stated at %s of the pace', (wrong, pace) => {
		const corrected = correct({
			seconds: 30,
			arrive: jitter,
			state: (kind, atMs) => 3000 + atMs * (kind === wrong ? pace : 1),
		});
		for (const kind of KINDS) {
			expect(paceOf(corrected, kind, 8000)).toBeCloseTo(1, 1);
		}
		const right = corrected.filter(({ kind }) => kind !== wrong);
		expect(right.map(({ unit }) => unit.decodeTimeMs)).toEqual(right.map(({ statedMs }) => statedMs));
	});

	it.each([30, 90])('lets a picture run ahead for 3 s at most when it alone is stated at %i of the pace', (pace) => {
		const corrected = correct({
			seconds: 30,
			arrive: jitter,
			state: (kind, atMs) => atMs * (kind === 'video' ? pace : 1),
		});
		expect(paceOf(corrected, 'video', 3000)).toBeLessThan(0.6);
	});

	it.each([0, 0.2, 4, 30])('corrects a picture without sound, stated at %s of the pace', (pace) => {
		const corrected = correct({ seconds: 60, kinds: ['video'], arrive: jitter, state: (_kind, atMs) => atMs * pace });
		expect(paceOf(corrected, 'video', 15_000)).toBeCloseTo(1, 1);
	});

	it('never steps back, and keeps the steps even', () => {
		const corrected = correct({ seconds: 30, arrive: jitter, state: (_kind, atMs) => atMs * 30 });
		for (const kind of KINDS) {
			const times = timesOf(corrected, kind, 5000);
			const stepsMs = times.slice(1).map(({ timeMs }, index) => timeMs - times[index]!.timeMs);
			expect(Math.min(...stepsMs)).toBeGreaterThan(0);
			expect(Math.max(...stepsMs)).toBeLessThan(3 * (kind === 'audio' ? SOUND_MS : 1000 / 30));
		}
	});

	it('scales the composition offsets of B-frames to the right pace', () => {
		const corrected = correct({ seconds: 20, state: (_kind, atMs) => atMs * 30, compositionMs: 2000 });
		const { unit } = corrected.findLast(({ kind }) => kind === 'video')!;
		expect(unit.presentationTimeMs - unit.decodeTimeMs).toBeCloseTo(2000 / 30, -1);
	});

	it('accepts the times again when they are right', () => {
		const corrected = correct({
			seconds: 40,
			state: (_kind, atMs) => (atMs < 15_000 ? atMs * 30 : 450_000 + (atMs - 15_000)),
		});
		const late = corrected.filter(({ atMs }) => atMs > 25_000);
		for (const kind of KINDS) {
			const offsets = late
				.filter((entry) => entry.kind === kind)
				.map(({ unit, statedMs }) => Math.round(unit.decodeTimeMs - statedMs));
			expect(new Set(offsets).size).toBe(1);
		}
	});

	const untouched: [string, Stream][] = [
		['0.9 of the pace', { seconds: 60, state: (_kind, atMs) => atMs * 0.9 }],
		['1.1 of the pace', { seconds: 60, state: (_kind, atMs) => atMs * 1.1 }],
		['a line that stands still for 5 s and catches up', { seconds: 40, arrive: stalled }],
		['a line that carries half', { seconds: 40, arrive: (atMs) => atMs * 2 }],
		['a file that is sent at once', { seconds: 600, arrive: (atMs) => atMs / 50 }],
		['bunches of 5 s', { seconds: 60, arrive: (atMs) => Math.ceil(atMs / 5000) * 5000 }],
		['every second frame of sound lost', { seconds: 60, isLost: (kind, index) => kind === 'audio' && index % 2 === 1 }],
		[
			'most frames of sound lost',
			{ seconds: 60, arrive: jitter, isLost: (kind, index) => kind === 'audio' && index % 5 !== 1 },
		],
		['most pictures lost', { seconds: 60, isLost: (kind, index) => kind === 'video' && index % 40 !== 1 }],
		['one picture in 10 s', { seconds: 120, pictureMs: 10_000 }],
		['a jump of both', { seconds: 40, state: (_kind, atMs) => atMs + (atMs > 20_000 ? HOUR_MS : 0) }],
		['a jump back of both', { seconds: 40, state: (_kind, atMs) => HOUR_MS + atMs - (atMs > 20_000 ? HOUR_MS : 0) }],
		...KINDS.map((jumping): [string, Stream] => [
			`a jump of the ${jumping} alone`,
			{ seconds: 40, state: (kind, atMs) => atMs + (kind === jumping && atMs > 20_000 ? 60_000 : 0) },
		]),
		['sound that pauses', { seconds: 40, isLost: (kind, index) => kind === 'audio' && index > 500 && index < 900 }],
		[
			'sound that counts its samples through a pause',
			{
				seconds: 40,
				state: (kind, atMs) => (kind === 'audio' && atMs > 15_000 ? atMs - 8000 : atMs),
				isLost: (kind, index) => kind === 'audio' && index > 325 && index < 700,
			},
		],
		[
			'times of sound in groups of four',
			{
				seconds: 40,
				state: (kind, atMs) => (kind === 'audio' ? Math.floor(atMs / (4 * SOUND_MS)) * 4 * SOUND_MS : atMs),
			},
		],
	];
	it.each(untouched)('changes no times of %s', (_name, stream) => {
		const corrected = correct(stream);
		expect(corrected.map(({ unit }) => unit.decodeTimeMs)).toEqual(corrected.map(({ statedMs }) => statedMs));
	});
});

/** A line that stands still from 10 to 15 s and then delivers all at once. */
function stalled(atMs: number): number {
	return atMs > 10_000 && atMs < 15_000 ? 15_000 : atMs;
}
