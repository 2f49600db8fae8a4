/** Records made-up or encoded media into a store in memory: segments as the product writes them. For tests. */
import type { AccessUnit, TrackId } from '../../../core/media/access-unit.ts';
import type { TrackConfig } from '../../../core/media/codecs.ts';
import type { Rung } from '../../../core/media/rung.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import type { BroadcastId, ChannelName } from '../../../core/ids.ts';
import { defaultPackagerConfig } from '../../config/packager-config.ts';
import { BroadcastPackager } from '../../live/broadcast-packager.ts';
import { recordedObjectName, type JournalEntry } from '../../recording/journal-entry.ts';
import { Recorder } from '../../recording/recorder.ts';
import { segmentName } from '../../rendition/segment.ts';
import { MemoryStore } from '../../testing/memory-store.ts';
import type { RecordedTrack } from '../../vod/vod-playlist.ts';

export const TEST_VIDEO_ID = '01video';

/** One stretch of a broadcast. */
export type TestRun = {
	tracks: ReadonlyMap<TrackId, TrackConfig>;
	rungs?: ReadonlyMap<TrackId, Rung>;
	/** Of all tracks, in decode order. */
	units: readonly AccessUnit[];
};

export type TestRecording = { store: MemoryStore; entries: JournalEntry[]; tracks: RecordedTrack[] };

/** A broadcast of these runs, one after another. */
export async function recordRuns(runs: readonly TestRun[]): Promise<TestRecording> {
	const [clock, logger, store] = [new FakeClock(), new RecordingLogger(), new MemoryStore()];
	const broadcast = new BroadcastPackager(
		{ config: defaultPackagerConfig(), clock, logger },
		{ broadcastId: '01broadcast' as BroadcastId, channelName: 'demo' as ChannelName },
	);
	const entries: JournalEntry[] = [];
	const journal = { refusal: undefined, add: async (entry: JournalEntry) => void entries.push(entry) };
	const recorder = new Recorder(
		{ broadcast, store, journal, clock, logger, refusal: () => undefined },
		{ videoId: TEST_VIDEO_ID, archiveSeconds: 7200 },
	);
	runs.forEach(({ tracks, rungs, units }, run) => {
		broadcast.beginRun(run, tracks, rungs);
		units.forEach((unit) => broadcast.write({ ...unit, run }));
	});
	broadcast.end();
	const finished = recorder.finish(60_000);
	for (let index = 0; index < 200; index++) {
		await clock.advance(500);
	}
	await finished;
	await broadcast.close('packager-closed');
	return { store, entries, tracks: tracksOf(entries) };
}

/** The same recording again and again, until it is so long. */
export function repeatRecording({ store, tracks }: TestRecording, durationSeconds: number): TestRecording {
	const long = new MemoryStore();
	const repeated = tracks.map((track) => {
		for (const [name, bytes] of store.objects) {
			long.objects.set(name, bytes);
		}
		const { segments } = track;
		const first = segments[0]!;
		const last = segments.at(-1)!;
		const lapSeconds = last.startSeconds + last.durationSeconds - first.startSeconds;
		const laps = Math.ceil(durationSeconds / lapSeconds);
		const all = Array.from({ length: laps }, (_, lap) =>
			segments.map((segment) => {
				const mediaSequence = segment.mediaSequence + lap * segments.length;
				const from = recordedObjectName(TEST_VIDEO_ID, track.trackId, segmentName(segment.mediaSequence));
				const to = recordedObjectName(TEST_VIDEO_ID, track.trackId, segmentName(mediaSequence));
				long.objects.set(to, store.objects.get(from)!);
				return { ...segment, mediaSequence, startSeconds: segment.startSeconds + lap * lapSeconds };
			}),
		);
		return {
			...track,
			segments: all.flat().filter(({ startSeconds }) => startSeconds - first.startSeconds < durationSeconds),
		};
	});
	return { store: long, entries: [], tracks: repeated };
}

function tracksOf(entries: readonly JournalEntry[]): RecordedTrack[] {
	const inits = entries.filter((entry) => entry.kind === 'init');
	const segments = entries.filter((entry) => entry.kind === 'segment');
	return [...Map.groupBy(inits, ({ trackId }) => trackId)].map(([trackId, own]) => ({
		trackId,
		facts: own.map(({ facts }) => facts),
		rung: own[0]!.facts.rung,
		frameRate: own[0]!.facts.frameRate,
		segments: segments
			.filter((entry) => entry.trackId === trackId)
			.map(({ gap, ...segment }) => ({ ...segment, isGap: gap !== null })),
	}));
}
