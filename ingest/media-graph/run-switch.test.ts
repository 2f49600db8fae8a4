/** Tests of the change from one run to the next: its moment, the units of each run, and the longest wait. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/logger.ts';
import { createTrack, type AccessUnit, type Track, type TrackId } from '../../core/media/access-unit.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RunSwitch } from './run-switch.ts';
import { FakeTrackSink } from '../testing/fake-track-sink.ts';
import { AAC_CONFIG, H264_CONFIG, unitAt } from '../testing/track-configs.ts';

const VIDEO = createTrack('video', 0);
const AUDIO = createTrack('audio', 0);
const PICTURE = [VIDEO];
const BOTH = [VIDEO, AUDIO];

const unit = (trackId: TrackId, ticks: number, isKeyFrame = trackId === 'audio0'): AccessUnit =>
	unitAt(trackId, ticks, isKeyFrame);

function setUp(): { clock: FakeClock; sink: FakeTrackSink; runs: RunSwitch; begun: number[] } {
	const clock = new FakeClock();
	const sink = new FakeTrackSink();
	const begun: number[] = [];
	let next = 0;
	const runs = new RunSwitch({
		sink,
		clock,
		logger: silentLogger,
		nextRun: () => next++,
		onBegin: (run) => begun.push(run),
		onOpen: () => undefined,
	});
	return { clock, sink, runs, begun };
}

function setUpOnAir(tracks: readonly Track[] = BOTH): ReturnType<typeof setUp> {
	const set = setUp();
	set.runs.begin(tracks);
	set.runs.configure(VIDEO, H264_CONFIG);
	if (tracks !== PICTURE) {
		set.runs.configure(AUDIO, AAC_CONFIG);
	}
	set.runs.write(unit('video0', 0, true));
	return set;
}

const written = (sink: FakeTrackSink): string[] =>
	sink.runs.map(({ units }) =>
		units.map(({ trackId, decodeTimeTicks }) => `${trackId[0]}${decodeTimeTicks}`).join(' '),
	);

describe('RunSwitch', () => {
	it('changes at a key frame, which is the first of the new run, together with the sound from there on', () => {
		const { sink, runs, begun } = setUpOnAir();
		runs.beginAtKeyFrame(BOTH);
		runs.configure(VIDEO, H264_CONFIG);
		runs.configure(AUDIO, AAC_CONFIG);
		runs.write(unit('video0', 3));
		runs.write(unit('audio0', 4));
		runs.write(unit('audio0', 7));
		expect(begun).toEqual([0]);
		runs.write(unit('video0', 6, true));
		runs.write(unit('video0', 9));
		expect(begun).toEqual([0, 1]);
		expect(written(sink)).toEqual(['v0 v3 a4 a7', 'v6 a7 v9']);
	});

	it('waits for the key frame after the last configuration', () => {
		const { sink, runs } = setUpOnAir(PICTURE);
		runs.beginAtKeyFrame(BOTH);
		runs.configure(VIDEO, H264_CONFIG);
		runs.write(unit('video0', 3, true));
		runs.configure(AUDIO, AAC_CONFIG);
		runs.write(unit('video0', 6));
		runs.write(unit('video0', 9, true));
		expect(written(sink)).toEqual(['v0 v3 v6', 'v9']);
	});

	it('gives the run on air nothing of a track that has ended in it', () => {
		const { sink, runs } = setUpOnAir();
		runs.beginAtKeyFrame(BOTH, ['audio0']);
		runs.configure(VIDEO, H264_CONFIG);
		runs.configure(AUDIO, AAC_CONFIG);
		runs.write(unit('audio0', 4));
		runs.write(unit('video0', 4, true));
		expect(written(sink)).toEqual(['v0', 'v4 a4']);
	});

	it('adds a track whose encoder reports its configuration after the run has begun without it', async () => {
		const { clock, sink, runs } = setUp();
		runs.begin(BOTH);
		runs.configure(VIDEO, H264_CONFIG);
		runs.write(unit('video0', 0, true));
		await clock.advance(3000);
		runs.configure(AUDIO, AAC_CONFIG);
		runs.write(unit('audio0', 1));
		runs.write(unit('video0', 3, true));
		runs.write(unit('audio0', 4));
		expect(sink.calls).toEqual(['run 0 video0', 'run 1 video0+audio0']);
		expect(written(sink)).toEqual(['v0', 'v3 a4']);
	});

	it('keeps the run on air when a configuration never comes, and waits at most 30 s for a key frame', async () => {
		const { clock, sink, runs } = setUpOnAir();
		runs.beginAtKeyFrame(BOTH);
		runs.configure(VIDEO, H264_CONFIG);
		runs.write(unit('video0', 3, true));
		await clock.advance(30_000);
		runs.write(unit('video0', 6, true));
		expect(sink.calls).toHaveLength(1);
		runs.configure(AUDIO, AAC_CONFIG);
		runs.write(unit('audio0', 7));
		expect(sink.calls).toHaveLength(2);
		runs.end();
		expect(clock.pendingCount).toBe(0);
	});

	it('writes nothing before a run has begun, nor after its end', () => {
		const { sink, runs } = setUpOnAir();
		runs.end();
		runs.write(unit('video0', 3, true));
		expect(runs.hasRun).toBe(false);
		expect(written(sink)).toEqual(['v0']);
	});
});
