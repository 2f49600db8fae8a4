/** Tests of one run on its way to a sink: what it waits for, for how long, and how much it holds. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/logger.ts';
import { createTrack, type AccessUnit, type Track, type TrackId } from '../../core/media/access-unit.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { describeTransitions } from '../testing/describe-transitions.ts';
import { FakeTrackSink } from '../testing/fake-track-sink.ts';
import { AAC_CONFIG, H264_CONFIG, SMALL_H264_CONFIG, unitAt } from '../testing/track-configs.ts';
import { SINK_RUN_TRANSITIONS, SinkRun } from './sink-run.ts';

describeTransitions('SINK_RUN_TRANSITIONS', SINK_RUN_TRANSITIONS, {
	events: ['some-configured', 'all-configured', 'wait-ended', 'closed'],
	expected: {
		unconfigured: 'partly-configured open overdue closed',
		'partly-configured': 'partly-configured open open closed',
		overdue: 'open open overdue closed',
		open: '- - - closed',
		closed: '- - - -',
	},
	last: 'closed',
});

const unit = (trackId: TrackId, ticks: number): AccessUnit => unitAt(trackId, ticks, true);

const PICTURE = [createTrack('video', 0)];

function setUp(tracks: readonly Track[] = [...PICTURE, createTrack('audio', 0)]): {
	clock: FakeClock;
	sink: FakeTrackSink;
	sinkRun: SinkRun;
	opened: () => number;
} {
	const clock = new FakeClock();
	const sink = new FakeTrackSink();
	let openCount = 0;
	const deps = { clock, logger: silentLogger, sink };
	const sinkRun = new SinkRun(deps, { run: 4, tracks, onOpen: () => openCount++ });
	return { clock, sink, sinkRun, opened: () => openCount };
}

const numbers = (sink: FakeTrackSink): string[] =>
	sink.runs.flatMap(({ units }) => units.map(({ trackId, decodeTimeTicks }) => `${trackId} ${decodeTimeTicks}`));

describe('SinkRun', () => {
	it('holds units until every track is configured, then writes them in order, stamped with its run', () => {
		const { clock, sink, sinkRun, opened } = setUp();
		sinkRun.write(unit('audio0', 1));
		sinkRun.configure('video0', H264_CONFIG);
		sinkRun.write(unit('video0', 2));
		expect([sink.calls, opened()]).toEqual([[], 0]);
		sinkRun.configure('audio0', AAC_CONFIG);
		sinkRun.write(unit('audio0', 3));
		expect(sink.calls).toEqual(['run 4 video0+audio0']);
		expect(numbers(sink)).toEqual(['audio0 1', 'video0 2', 'audio0 3']);
		expect(sink.runs[0]!.units.every(({ run }) => run === 4)).toBe(true);
		expect(opened()).toBe(1);
		expect(clock.pendingCount).toBe(0);
	});

	it('ignores tracks that it does not expect, and configurations after it has opened', () => {
		const { sink, sinkRun } = setUp(PICTURE);
		sinkRun.configure('audio0', AAC_CONFIG);
		expect(sink.calls).toEqual([]);
		sinkRun.configure('video0', H264_CONFIG);
		sinkRun.configure('video0', SMALL_H264_CONFIG);
		sinkRun.write(unit('audio0', 1));
		expect(sink.calls).toEqual(['run 4 video0']);
		expect(sink.runs[0]!.tracks.get('video0')).toBe(H264_CONFIG);
		expect(numbers(sink)).toEqual([]);
	});

	it('begins after 3 s without the track that is still missing, and without its units', async () => {
		const { clock, sink, sinkRun } = setUp();
		sinkRun.configure('audio0', AAC_CONFIG);
		sinkRun.write(unit('audio0', 1));
		sinkRun.write(unit('video0', 2));
		await clock.advance(2999);
		expect(sink.calls).toEqual([]);
		await clock.advance(1);
		expect(sink.calls).toEqual(['run 4 audio0']);
		expect(numbers(sink)).toEqual(['audio0 1']);
		sinkRun.configure('video0', H264_CONFIG);
		sinkRun.write(unit('video0', 3));
		expect(numbers(sink)).toEqual(['audio0 1']);
	});

	it('begins with the first configuration when none has come in time', async () => {
		const { clock, sink, sinkRun } = setUp();
		await clock.advance(3500);
		expect(sink.calls).toEqual([]);
		sinkRun.write(unit('audio0', 1));
		sinkRun.configure('audio0', AAC_CONFIG);
		expect(sink.calls).toEqual(['run 4 audio0']);
		expect(numbers(sink)).toEqual(['audio0 1']);
	});

	it('begins early rather than hold more than 600 units', () => {
		const { sink, sinkRun } = setUp();
		sinkRun.configure('video0', H264_CONFIG);
		for (let number = 0; number < 600; number++) {
			sinkRun.write(unit('video0', number));
		}
		expect(sink.calls).toEqual([]);
		sinkRun.write(unit('video0', 600));
		expect(sink.calls).toEqual(['run 4 video0']);
		expect(numbers(sink)).toHaveLength(601);
	});

	it('drops the oldest units when it is full and has no configuration', () => {
		const { sink, sinkRun } = setUp(PICTURE);
		for (let number = 0; number < 1000; number++) {
			sinkRun.write(unit('video0', number));
		}
		sinkRun.configure('video0', H264_CONFIG);
		expect(numbers(sink)).toHaveLength(600);
		expect(numbers(sink)[0]).toBe('video0 400');
	});

	it('does nothing once closed, and leaves no timer', async () => {
		const { clock, sink, sinkRun, opened } = setUp(PICTURE);
		sinkRun.write(unit('video0', 1));
		sinkRun.close();
		expect(clock.pendingCount).toBe(0);
		sinkRun.configure('video0', H264_CONFIG);
		sinkRun.write(unit('video0', 2));
		await clock.advance(10_000);
		expect([sink.calls, opened()]).toEqual([[], 0]);
	});

	it('writes nothing after it was closed while open', () => {
		const { sink, sinkRun } = setUp(PICTURE);
		sinkRun.configure('video0', H264_CONFIG);
		sinkRun.write(unit('video0', 1));
		sinkRun.close();
		sinkRun.write(unit('video0', 2));
		expect(numbers(sink)).toEqual(['video0 1']);
	});
});
