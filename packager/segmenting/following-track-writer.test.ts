/** A rung behind its leader, picture by picture: which part each one lies in, how long it lasts, what is lost. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { leastIntervalSeconds } from '../../core/media/rung.ts';
import { Rendition } from '../rendition/rendition.ts';
import type { Part } from '../rendition/part.ts';
import { LiveWindow } from '../store/live-window.ts';
import { boxesIn, findBox } from '../testing/mp4-reader.ts';
import { simulateRun } from '../testing/simulated-source.ts';
import { FollowingTrackWriter } from './following-track-writer.ts';
import { LeaderBorders } from './leader-borders.ts';
import { VideoTrackWriter } from './track-writer.ts';

type Sample = { durationTicks: number; offsetTicks: number };

/** A leader and one rung, both from second 10 on. */
class FollowingRig {
	readonly #store = new LiveWindow();
	readonly leaderRendition = this.#createRendition('video0');
	readonly rendition = this.#createRendition('video1');
	readonly borders = new LeaderBorders();
	readonly leader = new VideoTrackWriter(this.#start(this.leaderRendition), 0, this.borders);
	readonly rung: FollowingTrackWriter;

	constructor(frameRate: number) {
		this.rung = new FollowingTrackWriter(this.#start(this.rendition), this.borders, {
			leastIntervalSeconds: leastIntervalSeconds(frameRate),
			presentationDelayTicks: 0,
			isAway: false,
		});
	}

	/** The leader's pictures at these milliseconds after second 10; a key frame at those of `keyMs`. */
	lead(times: readonly number[], keyMs: readonly number[] = [0]): void {
		for (const ms of times) {
			this.leader.write(picture(ms, keyMs.includes(ms)));
			this.rung.follow();
		}
	}

	follow(times: readonly number[], keyMs: readonly number[] = [0]): string[] {
		return times.map((ms) => this.rung.write(picture(ms, keyMs.includes(ms))));
	}

	get parts(): Part[] {
		return this.rendition.segments.flatMap(({ parts }) => parts);
	}

	/** Number of pictures of each part, `gap`, or `hold`, segment by segment. */
	get layout(): string {
		return this.rendition.segments
			.map(({ parts }) =>
				parts.map(({ isGap, sampleCount }) => (isGap ? 'gap' : sampleCount === 0 ? 'hold' : sampleCount)).join(' '),
			)
			.join(' | ');
	}

	samplesOf(part: Part): Sample[] {
		const bytes = this.#store.get(`video1/${part.name}`)!;
		const run = findBox(bytes, 'moof/traf/trun')!;
		const flags = run.readUInt32BE(0) & 0xff_ffff;
		const [hasFlags, hasOffsets] = [(flags & 0x400) !== 0, (flags & 0x800) !== 0];
		const sizeBytes = 8 + (hasFlags ? 4 : 0) + (hasOffsets ? 4 : 0);
		expect(boxesIn(bytes).has('mdat')).toBe(true);
		return Array.from({ length: run.readUInt32BE(4) }, (_, index) => ({
			durationTicks: run.readUInt32BE(12 + index * sizeBytes),
			offsetTicks: hasOffsets ? run.readInt32BE(12 + index * sizeBytes + sizeBytes - 4) : 0,
		}));
	}

	#createRendition(trackId: 'video0' | 'video1'): Rendition {
		const rendition = new Rendition(
			{ store: this.#store, logger: silentLogger },
			{ trackId, windowSeconds: 60, mediaSequence: 1, discontinuitySequence: 0 },
		);
		rendition.beginRun({
			initBytes: new Uint8Array(1),
			timescale: 90_000,
			discontinuitySequence: 0,
			dates: undefined!,
		});
		return rendition;
	}

	#start(rendition: Rendition): ConstructorParameters<typeof FollowingTrackWriter>[0] {
		return { rendition, sequence: { next: 1 }, startSeconds: 10, captureTimeMs: 0, onForcedCut: () => undefined };
	}
}

const [MODEL] = simulateRun({ startSeconds: 10, durationSeconds: 1, video: { frameRate: 30, gopFrames: 30 } });

function picture(ms: number, isKeyFrame: boolean): AccessUnit {
	const ticks = 900_000 + ms * 90;
	return { ...MODEL!, trackId: 'video1', decodeTimeTicks: ticks, presentationTimeTicks: ticks, isKeyFrame };
}

/** Milliseconds of `count` pictures of 50 a second. */
const everyTwenty = (count: number, from = 0): number[] =>
	Array.from({ length: count }, (_, index) => from + index * 20);
/** Every second one. */
const everyForty = (count: number, from = 0): number[] =>
	Array.from({ length: count }, (_, index) => from + index * 40);

describe('FollowingTrackWriter', () => {
	it('publishes a part with the last of its pictures, whichever comes last: the picture or the border', () => {
		const rig = new FollowingRig(25);
		rig.lead(everyTwenty(10));
		rig.follow(everyForty(4));
		expect(rig.layout).toBe('');
		rig.follow([160]);
		expect(rig.layout).toBe('5');
		rig.follow(everyForty(5, 200));
		expect(rig.layout).toBe('5');
		rig.lead(everyTwenty(9, 200));
		expect(rig.layout).toBe('5');
		rig.lead([380]);
		expect(rig.layout).toBe('5 5');
	});

	it('decodes the first picture where the part begins, and shows it at its own time', () => {
		const rig = new FollowingRig(25);
		// A key frame on an odd picture: from then on the rung has the odd ones.
		rig.lead(everyTwenty(30), [0, 300]);
		rig.follow([0, 40, 80, 120, 160, 200, 240, 280, 300, 340, 380, 420, 460, 500, 540, 580], [0, 300]);
		expect(rig.layout).toBe('5 6 5');
		expect(rig.samplesOf(rig.parts[2]!)).toEqual([
			{ durationTicks: 60 * 90, offsetTicks: 20 * 90 },
			...Array.from({ length: 3 }, () => ({ durationTicks: 40 * 90, offsetTicks: 0 })),
			{ durationTicks: 20 * 90, offsetTicks: 0 },
		]);
	});

	it('has a part without samples where none of a segment’s last pictures is taken, and the one before lasts', () => {
		const rig = new FollowingRig(25);
		const keyMs = [0, 20, 2020];
		// The key frame at 20 makes it take the odd ones. The last part has the picture at 2000 alone, and 2020 follows.
		rig.lead(everyTwenty(101), keyMs);
		rig.follow([0, ...everyForty(50, 20)], keyMs);
		expect(rig.layout).toBe('6 5 5 5 5 5 5 5 5 5');
		expect(rig.samplesOf(rig.parts.at(-1)!).at(-1)!.durationTicks).toBe(40 * 90);
		rig.lead(everyTwenty(10, 2020), keyMs);
		expect(rig.layout).toBe('6 5 5 5 5 5 5 5 5 5 hold');
		rig.follow(everyForty(5, 2020), keyMs);
		expect(rig.layout).toBe('6 5 5 5 5 5 5 5 5 5 hold | 5');
		expect(rig.parts.at(-1)!.isIndependent).toBe(true);
	});

	it('decodes a picture of the next part early where its own part has none', () => {
		const rig = new FollowingRig(25);
		// The source pauses after a picture that the rung does not take and that begins a part.
		rig.lead([...everyTwenty(10), 200, 560, 580, 600, 620, 640, 660, 680, 700, 720, 740, 760, 780], [0, 180]);
		// The picture at 180 is a key frame, so the one at 200 is too near.
		rig.follow([0, 40, 80, 120, 160, 180], [0, 180]);
		rig.follow([560, 600, 640, 680, 720, 760]);
		// The leader shows the pictures after the pause early. The part of the one at 200 has the one at 560, and that of
		// those at 560 and 580 the one at 600.
		expect(rig.layout).toBe('6 1 1');
		expect(rig.samplesOf(rig.parts[1]!)).toEqual([{ durationTicks: 210 * 90, offsetTicks: 210 * 90 }]);
	});

	it('begins with its first key frame, and where the segment has begun already with the next segment', () => {
		const rig = new FollowingRig(50);
		rig.lead(everyTwenty(20));
		expect(rig.follow(everyTwenty(3, 20), [])).toEqual(['dropped', 'dropped', 'dropped']);
		rig.follow(everyTwenty(10, 220), [220]);
		expect(rig.layout).toBe('gap gap');
		rig.lead(everyTwenty(90, 400), [2000]);
		rig.follow(everyTwenty(79, 420));
		expect(rig.layout).toBe(Array.from({ length: 10 }, () => 'gap').join(' '));
		rig.follow(everyTwenty(20, 2000), [2000]);
		expect(rig.layout).toMatch(/^(gap ){9}gap \| 10$/);
	});

	it('has gaps, and returns with a segment, when more than half a second is missing', () => {
		const rig = new FollowingRig(50);
		rig.lead(everyTwenty(60));
		rig.follow(everyTwenty(25));
		expect(rig.layout).toBe('10 10');
		rig.follow(everyTwenty(5, 1100), [1100]);
		expect(rig.layout).toBe('10 10 5 gap gap gap');
		rig.lead(everyTwenty(60, 1200), [2000]);
		rig.follow(everyTwenty(45, 1100));
		expect(rig.layout).toBe('10 10 5 gap gap gap gap gap gap gap');
		rig.follow(everyTwenty(20, 2000), [2000]);
		expect(rig.layout).toMatch(/ \| 10 10$/);
	});

	it('drops a picture that is late by less than a second, and begins again when time goes back', () => {
		const rig = new FollowingRig(50);
		rig.lead(everyTwenty(40));
		rig.follow(everyTwenty(20));
		expect(rig.follow([380, 360])).toEqual(['dropped', 'dropped']);
		expect(rig.rung.isAway).toBe(false);
		rig.follow([3000]);
		expect(rig.follow([400])).toEqual(['dropped']);
		expect(rig.rung.isAway).toBe(true);
	});

	it('holds a bounded number of pictures for a leader that has none', () => {
		const rig = new FollowingRig(50);
		rig.lead(everyTwenty(10));
		const results = rig.follow(everyTwenty(600));
		expect(results.indexOf('dropped')).toBeGreaterThan(500);
		expect(rig.rung.isAway).toBe(true);
	});

	it('drops what an open GOP has before its key frame, so that the segment begins with that', () => {
		const rig = new FollowingRig(50);
		rig.lead(everyTwenty(100), [0]);
		// The leader decodes the key frame of 2040 first, and then shows two others before it.
		for (const [decodeMs, shownMs] of [
			[2000, 2040],
			[2020, 2000],
			[2040, 2020],
			[2060, 2060],
		] as const) {
			const unit = picture(decodeMs, decodeMs === 2000);
			rig.leader.write({ ...unit, presentationTimeTicks: picture(shownMs, false).presentationTimeTicks });
			rig.rung.follow();
		}
		rig.lead(everyTwenty(12, 2080));
		rig.follow(everyTwenty(120), [0, 2040]);
		const second = rig.rendition.segments[1]!;
		expect(second.parts[0]!.isIndependent).toBe(true);
		expect(second.parts[0]!.sampleCount).toBe(8);
	});
});
