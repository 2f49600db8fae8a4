/** Tests of stated times: which are smoothed, which are accepted, and when the publisher's clock is another one. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckedTimes } from './checked-times.ts';
import type { PublisherUnit } from '../publisher/publisher.ts';

const HOUR_MS = 3_600_000;
const SOUND_MS = 1024 / 48;

type Sent = { kind: TrackKind; atMs: number; statedMs: number; compositionMs?: number; delayMs?: number };
type Result = { units: PublisherUnit[]; breakCount: number };

function unitOf({ kind, atMs, statedMs, compositionMs = 0, delayMs = 0 }: Sent): PublisherUnit {
	return {
		kind,
		decodeTimeMs: statedMs,
		presentationTimeMs: statedMs + compositionMs,
		rtpTicks: undefined,
		isKeyFrame: kind === 'audio',
		bytes: new Uint8Array(),
		arrivedAtMs: atMs + delayMs,
	};
}

/** Checks units in order of sending. Units of one connection arrive one after another. */
function check(sent: readonly Sent[], hasCommonTimeline = true): Result {
	const times = new CheckedTimes({ hasCommonTimeline });
	let arrivedAtMs = -Infinity;
	let breakCount = 0;
	const units = sent.map((entry) => {
		const unit = unitOf(entry);
		arrivedAtMs = Math.max(arrivedAtMs, unit.arrivedAtMs);
		const checked = times.check({ ...unit, arrivedAtMs });
		breakCount += times.consumeBreak() ? 1 : 0;
		return checked;
	});
	return { units, breakCount };
}

/** Picture and sound of a span of time, in order of time; sound comes first where both are due. */
function send(options: {
	toMs: number;
	pictureMs: number;
	fromMs?: number;
	hasSound?: boolean;
	state?: (kind: TrackKind, atMs: number, index: number) => number | undefined;
}): Sent[] {
	const { fromMs = 0, toMs, pictureMs, hasSound = true, state = (_kind, atMs) => atMs } = options;
	const sent: Sent[] = [];
	const add = (kind: TrackKind, stepMs: number): void => {
		for (let index = 0; fromMs + index * stepMs < toMs; index++) {
			const atMs = fromMs + index * stepMs;
			const statedMs = state(kind, atMs, index);
			if (statedMs !== undefined) {
				sent.push({ kind, atMs, statedMs: Math.round(statedMs) });
			}
		}
	};
	if (hasSound) {
		add('audio', SOUND_MS);
	}
	add('video', pictureMs);
	return sent.sort((one, other) => one.atMs - other.atMs);
}

const timesOf = ({ units }: Result, kind: TrackKind): number[] =>
	units.filter((unit) => unit.kind === kind).map(({ decodeTimeMs }) => decodeTimeMs);

const isRising = (times: readonly number[]): boolean =>
	times.slice(1).every((timeMs, index) => timeMs > times[index]! && Number.isFinite(timeMs));

/** Largest distance between a unit's checked time and the time that has passed at the publisher. */
const largestErrorMs = ({ units }: Result, sent: readonly Sent[], baseMs = 0): number =>
	Math.max(...units.map(({ decodeTimeMs }, index) => Math.abs(decodeTimeMs - baseMs - sent[index]!.atMs)));

describe('CheckedTimes', () => {
	it('keeps the times of a correct encoder', () => {
		const sent = send({ toMs: 5000, pictureMs: 40, state: (_kind, atMs) => atMs + 123_456 });
		const result = check(sent);
		expect(result.units.map(({ decodeTimeMs }) => decodeTimeMs)).toEqual(sent.map(({ statedMs }) => statedMs));
		expect(result.breakCount).toBe(0);
	});

	it('sees one clock at any cadence, through jitter, small steps back and pauses of one track', () => {
		const cadence = fc.oneof(
			fc.double({ min: 0.1, max: 1, noNaN: true }),
			fc.double({ min: 1, max: 120, noNaN: true }),
			fc.constantFrom(0.1, 0.5, 1, 23.976, 30, 59.94, 120),
		);
		fc.assert(
			fc.property(
				fc.record({
					picturesPerSecond: cadence,
					arrivalJitterMs: fc.integer({ min: 0, max: 400 }),
					stampJitterMs: fc.integer({ min: 0, max: 8 }),
					stepBackMs: fc.integer({ min: 0, max: 90 }),
					stepBackEvery: fc.integer({ min: 2, max: 40 }),
					paused: fc.constantFrom('audio', 'video', 'none'),
					pauseFromMs: fc.integer({ min: 0, max: 8000 }),
					pauseMs: fc.integer({ min: 0, max: 20_000 }),
					hasSound: fc.boolean(),
					startMs: fc.constantFrom(0, 0xffff_ffff - 5000, -2000, 4_711_000),
					seed: fc.integer({ min: 1, max: 1000 }),
				}),
				(input) => {
					const pictureMs = 1000 / input.picturesPerSecond;
					const noise = (index: number): number => ((index * 7919 + input.seed * 104_729) % 1000) / 1000;
					const sent = send({
						toMs: Math.max(12_000, pictureMs * 6),
						pictureMs,
						hasSound: input.hasSound,
						state: (kind, atMs, index) => {
							const isPaused =
								kind === input.paused && atMs >= input.pauseFromMs && atMs < input.pauseFromMs + input.pauseMs;
							const stepBackMs = index % input.stepBackEvery === 1 ? input.stepBackMs : 0;
							return isPaused ? undefined : input.startMs + atMs + noise(index) * input.stampJitterMs - stepBackMs;
						},
					}).map((entry, index) => ({ ...entry, delayMs: noise(index) * input.arrivalJitterMs }));
					const result = check(sent);
					expect(result.breakCount).toBe(0);
					expect(isRising(timesOf(result, 'video'))).toBe(true);
					expect(isRising(timesOf(result, 'audio'))).toBe(true);
					expect(largestErrorMs(result, sent, input.startMs)).toBeLessThan(110);
				},
			),
			{ numRuns: 150 },
		);
	});

	it('continues through a new clock of the encoder, with one break, at any cadence', () => {
		fc.assert(
			fc.property(
				fc.record({
					picturesPerSecond: fc.constantFrom(0.2, 1, 5, 24, 30, 60, 120),
					jumpMs: fc.oneof(
						fc.constantFrom(HOUR_MS, -HOUR_MS, 24 * HOUR_MS),
						fc.integer({ min: 2000, max: 2 ** 31 }),
						fc.integer({ min: -(2 ** 31), max: -2000 }),
					),
					hasSound: fc.boolean(),
					arrivalJitterMs: fc.integer({ min: 0, max: 200 }),
					leadMs: fc.integer({ min: -100, max: 100 }),
				}),
				({ picturesPerSecond, hasSound, arrivalJitterMs, leadMs, ...input }) => {
					const pictureMs = 1000 / picturesPerSecond;
					// Without another track, a jump of a slow picture counts only when it is longer than its steps.
					const jumpMs = input.jumpMs + Math.sign(input.jumpMs) * 2 * pictureMs;
					const jumpAtMs = Math.max(6000, pictureMs * 4);
					const sent = send({
						toMs: jumpAtMs + Math.max(6000, pictureMs * 6),
						pictureMs,
						hasSound,
						state: (kind, atMs) =>
							HOUR_MS * 2 + atMs + (atMs >= jumpAtMs + (kind === 'audio' ? leadMs : 0) ? jumpMs : 0),
					}).map((entry, index) => ({ ...entry, delayMs: (index * 7919) % (arrivalJitterMs + 1) }));
					const result = check(sent);
					expect(result.breakCount).toBe(1);
					expect(isRising(timesOf(result, 'video'))).toBe(true);
					expect(isRising(timesOf(result, 'audio'))).toBe(true);
					expect(largestErrorMs(result, sent, HOUR_MS * 2)).toBeLessThan(pictureMs + 600);
					// Sound and picture keep their relation: both are moved by the same.
					const moved = sent.map(({ statedMs }, index) => result.units[index]!.decodeTimeMs - statedMs);
					expect(new Set(moved.slice(-3).map((ms) => Math.round(ms))).size).toBe(1);
				},
			),
			{ numRuns: 100 },
		);
	});

	it.each([
		['an hour ahead', HOUR_MS],
		['an hour back', -HOUR_MS],
		['no number', NaN],
		['endless', Infinity],
		['as large as can be', Number.MAX_VALUE],
		['nine tenths of a second ahead', 900],
	])('does not follow one wild time: %s', (_name, wildMs) => {
		for (const hasSound of [true, false]) {
			const sent = send({ toMs: 4000, pictureMs: 40, hasSound });
			const index = sent.findIndex(({ kind, atMs }) => kind === 'video' && atMs >= 2000);
			sent[index] = { ...sent[index]!, statedMs: sent[index]!.statedMs + wildMs };
			const result = check(sent);
			expect(result.breakCount).toBe(0);
			expect(isRising(timesOf(result, 'video'))).toBe(true);
			expect(largestErrorMs(result, sent)).toBeLessThan(60);
		}
	});

	it('puts a step back right behind the picture before, and keeps its composition offset', () => {
		const at = (statedMs: number): Sent => ({ kind: 'video', atMs: statedMs, statedMs, compositionMs: 20 });
		const { units } = check([at(0), at(33), at(67), { ...at(60), atMs: 100 }, at(133)]);
		expect(units.map(({ decodeTimeMs }) => decodeTimeMs)).toEqual([0, 33, 67, 67 + 1 / 90, 133]);
		expect(units.map((unit) => Math.round(unit.presentationTimeMs - unit.decodeTimeMs))).toEqual(Array(5).fill(20));
	});

	it('rejects composition offsets of hours, and keeps the reordering in them', () => {
		const sent = (compositionMs: number[]): Sent[] =>
			compositionMs.map((ms, index) => ({ kind: 'video', atMs: index * 40, statedMs: index * 40, compositionMs: ms }));
		const offsets = (compositionMs: number[]): number[] =>
			check(sent(compositionMs)).units.map((unit) => Math.round(unit.presentationTimeMs - unit.decodeTimeMs));
		expect(offsets([80, 160, 40, 0, 80])).toEqual([80, 160, 40, 0, 80]);
		expect(offsets([0, -67, 0, -33])).toEqual([0, -67, 0, -33]);
		expect(offsets([0, 80, 2 * HOUR_MS, 40])).toEqual([0, 80, 0, 40]);
		expect(offsets([2 * HOUR_MS, 2 * HOUR_MS + 80, 2 * HOUR_MS + 40])).toEqual([0, 80, 40]);
		expect(offsets([-2 * HOUR_MS, -2 * HOUR_MS + 80, NaN])).toEqual([0, 80, 0]);
	});

	it('begins the second track of one clock where the first one is when it counts from elsewhere', () => {
		const picture = send({ toMs: 10_000, pictureMs: 40, hasSound: false });
		const sound = Array.from({ length: 40 }, (_, index): Sent => ({
			kind: 'audio',
			atMs: 9000 + index * SOUND_MS,
			statedMs: index * SOUND_MS,
		}));
		const sent = [...picture, ...sound].sort((one, other) => one.atMs - other.atMs);
		const result = check(sent);
		expect(result.breakCount).toBe(0);
		expect(largestErrorMs(result, sent)).toBeLessThan(50);
	});

	it('moves sound back to its place when it counted samples while it was muted', () => {
		const pausedMs = { from: 4000, to: 9000 };
		const sent = send({
			toMs: 15_000,
			pictureMs: 40,
			state: (kind, atMs) => {
				const isPaused = kind === 'audio' && atMs >= pausedMs.from && atMs < pausedMs.to;
				return isPaused ? undefined : atMs - (kind === 'audio' && atMs >= pausedMs.to ? 5000 : 0);
			},
		});
		const result = check(sent);
		expect(result.breakCount).toBe(0);
		expect(isRising(timesOf(result, 'audio'))).toBe(true);
		const settled = sent
			.map((entry, index) => ({ entry, unit: result.units[index]! }))
			.filter(({ entry }) => entry.atMs > 9800);
		expect(Math.max(...settled.map(({ entry, unit }) => Math.abs(unit.decodeTimeMs - entry.atMs)))).toBeLessThan(50);
	});

	it('keeps the times of sound that is delayed on its way and arrives in a burst', () => {
		const sent = send({ toMs: 12_000, pictureMs: 40 });
		const late = (entry: Sent): boolean => entry.kind === 'audio' && entry.atMs >= 4000 && entry.atMs < 7000;
		const arranged = [
			...sent.filter((entry) => !late(entry) && entry.atMs < 7000),
			...sent.filter(late).map((entry) => ({ ...entry, delayMs: 7000 - entry.atMs })),
			...sent.filter((entry) => entry.atMs >= 7000),
		];
		const result = check(arranged);
		expect(result.breakCount).toBe(0);
		expect(largestErrorMs(result, arranged)).toBeLessThan(2);
	});

	it('moves both tracks by the same when they step back together by less than a second', () => {
		const sent = send({ toMs: 8000, pictureMs: 40, state: (_kind, atMs) => atMs - (atMs >= 4000 ? 600 : 0) });
		const result = check(sent);
		expect(result.breakCount).toBe(1);
		expect(largestErrorMs(result, sent)).toBeLessThan(60);
	});

	it('makes up for a small step back of one track, and accepts its relation to the other', () => {
		const sent = send({
			toMs: 8000,
			pictureMs: 40,
			state: (kind, atMs) => atMs - (kind === 'video' && atMs >= 4000 ? 300 : 0),
		});
		const result = check(sent);
		expect(result.breakCount).toBe(0);
		expect(isRising(timesOf(result, 'video'))).toBe(true);
		expect(timesOf(result, 'video').at(-1)! - sent.findLast(({ kind }) => kind === 'video')!.atMs).toBeCloseTo(-300, 0);
	});
});

describe('CheckedTimes of RTP', () => {
	const packet = (kind: TrackKind, sequence: number, rtpTicks: number, arrivedAtMs: number) => ({
		kind,
		payload: Uint8Array.of(1),
		hasMarker: true,
		sequenceNumber: sequence & 0xffff,
		rtpTicks,
		arrivedAtMs,
	});
	const unit = (kind: TrackKind, rtpTicks: number, arrivedAtMs: number): PublisherUnit => ({
		...unitOf({ kind, atMs: arrivedAtMs, statedMs: 0 }),
		rtpTicks,
	});

	it('gives packets and their units the same timestamps, also those that come late, and breaks once for both tracks', () => {
		const times = new CheckedTimes({ hasCommonTimeline: false });
		const jumpTicks = { video: 90 * HOUR_MS, audio: -48 * 700_000 };
		let breakCount = 0;
		let last: { video: number; audio: number } = { video: -Infinity, audio: -Infinity };
		for (let index = 0; index < 400; index++) {
			for (const kind of ['video', 'audio'] as const) {
				const clockRate = kind === 'video' ? 90 : 48;
				const stated = (at: number): number => 40_000_000 + at * 20 * clockRate + (at >= 200 ? jumpTicks[kind] : 0);
				const ticks = times.checkRtp(packet(kind, 65_400 + index, stated(index), index * 20));
				breakCount += times.consumeBreak() ? 1 : 0;
				expect(times.check(unit(kind, stated(index), index * 20)).rtpTicks).toBe(ticks);
				expect(ticks - last[kind]).toBeGreaterThan(0);
				expect(index === 0 || ticks - last[kind] < 60 * clockRate).toBe(true);
				if (index > 5) {
					const late = times.checkRtp(packet(kind, 65_400 + index - 3, stated(index - 3), index * 20));
					expect(Math.abs(ticks - late - 60 * clockRate)).toBeLessThan(45 * clockRate);
				}
				last = { ...last, [kind]: ticks };
			}
		}
		expect(breakCount).toBe(1);
	});

	it('keeps the order of pictures with B-frames, and gives decode times that rise', () => {
		const times = new CheckedTimes({ hasCommonTimeline: false });
		const shown = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8];
		const units = shown.map((position, index) => {
			times.checkRtp(packet('video', index, position * 3000, index * 33));
			return times.check(unit('video', position * 3000, index * 33));
		});
		expect(units.map(({ rtpTicks }) => rtpTicks)).toEqual(shown.map((position) => position * 3000));
		expect(isRising(units.map(({ decodeTimeMs }) => decodeTimeMs))).toBe(true);
		expect(times.consumeBreak()).toBe(false);
	});

	it('puts a picture that steps back a little right behind the one before, all its packets and its unit alike', () => {
		const times = new CheckedTimes({ hasCommonTimeline: false });
		const ticks: number[] = [];
		for (let index = 0; index < 60; index++) {
			const stated = index * 3000 - (index % 15 === 14 ? 3600 : 0);
			const first = times.checkRtp(packet('video', index * 2, stated, index * 33));
			expect(times.checkRtp(packet('video', index * 2 + 1, stated, index * 33))).toBe(first);
			expect(times.check(unit('video', stated, index * 33))).toMatchObject({
				rtpTicks: first,
				decodeTimeMs: first / 90,
				presentationTimeMs: first / 90,
			});
			ticks.push(first);
		}
		expect(new Set(ticks.slice(1).map((value, index) => value - ticks[index]!))).toEqual(new Set([3000, 1, 5999]));
		expect(times.consumeBreak()).toBe(false);
	});

	it('follows sound that returns after a pause, and its reports during the pause', () => {
		const times = new CheckedTimes({ hasCommonTimeline: false });
		for (let index = 0; index < 100; index++) {
			times.checkRtp(packet('audio', index, index * 960, index * 20));
		}
		expect(times.checkReport('audio', 60_000)).toBe(60_000);
		expect(times.checkRtp(packet('audio', 100, 65_000 * 48, 65_000))).toBe(65_000 * 48);
		expect(times.consumeBreak()).toBe(false);
	});
});
